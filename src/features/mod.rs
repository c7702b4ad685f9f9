//! From photos to rows of features: the frozen part, run once for each photo.

mod extract;

pub use extract::{ExtractError, Extraction, Extractor, FeatureBatch, Stopped};
