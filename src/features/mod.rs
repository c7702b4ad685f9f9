//! From photos to rows of features: the frozen part, run once for each photo.

pub mod cache;
mod executor;
mod extract;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod group;
mod kept;
mod self_check;
mod table;

pub use executor::PrecisionError;
pub use extract::{ExtractError, Extraction, Extractor, FeatureBatch, FeatureMap, Stopped};
pub use self_check::{SelfCheck, SelfCheckError};
pub use table::{FeatureTable, TableFormat, TableRow};
