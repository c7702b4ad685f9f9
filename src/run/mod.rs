//! The run folder: everything that a training run writes, and how to load the model from it.

mod card;
mod card_figures;
mod card_multi_label;
mod comparison;
mod config;
mod files;
mod fold_tables;
mod folder;
mod frozen;
mod head_summary;
mod history;
mod model;
mod multi_label_predictions;
mod predictions;
mod replace;
mod split_record;
mod staged_model;

pub use card::Card;
pub use card_multi_label::MultiLabelCard;
pub use comparison::{
    ComparedRun, Comparison, ComparisonError, Difference, FurtherScores, OptionDifference,
    PairedDifference, RecordError, RunScores, option_differences, words,
};
pub use config::{
    BURN_VERSION, ConfigError, DataRecord, MultiLabelSummary, RunConfig, SplitError, Summary,
    TestScores, Versions, WeightsRecord,
};
pub use fold_tables::{folds_table, suspects_table};
pub use folder::{FolderContent, ModelFile, RunDir, RunError};
pub use frozen::FrozenBackbone;
pub use head_summary::HeadSummary;
pub use history::{History, HistoryError};
pub use model::{Model, ModelError};
pub use multi_label_predictions::{LabelledLogits, joined_labels, multi_label_predictions};
pub use predictions::{PhotoPrediction, PredictionsError, predictions_csv};
pub use replace::restore_replaced;
pub use split_record::NearDuplicates;
pub use staged_model::StagedModel;

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
/// The prediction for each validation and test photo.
pub const PREDICTIONS_FILE: &str = "predictions.csv";
/// The out-of-fold prediction for each training and validation photo.
pub const FOLDS_FILE: &str = "folds.csv";
/// Photos whose label may be wrong.
pub const SUSPECTS_FILE: &str = "suspects.csv";
/// Which photos were trained, validated and tested on.
pub const SPLIT_FILE: &str = "split.csv";
/// The first columns of every table of photos in a run. A file of the same name that begins with
/// something else is the user's.
pub const TABLE_COLUMNS: &str = "path,part,label";
/// Features of the photos that were trained on, for the score of strangers.
pub const NEIGHBOURS_FILE: &str = "neighbours.safetensors";
