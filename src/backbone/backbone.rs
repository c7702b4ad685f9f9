//! A network with its architecture.

use std::fmt;
use std::sync::OnceLock;

use burn::store::burn_pack;
use burn::tensor::{Device, Shape, Tensor};

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
        Backbone {
            architecture: self.clone(),
            network: OnceLock::from(network),
            deferred: None,
            sha256: OnceLock::new(),
        }
    }
}

/// A network with its architecture.
///
/// On a plain device its BatchNorm uses its running statistics and never updates them. On an
/// autodiff device it would update them: freeze it there (`no_grad` does not prevent the update).
pub struct Backbone {
    architecture: Architecture,
    /// The module. Empty until it is needed, if its weights are still at their source.
    network: OnceLock<Network>,
    deferred: Option<Deferred>,
    sha256: OnceLock<[u8; 32]>,
}

/// Weights that are read from their source when they are needed.
struct Deferred {
    /// The module without its weights.
    empty: Network,
    device: Device,
    /// The weights by the module's names.
    tensors: Vec<burn_pack::Tensor>,
}

impl Backbone {
    /// The network `architecture` for `device`, whose weights are read from `tensors` when they are
    /// needed. `sha256` is their digest.
    pub(crate) fn deferred(
        architecture: &Architecture,
        device: &Device,
        tensors: Vec<burn_pack::Tensor>,
        sha256: [u8; 32],
    ) -> Self {
        let Self { architecture, network, .. } = architecture.init(device);
        let deferred =
            network.into_inner().map(|empty| Deferred { empty, device: device.clone(), tensors });
        Self { architecture, network: OnceLock::new(), deferred, sha256: OnceLock::from(sha256) }
    }

    /// The network itself, a Burn module, with its weights.
    ///
    /// # Errors
    /// If weights that are still at their source cannot be read.
    pub fn loaded(&self) -> Result<&Network, String> {
        if let (None, Some(Deferred { device, tensors, .. })) = (self.network.get(), &self.deferred)
        {
            let Self { network, .. } = self.architecture.init(device);
            if let Some(mut network) = network.into_inner() {
                network.as_tensors_mut().fill(tensors.clone())?;
                let _ = self.network.set(network);
            }
        }
        self.network.get().ok_or_else(|| "the network has no weights".into())
    }

    /// Its architecture.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The network itself, a Burn module.
    ///
    /// # Panics
    /// If weights that are still at their source cannot be read: see [`loaded`](Self::loaded).
    pub fn network(&self) -> &Network {
        // The program calls `loaded` where the weights may still be in their file.
        self.loaded().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The network itself, to be trained.
    ///
    /// # Panics
    /// As [`network`](Self::network).
    pub fn into_network(self) -> Network {
        self.network();
        // `network` has panicked if there is none.
        self.network.into_inner().expect("the network was loaded")
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
        self.network().forward(photos)
    }

    /// As [`forward`](Self::forward). `observe` gets each stage's name and output,
    /// `[batch, channels, height, width]`.
    pub fn forward_observed(
        &self,
        photos: Tensor<4>,
        observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
        pooled(self.network().feature_map(photos, observe))
    }

    /// The last feature map of a batch of preprocessed photos, whose means over height and width
    /// are the features; see [`Network::feature_map`].
    pub fn feature_map(&self, photos: Tensor<4>) -> Tensor<4> {
        self.network().feature_map(photos, |_, _| ())
    }

    /// SHA-256 of its tensors: names, shapes and values, in the order of the names. The same
    /// weights have the same digest, whatever file they come from.
    ///
    /// # Errors
    /// If the device does not return them.
    pub fn sha256(&self) -> Result<[u8; 32], burn_pack::Error> {
        if let Some(sha256) = self.sha256.get() {
            return Ok(*sha256);
        }
        let mut tensors = self.tensors();
        tensors.sort_by(|one, other| one.name.cmp(&other.name));
        let mut digest = WeightsDigest::default();
        for tensor in &tensors {
            digest.add(&tensor.name, &tensor.shape, &tensor.to_bytes()?);
        }
        Ok(*self.sha256.get_or_init(|| digest.finish()))
    }

    /// The module's description: it may have no weights yet.
    fn described(&self) -> &Network {
        match (self.network.get(), &self.deferred) {
            (None, Some(Deferred { empty, .. })) => empty,
            _ => self.network(),
        }
    }
}

/// The digest of [`Backbone::sha256`], tensor by tensor in the order of their names.
pub(crate) struct WeightsDigest(Sha256);

impl Default for WeightsDigest {
    fn default() -> Self {
        Self(Sha256::new())
    }
}

impl WeightsDigest {
    /// Adds a tensor: its name in the module, and its values as little-endian f32.
    pub fn add(&mut self, name: &str, shape: &Shape, bytes: &[u8]) {
        self.0.update(format!("{name} {shape:?}\n"));
        self.0.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize()
    }
}

impl fmt::Debug for Backbone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Backbone({})", self.architecture)
    }
}

impl Planned for Backbone {
    fn plan(&self) -> Result<Plan, Unsupported> {
        self.described().as_planned().plan()
    }
}

// Uses the module inside the enum: in Burn's own container, the names of `Network`'s own tensors
// would start with its variant.
impl Tensors for Backbone {
    fn tensors(&self) -> Vec<burn_pack::Tensor> {
        match (self.network.get(), &self.deferred) {
            (None, Some(Deferred { tensors, .. })) => tensors.clone(),
            _ => self.network().as_tensors().tensors(),
        }
    }

    /// # Panics
    /// As [`Backbone::network`].
    fn burn_tensors(&self) -> Vec<burn_pack::Tensor> {
        self.network().as_tensors().burn_tensors()
    }

    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String> {
        self.loaded()?;
        (self.deferred, self.sha256) = (None, OnceLock::new());
        match self.network.get_mut() {
            Some(network) => network.as_tensors_mut().fill(tensors),
            None => Err("the network has no weights".into()),
        }
    }
}
