//! From a weights file into modules: strictly, nothing missing, extra or of another shape.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::Module;
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, burn_pack};
use burn::tensor::{DType, Device};

use super::naming::{module_name, torchvision_tensors};
use super::{Checkpoint, CheckpointError};
use crate::backbone::{Architecture, ResNet};
use crate::head::Head;

/// Why weights do not fit.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file itself is at fault.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file holds another network.
    #[error("`{}` does not hold a {architecture}: {differences}", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What was to be filled.
        architecture: Architecture,
        /// What is missing, extra or of another shape.
        differences: Differences,
    },
    /// No network that is known here.
    #[error(
        "`{}` holds no network that is known here (ResNet-18 or ResNet-34 in torchvision's naming): \
         {reason}", .path.display()
    )]
    UnknownNetwork {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// A network without the layer that predicts.
    #[error(
        "`{}` has no fc layer for {features} features (fc.weight [classes, {features}], fc.bias \
         [classes]), so it predicts no classes; found fc.weight {weight}, fc.bias {bias}", .path.display()
    )]
    NoHead {
        /// The file.
        path: PathBuf,
        /// Features that reach the layer.
        features: usize,
        /// What was found.
        weight: String,
        /// What was found.
        bias: String,
    },
    /// A tensor that had the right name and shape could not be put in its place.
    #[error("`{}`: {reason}", .path.display())]
    Apply {
        /// The file.
        path: PathBuf,
        /// What the module said.
        reason: String,
    },
}

/// How a file differs from the network it should hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Tensors of another shape: name, shape expected, shape found.
    pub misshaped: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Tensors that are not there: name, shape expected.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Tensors that do not belong: name, shape found.
    pub extra: Vec<(String, Vec<usize>)>,
}

/// How many tensors of each kind an error names.
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

/// Which network a file holds, told by its tensors: the width of the stem and the blocks in each
/// stage.
///
/// # Errors
/// Where it is none that is known here.
pub fn architecture(checkpoint: &Checkpoint) -> Result<Architecture, ImportError> {
    let unknown =
        |reason: String| ImportError::UnknownNetwork { path: checkpoint.path().to_owned(), reason };
    let stem = checkpoint.shape("conv1.weight").ok_or_else(|| {
        unknown(match checkpoint.names().take(NAMED).collect::<Vec<_>>().as_slice() {
            [] => "it holds no tensors".into(),
            names => format!("it has no conv1.weight; its first tensors are {}", names.join(", ")),
        })
    })?;
    let [width, _, _, _] = stem[..] else {
        return Err(unknown(format!("its conv1.weight has the shape {stem:?}")));
    };
    if checkpoint.shape("layer1.0.conv3.weight").is_some() {
        return Err(unknown("its blocks have three convolutions (ResNet-50 and deeper)".into()));
    }
    let blocks = [1, 2, 3, 4].map(|stage| {
        (0..)
            .take_while(|block| {
                checkpoint.shape(&format!("layer{stage}.{block}.conv1.weight")).is_some()
            })
            .count()
    });
    Architecture::from_measures(blocks, width).ok_or_else(|| {
        unknown(format!("its stages have {blocks:?} blocks and its stem {} channels", width))
    })
}

/// The backbone in a file, on `device`. The file's own fc layer and BatchNorm's
/// `num_batches_tracked` may be there and are not used.
///
/// # Errors
/// Where a tensor is missing, extra, of another shape, or holds no finite floating-point numbers.
pub fn backbone(
    checkpoint: &Checkpoint,
    architecture: Architecture,
    device: &Device,
) -> Result<ResNet, ImportError> {
    let module = architecture.init(device);
    let expected = shapes(&module);
    let differences = differences(checkpoint, &expected, |name| {
        name.ends_with(".num_batches_tracked") || name.starts_with("fc.")
    });
    if differences != Differences::default() {
        return Err(ImportError::Mismatch {
            path: checkpoint.path().to_owned(),
            architecture,
            differences,
        });
    }
    apply(module, expected.keys(), checkpoint)
}

/// The fc layer in a file, on `device`, for `features` features.
///
/// # Errors
/// Where there is none, or one for another number of features.
pub fn head(
    checkpoint: &Checkpoint,
    features: usize,
    device: &Device,
) -> Result<Head, ImportError> {
    let (weight, bias) = (checkpoint.shape("fc.weight"), checkpoint.shape("fc.bias"));
    match (weight.as_deref(), bias.as_deref()) {
        (Some([classes, width]), Some([biases]))
            if *width == features && classes == biases && *classes > 0 =>
        {
            let module = Head::zeros(features, *classes, device);
            apply(module, ["fc.weight", "fc.bias"].map(String::from).iter(), checkpoint)
        }
        _ => {
            let found = |shape: Option<Vec<usize>>| {
                shape.map_or("nothing".to_owned(), |shape| format!("{shape:?}"))
            };
            Err(ImportError::NoHead {
                path: checkpoint.path().to_owned(),
                features,
                weight: found(weight),
                bias: found(bias),
            })
        }
    }
}

fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    torchvision_tensors(module)
        .into_iter()
        .map(|tensor| (tensor.name, tensor.shape.to_vec()))
        .collect()
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

fn apply<'a, M: Module>(
    mut module: M,
    names: impl Iterator<Item = &'a String>,
    checkpoint: &Checkpoint,
) -> Result<M, ImportError> {
    let mut tensors = Vec::new();
    for name in names {
        let data = checkpoint.values(name)?.expect("the names were checked");
        let shape = data.shape().clone();
        tensors.push(burn_pack::Tensor::new(
            module_name(name),
            DType::F32,
            shape,
            None,
            data.into_bytes(),
        ));
    }
    let asked = tensors.len();
    let result = module.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    let problem = match (result.errors.first(), result.missing.first()) {
        (Some(error), _) => Some(error.to_string()),
        (None, Some((name, _))) => Some(format!("nothing was found for `{name}`")),
        (None, None) if result.applied.len() != asked => {
            Some(format!("{} of {} tensors were used", result.applied.len(), asked))
        }
        (None, None) => None,
    };
    match problem {
        Some(reason) => Err(ImportError::Apply { path: checkpoint.path().to_owned(), reason }),
        None => Ok(module),
    }
}
