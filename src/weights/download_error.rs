//! Why a published weights file was not downloaded. Addresses are told without user names and passwords.

use std::io;
use std::path::PathBuf;

use ureq::http::StatusCode;

use super::{CheckpointError, Digest};

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The folder or a file in it cannot be written.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The server has no such file, or does not give it.
    #[error("the server answers {status} for {url}")]
    Status {
        /// The address.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The server has a file of another size.
    #[error("{url} is another file: it has {found} bytes, and the published one {expected}")]
    OtherSize {
        /// The address.
        url: String,
        /// Bytes there.
        found: u64,
        /// Bytes published.
        expected: u64,
    },
    /// The server has more than any such file.
    #[error("{url} gives more than {limit} bytes, and no published weights are as large")]
    TooLarge {
        /// The address.
        url: String,
        /// Most bytes that are taken.
        limit: u64,
    },
    /// The server has another content.
    #[error(
        "what {url} gives ({bytes} bytes) is not the published file and was deleted: its SHA-256 is \
         {found}, and {expected} is published"
    )]
    OtherContent {
        /// The address.
        url: String,
        /// How much arrived.
        bytes: u64,
        /// The digest of that.
        found: String,
        /// What is published.
        expected: Digest,
    },
    /// The address or the way there is at fault.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The connection failed, again and again.
    #[error(
        "the download of {url} broke off: {reason}{kept}",
        kept = match kept {
            0 => String::new(),
            bytes => format!(" ({bytes} bytes are kept; the next attempt goes on from there)"),
        }
    )]
    BrokeOff {
        /// The address.
        url: String,
        /// What failed last.
        reason: String,
        /// Bytes that are here.
        kept: u64,
    },
    /// What arrived cannot be read back.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
