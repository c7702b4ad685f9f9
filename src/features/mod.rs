//! From photos to rows of features: the frozen part, run once for each photo.

pub mod cache;
mod extract;
mod table;

pub(crate) use extract::read;
pub use extract::{ExtractError, Extraction, Extractor, FeatureBatch, Stopped};
pub use table::{FeatureTable, TableFormat, TableRow};
