//! The pretrained weights that are known by name: `weights/manifest.toml`, compiled in.

use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A published weights file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishedWeights {
    /// The backbone's name.
    pub name: String,
    /// The file's name, wherever it lies.
    pub file: String,
    /// Where it can be downloaded, if anywhere.
    pub url: Option<String>,
    /// Length in bytes, where it is known.
    pub size: Option<u64>,
    /// The SHA-256 of its content, whole or in part.
    #[serde(flatten)]
    pub digest: Digest,
    /// Under what terms it is published (SPDX).
    pub licence: String,
    /// Published top-1 accuracy on ImageNet's validation photos, in percent.
    pub top1: f64,
    /// Who trained it.
    pub source: String,
}

/// What is known of a file's SHA-256, in lower-case hexadecimal.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Digest {
    /// All 64 digits.
    #[serde(rename = "sha256")]
    Whole(String),
    /// The first digits, from the file's name: what torch.hub checks.
    #[serde(rename = "sha256_prefix")]
    Prefix(String),
}

impl Digest {
    /// Whether a whole digest agrees with what is known.
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

#[derive(Deserialize)]
struct Manifest {
    weights: Vec<PublishedWeights>,
}

static MANIFEST: LazyLock<Vec<PublishedWeights>> = LazyLock::new(|| {
    let text = include_str!("../../weights/manifest.toml");
    toml::from_str::<Manifest>(text).expect("the manifest is tested").weights
});

impl PublishedWeights {
    /// All that are known.
    pub fn all() -> &'static [Self] {
        &MANIFEST
    }

    /// The names of those whose content is built into this program.
    pub fn names_built_in() -> impl Iterator<Item = &'static str> {
        let built_in = Self::all().iter().filter(|weights| weights.built_in().is_some());
        built_in.map(|weights| weights.name.as_str())
    }

    /// Those of the backbone `name`.
    pub fn of(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|weights| weights.name == name)
    }

    /// Those that a file's name promises.
    pub fn of_file(path: &Path) -> Option<&'static Self> {
        let name = path.file_name()?;
        Self::all().iter().find(|weights| name == weights.file.as_str())
    }

    /// The content, where it is built into this program (feature `bundled-weights`).
    pub fn built_in(&self) -> Option<&'static [u8]> {
        #[cfg(feature = "bundled-weights")]
        if self.name == "efficientnet-lite0" {
            return Some(include_bytes!("../../weights/efficientnet-lite0.safetensors"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::Architecture;

    #[test]
    fn every_published_backbone_has_an_entry_that_can_be_checked() {
        let names: Vec<&str> = PublishedWeights::all().iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names, Architecture::published().collect::<Vec<_>>());
        for weights in PublishedWeights::all() {
            let (Digest::Whole(known) | Digest::Prefix(known)) = &weights.digest;
            assert!(known.len() >= 8 && known.chars().all(|digit| digit.is_ascii_hexdigit()));
            assert_eq!(matches!(weights.digest, Digest::Whole(_)), known.len() == 64);
            // What is not downloaded is committed; torch.hub's names end in the digest's first digits.
            match &weights.url {
                Some(url) => {
                    assert!(url.ends_with(&weights.file) && weights.file.contains(&known[..8]))
                }
                None => assert!(weights.file.ends_with(".safetensors")),
            }
        }
    }

    #[test]
    fn a_digest_admits_what_it_promises_and_nothing_else() {
        let whole = Digest::Whole("ab".repeat(32));
        assert!(whole.admits(&"ab".repeat(32)) && !whole.admits(&"ac".repeat(32)));
        let prefix = Digest::Prefix("abab".into());
        assert!(prefix.admits(&"ab".repeat(32)) && !prefix.admits(&"ba".repeat(32)));
    }
}
