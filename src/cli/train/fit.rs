//! The third step of `train`: the head, trained on the features.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use kindling::device;
use kindling::head::{self, FitOptions, Head, Next, Selection};
use kindling::photos::Split;

use super::args::HeadKind;
use super::console::Console;
use super::extract::Extracted;
use super::load::Loaded;
use super::watch::Watch;
use super::{TrainArgs, auto};
use crate::cli::interrupt;

/// A trained head and its raw logits for the validation photos.
pub struct Fitted {
    /// The head and the metrics of every epoch.
    pub fitted: head::Fitted,
    /// Logits of the validation photos, `[photos, classes]`.
    pub logits: Vec<f32>,
    pub seconds: f64,
    /// How the penalty was chosen, with `--head auto`.
    pub selection: Option<Selection>,
    /// The head of `--refit`, which the model gets instead.
    pub refit: Option<Head>,
}

impl Fitted {
    /// The head of the model.
    pub fn finished(&self) -> &Head {
        self.refit.as_ref().unwrap_or(&self.fitted.head)
    }
}

/// The device of the head: the processor, whatever device computed the features. An epoch on some
/// hundred rows takes milliseconds (benches/RESULTS.md).
pub fn head_device(loaded: &Loaded) -> Device {
    device::processor().unwrap_or_else(|| loaded.device.clone())
}

/// The options of the command.
pub fn fit_options(args: &TrainArgs) -> FitOptions {
    args.head.on(FitOptions {
        epochs: args.epochs as usize,
        batch_size: args.batch_size as usize,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        seed: args.seed,
        patience: args.patience.map(|epochs| epochs as usize),
        ..FitOptions::DEFAULT
    })
}

/// Trains the head.
pub fn fit(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted,
    split: &Split,
    watch: Watch,
    console: &Console,
) -> Result<Fitted> {
    let Extracted { train, val, .. } = extracted;
    let (options, classes) = (fit_options(args), split.classes.len());
    let device = head_device(loaded);
    let start = Instant::now();
    let (fitted, selection) = match args.head.head {
        HeadKind::Auto => {
            let (fitted, selection) = auto::fit(args, extracted, split, &device, console)?;
            (Ok(fitted), Some(selection))
        }
        HeadKind::Adam => {
            let fitted = watch.training(console, options.epochs, train.labels.len(), |observe| {
                head::fit(train, val, classes, &options, &device, |progress| {
                    let next = observe(progress);
                    if interrupt::received() { Next::Abandon } else { next }
                })
            });
            (fitted, None)
        }
    };
    if let Some(interrupted) = interrupt::error(&extracted.extractor) {
        return Err(interrupted);
    }
    let fitted = fitted?;
    let seconds = start.elapsed().as_secs_f64();
    let logits = fitted.head.logits_of(&val.rows, &device)?;
    Ok(Fitted { fitted, logits, seconds, selection, refit: None })
}
