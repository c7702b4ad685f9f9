//! The run folder: everything that a training run leaves behind, and the model read back from it.

mod card;
mod config;
mod folder;
mod history;
mod model;

pub use card::Card;
pub use config::{
    BURN_VERSION, ConfigError, DataRecord, RunConfig, SplitError, Summary, Versions, WeightsRecord,
};
pub use folder::{FolderContent, RunError, RunPlace};
pub use history::{History, HistoryError};
pub use model::{FrozenBackbone, Model, ModelError};

/// The whole network, in torchvision's names.
pub const MODEL_FILE: &str = "model.safetensors";
/// A class name a line, in the order of the logits.
pub const CLASSES_FILE: &str = "classes.txt";
/// How the run was made.
pub const CONFIG_FILE: &str = "config.toml";
/// A line an epoch.
pub const METRICS_FILE: &str = "metrics.csv";
/// What came of it.
pub const SUMMARY_FILE: &str = "summary.json";
/// What it is like, as a page to look at.
pub const REPORT_FILE: &str = "report.html";
/// Loss and accuracy of each epoch, drawn.
pub const CURVES_FILE: &str = "curves.svg";
/// The model card.
pub const CARD_FILE: &str = "README.md";
