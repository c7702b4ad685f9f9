//! Published weights. Each architecture's file lists its own.

use serde::{Deserialize, Serialize};

/// A published weights file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishedWeights {
    /// The backbone's name.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// The address to download it from, if there is one.
    pub url: Option<String>,
    /// Length in bytes, if it is published.
    pub size: Option<u64>,
    /// The SHA-256 of its content, whole or in part.
    #[serde(flatten)]
    pub digest: Digest,
    /// The licence (SPDX).
    pub licence: String,
    /// Published top-1 accuracy on ImageNet's validation photos, in percent.
    pub top1: f64,
    /// Who trained it.
    pub source: String,
    /// The content, if it is built into this program (feature `bundled-weights`).
    #[serde(skip)]
    pub built_in: Option<&'static [u8]>,
}

/// A file's published SHA-256, in lower-case hexadecimal.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Digest {
    /// All 64 digits.
    #[serde(rename = "sha256")]
    Whole(String),
    /// The first digits, which the file's name contains: what torch.hub checks.
    #[serde(rename = "sha256_prefix")]
    Prefix(String),
}

impl Digest {
    /// Whether a whole digest agrees with the published one.
    pub fn admits(&self, sha256: &str) -> bool {
        match self {
            Self::Whole(known) => known == sha256,
            Self::Prefix(known) => sha256.starts_with(known.as_str()),
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(known) => write!(formatter, "{known}"),
            Self::Prefix(known) => write!(formatter, "{known}..."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_admits_what_it_promises_and_nothing_else() {
        let whole = Digest::Whole("ab".repeat(32));
        assert!(whole.admits(&"ab".repeat(32)) && !whole.admits(&"ac".repeat(32)));
        let prefix = Digest::Prefix("abab".into());
        assert!(prefix.admits(&"ab".repeat(32)) && !prefix.admits(&"ba".repeat(32)));
    }
}
