//! Finds the head of a network in a file: the linear layer after its features, whatever its name.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Tensors;
use crate::backbone::Architecture;
use crate::printable::shape_text;

/// What programs call the module with the last layer, which may be a `Sequential`.
const NAMES: [&str; 16] = [
    "fc",
    "_fc",
    "head",
    "heads",
    "classifier",
    "linear",
    "last_linear",
    "output",
    "out",
    "logits",
    "cls",
    "clf",
    "lin",
    "final",
    "cls_head",
    "classification_head",
];

/// What self-supervised training and losses keep beside a network. It is not part of the network.
const AUXILIARY: [&str; 16] = [
    "projector",
    "projection",
    "projection_head",
    "proj_head",
    "prediction_head",
    "predictor",
    "prototypes",
    "contrastive_head",
    "mlp",
    "queue",
    "queue_ptr",
    "criterion",
    "loss",
    "loss_fn",
    "aux_classifier",
    "n_averaged",
];

/// Whether the tensor `name` belongs to a module that is used in training alone.
pub(super) fn is_auxiliary(name: &str) -> bool {
    AUXILIARY.contains(&name.split('.').next().unwrap_or(name))
}

/// The form of a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum HeadForm {
    /// The published one, or none.
    #[default]
    Published,
    /// One linear layer with this name in the file.
    Renamed(String),
    /// Something else than one linear layer: these tensors.
    Other(Vec<String>),
}

/// The most tensors of another head that an error names.
const SHOWN: usize = 4;

/// Finds the head of the network whose tensors have these `names` (published name to name in the
/// file) and this `prefix`: under the prefix itself, or in what it is nested in. The head's tensors
/// in `names` get their published names; those of a head that cannot be used are removed. `others`
/// are the prefixes of other networks in the file.
pub(super) fn find(
    tensors: &Tensors,
    prefix: &str,
    names: &mut BTreeMap<String, String>,
    architecture: &Architecture,
    others: &[&str],
) -> HeadForm {
    let naming = architecture.naming();
    let published = ["fc.weight", "fc.bias"].map(|name| naming.published(name));
    if published.iter().all(|name| names.contains_key(name)) {
        let rivals = rivals(tensors, prefix, names, architecture, others);
        if rivals.is_empty() {
            return HeadForm::Published;
        }
        // Which of them the network ends with is nowhere in the file.
        let own = published.iter().filter_map(|name| names.remove(name));
        let all: Vec<String> = own.chain(rivals).collect();
        names.retain(|_, name| !all.contains(name));
        return HeadForm::Other(described(tensors, &all.iter().collect::<Vec<_>>()));
    }
    let mut level = prefix;
    loop {
        let groups = groups(tensors, level, prefix, others);
        let found: Vec<&String> = groups.values().flatten().collect();
        if !found.is_empty() {
            names.retain(|_, name| !found.contains(&&*name));
            let linear = match groups.len() {
                1 => linear(tensors, &found, architecture.features()),
                _ => None,
            };
            return match linear {
                Some(layer) => {
                    for (published, part) in published.into_iter().zip(["weight", "bias"]) {
                        names.insert(published, format!("{layer}.{part}"));
                    }
                    HeadForm::Renamed(layer)
                }
                None => HeadForm::Other(described(tensors, &found)),
            };
        }
        if level.is_empty() {
            return HeadForm::Published;
        }
        let outer = level.trim_end_matches('.').rfind('.');
        level = outer.map_or("", |dot| &level[..=dot]);
    }
}

/// The tensors beside a network with its published head that may be the head in its place: modules
/// that are called so around the network, and linear layers on its features or on its logits, as
/// in `nn.Sequential(resnet18(), nn.Linear(1000, 3))`.
fn rivals(
    tensors: &Tensors,
    prefix: &str,
    names: &BTreeMap<String, String>,
    architecture: &Architecture,
    others: &[&str],
) -> BTreeSet<String> {
    let shape = |name: &str| tensors.get(name).map(|tensor| tensor.shape.to_vec());
    let naming = architecture.naming();
    let [own, logits] = ["fc.weight", "fc.bias"].map(|name| names.get(&naming.published(name)));
    let logits = logits.and_then(|name| shape(name)).and_then(|shape| shape.first().copied());
    let is_elsewhere = |name: &str| {
        name.split('.').any(|part| AUXILIARY.contains(&part))
            || others.iter().any(|other| name.starts_with(other))
    };
    let is_linear = |weight: &str| {
        let Some(bias) = weight.strip_suffix("weight").map(|layer| format!("{layer}bias")) else {
            return false;
        };
        match (shape(weight).as_deref(), shape(&bias).as_deref()) {
            (Some([outputs, inputs]), Some([biases])) => {
                outputs == biases && (*inputs == architecture.features() || Some(*inputs) == logits)
            }
            _ => false,
        }
    };
    let mut found: BTreeSet<String> = tensors
        .keys()
        .filter(|name| Some(*name) != own && !is_elsewhere(name) && is_linear(name))
        .filter_map(|weight| weight.strip_suffix("weight"))
        .flat_map(|layer| [format!("{layer}weight"), format!("{layer}bias")])
        .collect();
    let mut level = prefix;
    while let Some(outer) = level.strip_suffix('.') {
        level = outer.rfind('.').map_or("", |dot| &level[..=dot]);
        found.extend(groups(tensors, level, prefix, others).into_values().flatten());
    }
    found
}

/// The tensors of each module below `level` that may be a head: full names by module.
fn groups(
    tensors: &Tensors,
    level: &str,
    prefix: &str,
    others: &[&str],
) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in tensors.range(level.to_owned()..).map(|(name, _)| name) {
        let Some(rest) = name.strip_prefix(level) else { break };
        let Some((module, _)) = rest.split_once('.') else { continue };
        let elsewhere = level != prefix && name.starts_with(prefix)
            || others.iter().any(|other| other.len() > level.len() && name.starts_with(other));
        if NAMES.contains(&module) && !elsewhere {
            groups.entry(module.to_owned()).or_default().push(name.clone());
        }
    }
    groups
}

/// The name of the linear layer that the tensors are, if they are one that takes the features.
fn linear(tensors: &Tensors, names: &[&String], features: usize) -> Option<String> {
    let [bias, weight] = names else { return None };
    let layer = weight.strip_suffix(".weight")?;
    if bias.strip_suffix(".bias")? != layer {
        return None;
    }
    match (&tensors.get(*weight)?.shape.to_vec()[..], &tensors.get(*bias)?.shape.to_vec()[..]) {
        ([classes, width], [biases]) if width == &features && classes == biases => {
            Some(layer.to_owned())
        }
        _ => None,
    }
}

fn described(tensors: &Tensors, names: &[&String]) -> Vec<String> {
    let shape = |name: &String| tensors.get(name).map(|tensor| tensor.shape.to_vec());
    let mut described: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("{name} {}", shape_text(&shape(name).unwrap_or_default())))
        .collect();
    if names.len() > SHOWN {
        described.push(format!("and {} more", names.len() - SHOWN));
    }
    described
}
