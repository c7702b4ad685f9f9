//! What an architecture's file declares.

use super::architecture::Architecture;
use super::naming::OtherNaming;
use super::published::PublishedWeights;

/// A family of networks: everything that an architecture's file declares for the rest of the
/// program.
pub(in crate::backbone) struct Family {
    /// The names of its networks, published ones first. [`named`](Self::named) may know more, such
    /// as other widths.
    pub names: &'static [&'static str],
    /// The published weights, of some or all of these networks.
    pub published: fn() -> Vec<PublishedWeights>,
    /// Other names of these networks, such as timm's: alias and name.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Other names of its tensors, such as Hugging Face's.
    pub other_namings: &'static [OtherNaming],
    /// The network with this name.
    pub named: fn(&str) -> Option<Architecture>,
    /// The network in a file, recognised by the shapes of its tensors. `None` if the file holds
    /// another family; an error with the reason if it holds an unknown member of this family.
    pub recognised: fn(&Shapes) -> Option<Result<Architecture, String>>,
}

/// The shape of each tensor in a file, by name.
pub(in crate::backbone) type Shapes<'a> = dyn Fn(&str) -> Option<Vec<usize>> + 'a;
