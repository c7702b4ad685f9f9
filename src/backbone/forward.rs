//! The operations of every network, whatever its module.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, burn_pack};
use burn::tensor::Tensor;

/// A network as a chain of stages: photos in, the last feature map out. The features are its means
/// over height and width.
pub trait Forward {
    /// The names of the stages, in order: the published code's, or the paper's.
    fn stages(&self) -> Vec<String>;

    /// Computes one stage from the output of the stage before it; the first one takes photos.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`; for the first stage `[batch, 3, height, width]`,
    ///   normalised
    /// - output: `[batch, channels, height, width]` of this stage
    ///
    /// # Panics
    /// If there is no stage with this index.
    fn forward_stage(&self, stage: usize, x: Tensor<4>) -> Tensor<4>;
}

/// A module's tensors, with the names of its fields and PyTorch's shapes. Every Burn module has
/// them.
pub trait Tensors {
    /// The tensors. Their data is read from the device on demand.
    fn tensors(&self) -> Vec<burn_pack::Tensor>;

    /// The same tensors with Burn's own names and shapes: `gamma` and `beta` in a BatchNorm, a
    /// fully connected layer's weight as `[in, out]`.
    fn burn_tensors(&self) -> Vec<burn_pack::Tensor>;

    /// Loads the tensors into the module.
    ///
    /// # Errors
    /// If a tensor is unknown, or one is missing.
    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String>;
}

impl<M: Module> Tensors for M {
    fn tensors(&self) -> Vec<burn_pack::Tensor> {
        self.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
    }

    fn burn_tensors(&self) -> Vec<burn_pack::Tensor> {
        // The same arguments as in `BurnpackStore`, so that it finds the tensors again.
        self.collect(None, None, false)
    }

    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String> {
        let asked = tensors.len();
        let result = self.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
        match (result.errors.first(), result.missing.first()) {
            (Some(error), _) => Err(error.to_string()),
            (None, Some((name, _))) => Err(format!("there is no tensor for `{name}`")),
            (None, None) if result.applied.len() != asked => {
                Err(format!("{} of {} tensors were used", result.applied.len(), asked))
            }
            (None, None) => Ok(()),
        }
    }
}
