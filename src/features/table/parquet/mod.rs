//! Parquet tables for data frames: <https://parquet.apache.org/docs/file-format/>.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;
