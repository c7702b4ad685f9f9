//! Why weights could not be loaded.

use std::path::PathBuf;

use super::CheckpointError;
use crate::backbone::Architecture;
use crate::printable::{PathText, shape_text, shortened};

/// Why weights could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file holds another network.
    #[error("`{}` does not hold {architecture}: {differences}", .path.shown())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The name of the expected network.
        architecture: Box<str>,
        /// Missing, extra and misshapen tensors.
        differences: Differences,
    },
    /// The file holds an unknown network.
    #[error(
        "`{}` does not hold a known network ({names}): {reason}",
        .path.shown(), names = Architecture::names().collect::<Vec<_>>().join(", ")
    )]
    UnknownNetwork {
        /// The file.
        path: PathBuf,
        /// How it differs from the known networks.
        reason: String,
    },
    /// The network has no fc layer.
    #[error(
        "`{}` has no fc layer for {features} features ({layer}.weight [classes, {features}], \
         {layer}.bias [classes]), so it predicts no classes; found {layer}.weight {}, \
         {layer}.bias {}", .path.shown(), found(.weight), found(.bias)
    )]
    NoHead {
        /// The file.
        path: PathBuf,
        /// The layer's name in such files.
        layer: String,
        /// The number of features.
        features: usize,
        /// The weight's shape, if there is one.
        weight: Option<Vec<usize>>,
        /// The bias's shape, if there is one.
        bias: Option<Vec<usize>>,
    },
    /// The head is something else than one linear layer.
    #[error(
        "`{}` has a head that is not one linear layer for {features} features, so it predicts no \
         classes here: it holds {tensors}; its backbone can be trained on (`train --weights`)",
        .path.shown()
    )]
    OtherHead {
        /// The file.
        path: PathBuf,
        /// The head's tensors.
        tensors: String,
        /// The number of features.
        features: usize,
    },
    /// The head has a single output.
    #[error(
        "`{}` has one output (`{layer}`), a sigmoid or a regression, and a classifier needs one for \
         each class: train on it with `train --weights`, or, if it is a sigmoid, put a row of zeros \
         before the row of `{layer}.weight` and of `{layer}.bias`", .path.shown()
    )]
    OneLogit {
        /// The file.
        path: PathBuf,
        /// The layer's name in the file.
        layer: String,
    },
    /// A tensor with the right name and shape could not be loaded.
    #[error("`{}`: {reason}", .path.shown())]
    Apply {
        /// The file.
        path: PathBuf,
        /// The module's error.
        reason: String,
    },
}

fn found(shape: &Option<Vec<usize>>) -> String {
    shape.as_ref().map_or("nothing".to_owned(), |shape| shape_text(shape))
}

/// How a file differs from the expected network.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Misshapen tensors: name, shape expected, shape found.
    pub misshaped: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Missing tensors: name, shape expected.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Extra tensors: name, shape found.
    pub extra: Vec<(String, Vec<usize>)>,
}

/// The most tensors of each kind that an error names.
pub(super) const NAMED: usize = 3;
/// The most characters of a tensor's name that an error repeats.
pub(super) const LONGEST_NAME: usize = 48;
/// The most characters of a list of tensors in an error.
pub(super) const LONGEST_LIST: usize = 120;

impl std::fmt::Display for Differences {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |count: usize, what: &str, first: Vec<String>| {
            let tensors = if count == 1 { "tensor" } else { "tensors" };
            let more = if count > NAMED { ", ..." } else { "" };
            (count > 0).then(|| format!("{count} {tensors} {what} ({}{more})", first.join(", ")))
        };
        let kinds = [
            list(
                self.misshaped.len(),
                "of another shape",
                self.misshaped
                    .iter()
                    .take(NAMED)
                    .map(|(name, expected, found)| {
                        let name = shortened(name, LONGEST_NAME);
                        let found = shape_text(found);
                        format!("{name}: expected {expected:?}, found {found}")
                    })
                    .collect(),
            ),
            list(
                self.missing.len(),
                "missing",
                self.missing
                    .iter()
                    .take(NAMED)
                    .map(|(name, expected)| {
                        format!("{} {expected:?}", shortened(name, LONGEST_NAME))
                    })
                    .collect(),
            ),
            list(
                self.extra.len(),
                "too many",
                self.extra
                    .iter()
                    .take(NAMED)
                    .map(|(name, found)| {
                        format!("{} {}", shortened(name, LONGEST_NAME), shape_text(found))
                    })
                    .collect(),
            ),
        ];
        formatter.write_str(&kinds.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}
