//! Loads a weights file into modules. Loading is strict: no tensor may be missing, extra or
//! misshapen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::store::burn_pack;
use burn::tensor::{DType, Device};

use super::{Checkpoint, CheckpointError};
use crate::backbone::{Architecture, Backbone, Naming, Tensors};
use crate::head::Head;

/// Why weights could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file holds another network.
    #[error("`{}` does not hold {architecture}: {differences}", .path.display())]
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
        .path.display(), names = Architecture::names().collect::<Vec<_>>().join(", ")
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
         {layer}.bias [classes]), so it predicts no classes; found {layer}.weight {weight}, \
         {layer}.bias {bias}", .path.display()
    )]
    NoHead {
        /// The file.
        path: PathBuf,
        /// The layer's name in such files.
        layer: String,
        /// The number of features.
        features: usize,
        /// The weight's shape, or `nothing`.
        weight: String,
        /// The bias's shape, or `nothing`.
        bias: String,
    },
    /// A tensor with the right name and shape could not be loaded.
    #[error("`{}`: {reason}", .path.display())]
    Apply {
        /// The file.
        path: PathBuf,
        /// The module's error.
        reason: String,
    },
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
const NAMED: usize = 3;

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
                        format!("{name}: expected {expected:?}, found {found:?}")
                    })
                    .collect(),
            ),
            list(
                self.missing.len(),
                "missing",
                self.missing
                    .iter()
                    .take(NAMED)
                    .map(|(name, expected)| format!("{name} {expected:?}"))
                    .collect(),
            ),
            list(
                self.extra.len(),
                "too many",
                self.extra
                    .iter()
                    .take(NAMED)
                    .map(|(name, found)| format!("{name} {found:?}"))
                    .collect(),
            ),
        ];
        formatter.write_str(&kinds.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// Recognises the network in a file by its tensors.
///
/// # Errors
/// If the network is unknown.
pub fn architecture(checkpoint: &Checkpoint) -> Result<Architecture, ImportError> {
    let reason = match Architecture::recognised(|name| checkpoint.shape(name)) {
        Some(Ok(architecture)) => return Ok(architecture),
        Some(Err(reason)) => reason,
        None => match checkpoint.names().take(NAMED).collect::<Vec<_>>().as_slice() {
            [] => "it holds no tensors".into(),
            names => format!("its first tensors are {}", names.join(", ")),
        },
    };
    Err(ImportError::UnknownNetwork { path: checkpoint.path().to_owned(), reason })
}

/// Loads the backbone of a file to `device`. The file's own fc layer and BatchNorm's
/// `num_batches_tracked` are ignored.
///
/// # Errors
/// If a tensor is missing, extra or misshapen, is not floating-point, or holds NaN or infinite
/// values.
pub fn backbone(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    device: &Device,
) -> Result<Backbone, ImportError> {
    let mut backbone = architecture.init(device);
    let naming = architecture.naming();
    let expected: BTreeMap<String, Vec<usize>> = backbone
        .tensors()
        .into_iter()
        .map(|tensor| (naming.published(&tensor.name), tensor.shape.to_vec()))
        .collect();
    let head = naming.published("fc.");
    let differences = differences(checkpoint, &expected, |name| {
        name.ends_with(".num_batches_tracked") || name.starts_with(&head)
    });
    if differences != Differences::default() {
        return Err(ImportError::Mismatch {
            path: checkpoint.path().to_owned(),
            architecture: architecture.to_string().into(),
            differences,
        });
    }
    fill(&mut backbone, expected.keys(), naming, checkpoint)?;
    Ok(backbone)
}

/// Loads the fc layer of a file to `device`, for the features of `architecture`.
///
/// # Errors
/// If there is none, or it takes another number of features.
pub fn head(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    device: &Device,
) -> Result<Head, ImportError> {
    let (features, naming) = (architecture.features(), architecture.naming());
    let names = ["fc.weight", "fc.bias"].map(|name| naming.published(name));
    let [weight, bias] = names.each_ref().map(|name| checkpoint.shape(name));
    match (weight.as_deref(), bias.as_deref()) {
        (Some([classes, width]), Some([biases]))
            if *width == features && classes == biases && *classes > 0 =>
        {
            let mut head = Head::zeros(features, *classes, device);
            fill(&mut head, names.iter(), naming, checkpoint)?;
            Ok(head)
        }
        _ => {
            let found = |shape: Option<Vec<usize>>| {
                shape.map_or("nothing".to_owned(), |shape| format!("{shape:?}"))
            };
            Err(ImportError::NoHead {
                path: checkpoint.path().to_owned(),
                layer: naming.published("fc.").trim_end_matches('.').to_owned(),
                features,
                weight: found(weight),
                bias: found(bias),
            })
        }
    }
}

fn differences(
    checkpoint: &Checkpoint,
    expected: &BTreeMap<String, Vec<usize>>,
    may_be_there: impl Fn(&str) -> bool,
) -> Differences {
    let mut differences = Differences::default();
    for (name, expected) in expected {
        match checkpoint.shape(name) {
            None => differences.missing.push((name.clone(), expected.clone())),
            Some(found) if found != *expected => {
                differences.misshaped.push((name.clone(), expected.clone(), found));
            }
            Some(_) => {}
        }
    }
    differences.extra = checkpoint
        .names()
        .filter(|name| !expected.contains_key(*name) && !may_be_there(name))
        .map(|name| (name.to_owned(), checkpoint.shape(name).unwrap_or_default()))
        .collect();
    differences
}

/// Fills `module` with the tensors that the file has under `names`, which were checked.
fn fill<'a>(
    module: &mut impl Tensors,
    names: impl Iterator<Item = &'a String>,
    naming: Naming,
    checkpoint: &Checkpoint,
) -> Result<(), ImportError> {
    let mut tensors = Vec::new();
    for name in names {
        let data = checkpoint.values(name)?.expect("the names were checked");
        let shape = data.shape().clone();
        let name = naming.module(name);
        tensors.push(burn_pack::Tensor::new(name, DType::F32, shape, None, data.into_bytes()));
    }
    module
        .fill(tensors)
        .map_err(|reason| ImportError::Apply { path: checkpoint.path().to_owned(), reason })
}
