//! What is known about a network before it has weights.

use std::fmt;

use super::naming::Naming;
use crate::photos::Preprocessing;

/// A kind of network: a name that can be written on the command line and read back from a run, and
/// the facts about it.
///
/// `resnet18`, `resnet34` and `efficientnet-lite0` are published networks. `resnet18-w16` has
/// ResNet-18's topology and starts with 16 channels instead of 64.
#[derive(Clone)]
pub struct Architecture {
    pub(in crate::backbone) name: String,
    pub(in crate::backbone) features: usize,
    pub(in crate::backbone) preprocessing: Preprocessing,
    pub(in crate::backbone) naming: Naming,
    /// A Python expression for the network with `{classes}` outputs, if a public package has it.
    pub(in crate::backbone) pytorch: Option<String>,
}

impl Architecture {
    /// Length of a photo's feature vector.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The preprocessing that its published weights were trained with.
    pub fn preprocessing(&self) -> Preprocessing {
        self.preprocessing
    }

    /// The tensor names of its published files.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// A Python expression for this network with `classes` outputs in PyTorch, whose
    /// `load_state_dict(..., strict=True)` takes an exported safetensors file. `None` if no public
    /// package has the network.
    pub fn pytorch_expression(&self, classes: usize) -> Option<String> {
        Some(self.pytorch.as_ref()?.replace("{classes}", &classes.to_string()))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Architecture({})", self.name)
    }
}
