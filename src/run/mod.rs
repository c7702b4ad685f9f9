//! The run folder: everything that a training run writes, and how to load the model from it.

mod card;
mod config;
mod files;
mod folder;
mod history;
mod model;
mod replace;

pub use card::Card;
pub use config::{
    BURN_VERSION, ConfigError, DataRecord, RunConfig, SplitError, Summary, TestScores, Versions,
    WeightsRecord,
};
pub use folder::{FolderContent, RunDir, RunError};
pub use history::{History, HistoryError};
pub use model::{FrozenBackbone, Model, ModelError};
pub use replace::restore_replaced;

/// The whole network, with the tensor names of the published weights.
pub const MODEL_FILE: &str = "model.safetensors";
/// Class names, one per line, in the order of the logits.
pub const CLASSES_FILE: &str = "classes.txt";
/// The configuration of the run.
pub const CONFIG_FILE: &str = "config.toml";
/// Metrics, one line per epoch.
pub const METRICS_FILE: &str = "metrics.csv";
/// The results of the run.
pub const SUMMARY_FILE: &str = "summary.json";
/// The report, an HTML page.
pub const REPORT_FILE: &str = "report.html";
/// Loss and accuracy of each epoch, as an SVG drawing.
pub const CURVES_FILE: &str = "curves.svg";
/// The model card.
pub const CARD_FILE: &str = "README.md";
