//! Errors of downloading published weights. Addresses are shown without user names and passwords.

use crate::printable::PathText;

use std::io;
use std::path::PathBuf;

use ureq::http::StatusCode;

use super::{CheckpointError, Digest};

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The download folder or a file in it cannot be written.
    #[error("`{}` cannot be written", .0.shown())]
    Write(PathBuf, #[source] io::Error),
    /// The server answered with an error status.
    #[error("the server answered {status} for {url}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The size of the file differs from the published size.
    #[error("{url} is not the published file: it has {found} bytes instead of {expected}")]
    OtherSize {
        /// The address.
        url: String,
        /// Bytes on the server.
        found: u64,
        /// Bytes of the published file.
        expected: u64,
    },
    /// The file exceeds the size limit, which applies if the published size is unknown.
    #[error("{url} has more than {limit} bytes, which is more than any published weights file")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The digest of the file differs from the published digest.
    #[error(
        "the download from {url} ({bytes} bytes) is not the published file and was deleted: its \
         SHA-256 is {found} instead of {expected}"
    )]
    OtherContent {
        /// The address.
        url: String,
        /// Bytes received.
        bytes: u64,
        /// SHA-256 of the received bytes.
        found: String,
        /// Digest of the published file.
        expected: Digest,
    },
    /// The server cannot be reached, for instance because of a wrong address or proxy.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The cause.
        reason: String,
    },
    /// Several attempts in a row failed.
    #[error(
        "the download of {url} failed: {reason}{kept}",
        kept = match kept {
            0 => String::new(),
            bytes => format!(" ({bytes} bytes are kept; run the command again to resume)"),
        }
    )]
    BrokeOff {
        /// The address.
        url: String,
        /// Cause of the last failure.
        reason: String,
        /// Bytes kept for the next attempt.
        kept: u64,
    },
    /// The downloaded file cannot be read back.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
