//! The options of `kindling train` about the head.

use std::fmt;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use kindling::head::{ClassWeights, FitOptions, L2Options, Monitor};
use serde::{Serialize, Serializer};

/// How the new layer is trained.
#[derive(Args, Serialize)]
pub struct HeadArgs {
    /// How the new layer is trained
    ///
    /// `adam` runs epochs of Adam, with the options above. `auto` finds the optimum of the
    /// L2-regularised loss directly, and chooses the strength of the penalty by cross-validation on
    /// the training photos alone. Not for several labels a photo.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = HeadKind::Adam, help_heading = "Head")]
    pub head: HeadKind,

    /// What makes up for classes with few photos
    ///
    /// For several labels a photo: none, effective or loss.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Weights::None, help_heading = "Head")]
    pub class_weights: Weights,

    /// Share of each target that is spread over all classes
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = below_1, help_heading = "Head")]
    pub label_smoothing: f64,

    /// Validation score that chooses the epoch [default: accuracy]
    ///
    /// With --head auto: score on the held-out training photos that chooses the penalty [default:
    /// loss].
    #[arg(long, value_name = "SCORE", value_enum, help_heading = "Head")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitored>,

    /// Train the finished layer on the validation photos too
    ///
    /// The number of epochs (or the penalty) is chosen first, as without --refit. The validation
    /// figures are those of the layer before that. Not for several labels a photo.
    #[arg(long, help_heading = "Head")]
    pub refit: bool,

    /// Cross-validate with K folds of the training and validation photos
    ///
    /// Prints the mean and the spread of each score, and writes a prediction for every photo, by a
    /// layer that was not trained on it, into folds.csv. Not for several labels a photo.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=100), help_heading = "Head")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<u32>,
}

/// How the new layer is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HeadKind {
    /// Epochs of Adam, of which the best is kept
    Adam,
    /// The L2-regularised optimum, its penalty chosen by cross-validation
    Auto,
}

/// What makes up for classes with few photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Nothing: each photo counts the same
    None,
    /// The same as logit-half
    Balanced,
    /// The loss is weighted by the effective number of photos of a class
    Effective,
    /// The loss is weighted by the inverse number of photos of a class
    Loss,
    /// Half the log of a class's share of the photos is subtracted from its bias
    LogitHalf,
    /// The whole log is subtracted
    LogitFull,
}

/// The score that chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Monitored {
    /// Share of photos that are classified correctly
    Accuracy,
    /// Mean F1 of the classes
    MacroF1,
    /// Mean cross-entropy
    Loss,
}

/// The name of a value, as on the command line.
macro_rules! named {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = self.to_possible_value();
                formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

named!(HeadKind, Weights, Monitored);

impl Weights {
    fn of_head(self) -> ClassWeights {
        match self {
            Self::None => ClassWeights::None,
            Self::Balanced | Self::LogitHalf => ClassWeights::LogitHalf,
            Self::LogitFull => ClassWeights::LogitFull,
            Self::Effective => ClassWeights::Effective,
            Self::Loss => ClassWeights::Loss,
        }
    }
}

impl HeadArgs {
    /// The score that chooses the epoch or the penalty.
    pub fn monitor(&self) -> Monitor {
        let default = match self.head {
            HeadKind::Adam => Monitor::Accuracy,
            HeadKind::Auto => Monitor::Loss,
        };
        self.asked_monitor().unwrap_or(default)
    }

    /// The score that `--monitor` names.
    pub fn asked_monitor(&self) -> Option<Monitor> {
        self.monitor.map(|monitor| match monitor {
            Monitored::Accuracy => Monitor::Accuracy,
            Monitored::MacroF1 => Monitor::MacroF1,
            Monitored::Loss => Monitor::Loss,
        })
    }

    /// `options` with those of the head.
    pub fn on(&self, options: FitOptions) -> FitOptions {
        FitOptions {
            class_weights: self.class_weights.of_head(),
            label_smoothing: self.label_smoothing,
            monitor: self.monitor(),
            ..options
        }
    }

    /// The options of the L2-regularised optimum for this `C`.
    pub fn l2(&self, c: f64) -> L2Options {
        L2Options {
            c,
            class_weights: self.class_weights.of_head(),
            label_smoothing: self.label_smoothing,
        }
    }

    /// Refuses what is defined for photos of exactly one class: the thresholds of several labels make
    /// up for rare classes, not a shift of the bias.
    pub fn check_for_label_sets(&self) -> Result<()> {
        let option = match self {
            Self { head: HeadKind::Auto, .. } => "--head auto",
            Self { class_weights: Weights::Balanced, .. } => "--class-weights balanced",
            Self { class_weights: Weights::LogitHalf, .. } => "--class-weights logit-half",
            Self { class_weights: Weights::LogitFull, .. } => "--class-weights logit-full",
            Self { refit: true, .. } => "--refit",
            Self { folds: Some(_), .. } => "--folds",
            _ => return Ok(()),
        };
        bail!("{option} needs photos of one class each, and these have several; leave it out")
    }
}

fn below_1(text: &str) -> Result<f64, String> {
    let is_share = |value: &f64| (0.0..1.0).contains(value);
    text.parse().ok().filter(is_share).ok_or_else(|| "expected a number from 0 to below 1".into())
}
