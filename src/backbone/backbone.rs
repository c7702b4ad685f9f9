//! A network with its architecture.

use std::fmt;

use burn::store::burn_pack;
use burn::tensor::{Device, Tensor};

use super::architecture::Architecture;
use super::architectures::{self, Network};
use super::forward::Tensors;
use super::network::pooled;
use crate::plan::{Plan, Planned, Unsupported};
use crate::sha256::Sha256;

impl Architecture {
    /// The network with zero weights on `device`, for weights to be loaded into.
    pub fn init(&self, device: &Device) -> Backbone {
        // Every `Architecture` comes from a family, which can build all that it names; a test
        // builds every name.
        let network = architectures::build(&self.to_string(), device);
        let network = network.expect("a family builds what it names");
        Backbone { architecture: self.clone(), network }
    }
}

/// A network with its architecture.
///
/// On a plain device its BatchNorm uses its running statistics and never updates them. On an
/// autodiff device it would update them: freeze it there (`no_grad` does not prevent the update).
pub struct Backbone {
    architecture: Architecture,
    network: Network,
}

impl Backbone {
    /// Its architecture.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The network itself, a Burn module.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network itself, to be trained.
    pub fn into_network(self) -> Network {
        self.network
    }

    /// Features of a batch of preprocessed photos; see [`Network::forward`].
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features]`
    ///
    /// # Panics
    /// If the photos do not have three channels, or are on another device.
    pub fn forward(&self, photos: Tensor<4>) -> Tensor<2> {
        self.network.forward(photos)
    }

    /// As [`forward`](Self::forward). `observe` gets each stage's name and output,
    /// `[batch, channels, height, width]`.
    pub fn forward_observed(
        &self,
        photos: Tensor<4>,
        observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
        pooled(self.network.feature_map(photos, observe))
    }

    /// The last feature map of a batch of preprocessed photos, whose means over height and width
    /// are the features; see [`Network::feature_map`].
    pub fn feature_map(&self, photos: Tensor<4>) -> Tensor<4> {
        self.network.feature_map(photos, |_, _| ())
    }

    /// SHA-256 of its tensors: names, shapes and values, in the order of the names. The same
    /// weights have the same digest, whatever file they come from.
    ///
    /// # Errors
    /// If the device does not return them.
    pub fn sha256(&self) -> Result<[u8; 32], burn_pack::Error> {
        let mut tensors = self.tensors();
        tensors.sort_by(|one, other| one.name.cmp(&other.name));
        let mut hash = Sha256::new();
        for tensor in &tensors {
            hash.update(format!("{} {:?}\n", tensor.name, tensor.shape));
            hash.update(&*tensor.to_bytes()?);
        }
        Ok(hash.finalize())
    }
}

impl fmt::Debug for Backbone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Backbone({})", self.architecture)
    }
}

impl Planned for Backbone {
    fn plan(&self) -> Result<Plan, Unsupported> {
        self.network.as_planned().plan()
    }
}

// Uses the module inside the enum: in Burn's own container, the names of `Network`'s own tensors
// would start with its variant.
impl Tensors for Backbone {
    fn tensors(&self) -> Vec<burn_pack::Tensor> {
        self.network.as_tensors().tensors()
    }

    fn burn_tensors(&self) -> Vec<burn_pack::Tensor> {
        self.network.as_tensors().burn_tensors()
    }

    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String> {
        self.network.as_tensors_mut().fill(tensors)
    }
}
