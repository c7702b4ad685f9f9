//! Loads a weights file into modules. Loading is strict: no tensor may be missing, extra or
//! misshapen.

use std::collections::BTreeMap;

use burn::store::burn_pack;
use burn::tensor::{DType, Device};

use super::import_error::{LONGEST_LIST, LONGEST_NAME, NAMED};
use super::{Checkpoint, Differences, ImportError};
use crate::backbone::{Architecture, Backbone, Naming, Tensors};
use crate::head::Head;
use crate::printable::shortened;

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
            names => {
                let names = names.iter().map(|name| shortened(name, LONGEST_NAME));
                format!("its first tensors are {}", names.collect::<Vec<_>>().join(", "))
            }
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
    check(checkpoint, architecture, &expected)?;
    fill(&mut backbone, expected.keys(), naming, checkpoint)?;
    Ok(backbone)
}

/// Checks that a file has the tensors of `architecture`, which are `expected` by their published
/// names.
pub(super) fn check(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    expected: &BTreeMap<String, Vec<usize>>,
) -> Result<(), ImportError> {
    let head = architecture.naming().published("fc.");
    let differences = differences(checkpoint, expected, |name| {
        let counter = name.ends_with(".num_batches_tracked") || checkpoint.is_scalar(name);
        counter || name.starts_with(&head)
    });
    if differences != Differences::default() {
        return Err(ImportError::Mismatch {
            path: checkpoint.path().to_owned(),
            architecture: architecture.to_string().into(),
            differences,
        });
    }
    Ok(())
}

/// Loads the fc layer of a file to `device`, for the features of `architecture`.
///
/// # Errors
/// If there is none, it takes another number of features, is not one linear layer, or has one
/// logit.
pub fn head(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    device: &Device,
) -> Result<Head, ImportError> {
    let (features, naming) = (architecture.features(), architecture.naming());
    if let Some(tensors) = checkpoint.other_head() {
        return Err(ImportError::OtherHead {
            path: checkpoint.path().to_owned(),
            tensors: shortened(&tensors.join(", "), LONGEST_LIST),
            features,
        });
    }
    let names = ["fc.weight", "fc.bias"].map(|name| naming.published(name));
    let [weight, bias] = names.each_ref().map(|name| checkpoint.shape(name));
    match (weight.as_deref(), bias.as_deref()) {
        (Some([classes, width]), Some([biases]))
            if *width == features && classes == biases && *classes > 0 =>
        {
            if *classes == 1 {
                let path = checkpoint.path().to_owned();
                let layer = checkpoint.renamed_head().unwrap_or(&layer(naming)).to_owned();
                return Err(ImportError::OneLogit { path, layer });
            }
            let mut head = Head::zeros(features, *classes, device);
            fill(&mut head, names.iter(), naming, checkpoint)?;
            Ok(head)
        }
        _ => Err(ImportError::NoHead {
            path: checkpoint.path().to_owned(),
            layer: layer(naming),
            features,
            weight,
            bias,
        }),
    }
}

/// The published name of the head's layer.
fn layer(naming: Naming) -> String {
    naming.published("fc.").trim_end_matches('.').to_owned()
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
