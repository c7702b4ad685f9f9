//! The options of `kindling train`.

mod head;
mod preprocessing;
mod split;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
pub use head::{HeadArgs, HeadKind};
use kindling::backbone::Architecture;
use serde::{Serialize, Serializer};

use super::row_storage::DEFAULT_MEMORY;
use crate::cli::DeviceArg;
use crate::cli::extraction::FeaturesArg;
use crate::cli::memory_size::MemorySize;
use crate::cli::pretrained::NetworkArg;
use crate::cli::report::GalleryArg;
use crate::cli::suggested::Suggested;
use crate::cli::table::TableArgs;
use preprocessing::PreprocessingArgs;
pub use split::{SplitArgs, SplitDuplicates};

/// Train a classifier on a folder of photos
///
/// DATA holds train/<class>/* and val/<class>/*, or <class>/* (a share of each class is then used
/// for validation), or photos named <class>.<anything>.jpg; or it is a table with a path and a label
/// in each row. A pretrained network computes the
/// features of each photo once, and a new last layer is trained on them. The weights of the epoch
/// with the best validation accuracy are kept.
#[derive(Args, Serialize)]
#[command(after_help = "\
Examples:
  kindling train photos                                ResNet-18, or built in
  kindling train photos --backbone efficientnet-lite0  built in
  kindling train photos --out runs/first --epochs 30 --patience 5
  kindling train photos --weights my-resnet34.pth --device wgpu:1
  kindling train labels.csv --test-split 0.2
  kindling train --train a/train --val a/dev --test a/test
  kindling train --features features.parquet")]
pub struct TrainArgs {
    /// Folder of photos; or a table of them: .csv, .tsv or .parquet; or shards: .tar or .zip
    ///
    /// Several shards are given as a pattern in quotes: 'birds-{000..099}.tar'. The parts of a
    /// split are those in their names, such as train-000.tar and val-000.tar, if each name has one.
    #[arg(value_hint = ValueHint::AnyPath, required_unless_present_any = ["train", "known_features"], conflicts_with = "train")]
    pub data: Option<PathBuf>,

    /// Folder with a folder for each class to train on, instead of DATA
    ///
    /// Use it where DATA would leave open which folders are classes. Without --val, a share of each
    /// class is used for validation.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Photos")]
    pub train: Option<PathBuf>,

    /// Folder with the photos to validate on, in the same classes
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "train", conflicts_with = "data", help_heading = "Photos")]
    pub val: Option<PathBuf>,

    /// Folder with photos of the same classes, on which the finished model is tested once
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Photos")]
    pub test: Option<PathBuf>,

    /// Train on features that `kindling embed` has written, instead of DATA
    ///
    /// Several .npy, .safetensors and .parquet files, folders of them, and patterns such as
    /// 'x-{000..099}.parquet'. Labels and parts are those in the files. The network is the one that
    /// computed the features; a .npy file does not name it, so --backbone or --weights must.
    #[arg(long = "features", value_name = "FILE|DIR", value_hint = ValueHint::AnyPath, num_args = 1.., conflicts_with_all = ["data", "train", "val", "test", "views"], help_heading = "Photos")]
    #[serde(rename = "features", skip_serializing_if = "Vec::is_empty")]
    pub known_features: Vec<PathBuf>,

    /// Features that stay in memory, such as 512MiB or 2GB
    ///
    /// More are kept in a temporary file, which a training reads in each epoch; the result is the
    /// same. What needs all features at once is then an error (--head auto, --refit, --folds,
    /// --split-duplicates together) or left out (warnings about photos that are nearly the same).
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_MEMORY, help_heading = "Training")]
    pub features_memory: MemorySize,

    /// Folder for the temporary file of features [default: the one of the run]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Training")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features_dir: Option<PathBuf>,

    #[command(flatten)]
    #[serde(flatten)]
    pub split: SplitArgs,

    #[command(flatten)]
    #[serde(flatten)]
    pub table: TableArgs,

    /// Pretrained network: resnet18, resnet34 or efficientnet-lite0 [default: resnet18]
    ///
    /// efficientnet-lite0 is built in, and is the default if the weights of resnet18 are not on
    /// this machine and cannot be downloaded. The weights of the others are read from weights/ or
    /// the cache folder, and downloaded if they are in neither. With --weights, the default is the
    /// network in that file. For a ResNet with a different number of stem channels, append the
    /// number to the name: resnet18-w16.
    #[arg(long, value_name = "NAME", value_parser = Suggested::<Architecture>::new(Architecture::names()), hide_possible_values = true)]
    #[serde(serialize_with = "as_text")]
    pub backbone: Option<Architecture>,

    /// Your own weights file: .pth, .pt, .safetensors or .bpk, with the published tensor names
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub weights: Option<PathBuf>,

    #[command(flatten)]
    #[serde(flatten)]
    pub preprocessing: PreprocessingArgs,

    #[command(flatten)]
    #[serde(flatten)]
    pub network: NetworkArg,

    #[command(flatten)]
    #[serde(serialize_with = "device_as_text")]
    pub device: DeviceArg,

    #[command(flatten)]
    #[serde(flatten)]
    pub features: FeaturesArg,

    /// Skip the GPU self-check
    ///
    /// Before training on a GPU, Kindling runs one photo on both the GPU and the processor, and
    /// stops if the features differ by more than rounding. A driver that miscompiles a kernel would
    /// otherwise silently give a worse model.
    #[arg(long)]
    pub no_self_check: bool,

    /// Folder for the run [default: runs/<date-time>]
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,

    /// Replace an existing run
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    #[serde(flatten)]
    pub gallery: GalleryArg,

    /// Print only warnings, errors and, at the end, the run folder
    #[arg(long, short)]
    pub quiet: bool,

    /// Show the training on Burn's dashboard (cargo feature `tui`)
    ///
    /// Press `q` to choose between stopping after the current epoch, which keeps the best one so
    /// far, and quitting at once without a run. The usual lines are printed afterwards.
    #[arg(long, conflicts_with = "quiet")]
    pub tui: bool,

    /// Maximum number of passes over the training photos
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub epochs: u32,

    /// Photos per optimiser step
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub batch_size: u32,

    /// Learning rate of Adam
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = positive, help_heading = "Training")]
    pub lr: f64,

    /// L2 penalty on the new layer
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = not_negative, help_heading = "Training")]
    pub weight_decay: f64,

    /// Random seed
    // The run's configuration is written as TOML, whose largest integer is i64::MAX.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64), help_heading = "Training")]
    pub seed: u64,

    /// Stop after N epochs without improvement
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub patience: Option<u32>,

    #[command(flatten)]
    #[serde(flatten)]
    pub head: HeadArgs,
}

impl TrainArgs {
    /// The folder of the photos to train on, or the first file of features, as the user gave it.
    pub fn folder(&self) -> &Path {
        let features = self.known_features.first().map(PathBuf::as_path);
        // clap requires one of them.
        self.train.as_deref().or(self.data.as_deref()).or(features).unwrap_or(Path::new("."))
    }
}

fn as_text<S: Serializer>(value: &Option<impl ToString>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

fn device_as_text<S: Serializer>(arg: &DeviceArg, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&arg.device.to_string())
}

fn number(text: &str, valid: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| valid(*value)).ok_or_else(|| format!("expected {expected}"))
}

fn positive(text: &str) -> Result<f64, String> {
    // Training computes in f32, in which 1e-300 is 0.
    number(text, |value| value as f32 > 0.0 && (value as f32).is_finite(), "a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0 && (value as f32).is_finite(), "a number, 0 or above")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value < 1.0, "a number between 0 and 1")
}
