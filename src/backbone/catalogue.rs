//! Architectures and published weights by name, or by a file's tensors.

use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use super::architecture::Architecture;
use super::architectures::FAMILIES;
use super::naming::OtherNaming;
use super::published::PublishedWeights;

impl Architecture {
    /// The names of all networks.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().flat_map(|family| family.names.iter().copied())
    }

    /// The network in a file, recognised by the shapes of its tensors. `None` if no known family
    /// has such tensors.
    ///
    /// # Errors
    /// The reason, if the file holds an unknown member of a known family.
    pub fn recognised(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Option<Result<Self, String>> {
        FAMILIES.iter().find_map(|family| (family.recognised)(&shape))
    }
}

impl OtherNaming {
    /// Every known one.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FAMILIES.iter().flat_map(|family| family.other_namings)
    }
}

static ALL: LazyLock<Vec<PublishedWeights>> =
    LazyLock::new(|| FAMILIES.iter().flat_map(|family| (family.published)()).collect());

impl PublishedWeights {
    /// All published weights that are known by name.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The names of those that are built into this program.
    pub fn names_built_in() -> impl Iterator<Item = &'static str> {
        let built_in = Self::all().iter().filter(|weights| weights.built_in.is_some());
        built_in.map(|weights| weights.name.as_str())
    }

    /// The weights of the backbone `name`.
    pub fn of(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|weights| weights.name == name)
    }

    /// The weights that a file should hold, according to its name.
    pub fn of_file(path: &Path) -> Option<&'static Self> {
        let name = path.file_name()?;
        Self::all().iter().find(|weights| name == weights.file.as_str())
    }
}

/// An unknown backbone name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no backbone is called `{0}`; there are {names}, and narrower or wider ResNets with the stem's \
     channels after the name, such as resnet18-w16",
    names = Architecture::names().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownBackbone(String);

impl FromStr for Architecture {
    type Err = UnknownBackbone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let alias =
            FAMILIES.iter().flat_map(|family| family.aliases).find(|(alias, _)| *alias == name);
        let known = alias.map_or(name, |(_, known)| known);
        FAMILIES
            .iter()
            .find_map(|family| (family.named)(known))
            .ok_or_else(|| UnknownBackbone(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::Digest;

    #[test]
    fn a_backbones_name_reads_back_as_itself() {
        for name in ["resnet18", "resnet34", "resnet18-w8", "resnet34-w16", "efficientnet-lite0"] {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn every_alias_is_another_name_of_a_published_network() {
        for (alias, name) in FAMILIES.iter().flat_map(|family| family.aliases) {
            assert_eq!(alias.parse::<Architecture>().unwrap().to_string(), *name);
            assert!(PublishedWeights::of(name).is_some() && PublishedWeights::of(alias).is_none());
        }
    }

    #[test]
    fn a_wrong_backbone_name_says_which_ones_there_are() {
        for name in ["resnet50", "resnet18-w", "resnet18-w0", "resnet18-w99999999", "", "-w8"] {
            let error = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(error.contains("resnet18, resnet34, efficientnet-lite0"), "{error}");
        }
    }

    #[test]
    fn published_names_of_tensors_read_back_as_the_modules_own() {
        for name in Architecture::names() {
            let architecture: Architecture = name.parse().unwrap();
            let naming = architecture.naming();
            for ours in ["fc.weight", "fc.bias", "bn1.running_mean", "blocks.3.bn2.weight"] {
                assert_eq!(naming.module(&naming.published(ours)), ours, "{name}");
            }
        }
    }

    #[test]
    fn every_published_backbone_has_weights_that_can_be_checked() {
        for weights in PublishedWeights::all() {
            assert_eq!(weights.name.parse::<Architecture>().unwrap().to_string(), weights.name);
            let (Digest::Whole(known) | Digest::Prefix(known)) = &weights.digest;
            assert!(known.len() >= 8 && known.chars().all(|digit| digit.is_ascii_hexdigit()));
            assert_eq!(matches!(weights.digest, Digest::Whole(_)), known.len() == 64);
            // Files without an address are committed; torch.hub's names end in the first digits.
            match &weights.url {
                Some(url) => {
                    assert!(url.ends_with(&weights.file) && weights.file.contains(&known[..8]))
                }
                None => assert!(weights.file.ends_with(".safetensors")),
            }
        }
    }
}
