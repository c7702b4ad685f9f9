//! From photos to rows of features: each photo goes through the frozen backbone once.
//!
//! [`Extractor`] batches photos, looks them up in the [`cache`], and gives the rest to an
//! [`Engine`](crate::engine::Engine), whichever it is. [`FeatureTable`] writes the rows to a file,
//! and reads them.

mod batch;
pub mod cache;
mod extract;
mod near_duplicates;
mod passage;
mod pending_batch;
mod self_check;
#[cfg(feature = "parquet")]
pub mod shards;
mod shared_cache;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod speed_test;
mod spot_check;
mod table;

pub use batch::{Extraction, FeatureBatch, Stopped};
pub use extract::Extractor;
pub use near_duplicates::{MIN_FEATURES, NEAR_DUPLICATE, NearDuplicate, near_duplicates};
pub use self_check::{SelfCheck, SelfCheckError};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use speed_test::{ForwardSpeed, SpeedTest, SpeedTestError};
pub use table::{FeatureTable, FeatureTableError, TableFormat, TableRow};
