//! The run folder: everything that a training run leaves behind, and the model read back from it.

mod config;
mod folder;
mod model;

pub use config::{
    BURN_VERSION, ConfigError, DataRecord, RunConfig, Summary, Versions, WeightsRecord,
};
pub use folder::{FolderContent, RunError, RunPlace};
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
