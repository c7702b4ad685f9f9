//! From photos to rows of features: the frozen part, run once for each photo.

pub mod cache;
mod extract;
mod group;
mod kept;
mod table;

pub use extract::{ExtractError, Extraction, Extractor, FeatureBatch, FeatureMap, Stopped};
pub use table::{FeatureTable, TableFormat, TableRow};
