//! What every network can do, whichever struct it is.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, bridge, burn_pack};
use burn::tensor::Tensor;

use super::Planned;

/// Photos in, the last feature map out. Its mean over height and width is the features.
pub trait Forward {
    /// The last feature map of a batch of preprocessed photos, showing `observe` what leaves each stage
    /// (`[batch, channels, height, width]`, with the stage's name).
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features, height / 32, width / 32]`, rounded up
    fn feature_map(
        &self,
        photos: Tensor<4>,
        observe: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Tensor<4>;
}

/// A module's tensors, with the names of its fields and PyTorch's shapes. Every Burn module is one.
pub trait Tensors {
    /// The tensors; their data is read from the device when it is asked for.
    fn tensors(&self) -> Vec<burn_pack::Tensor>;

    /// The same tensors with Burn's own names and shapes: `gamma` and `beta` in a BatchNorm, a fully connected
    /// layer's weight as `[in, out]`.
    fn burn_tensors(&self) -> Vec<burn_pack::Tensor>;

    /// Puts the tensors in their places.
    ///
    /// # Errors
    /// Where one of them has no place, or a place stays empty.
    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String>;
}

impl<M: Module> Tensors for M {
    fn tensors(&self) -> Vec<burn_pack::Tensor> {
        self.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
    }

    fn burn_tensors(&self) -> Vec<burn_pack::Tensor> {
        // As `BurnpackStore` collects them, so that it finds them again.
        self.collect(None, None, false)
    }

    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String> {
        let asked = tensors.len();
        let result = self.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
        match (result.errors.first(), result.missing.first()) {
            (Some(error), _) => Err(error.to_string()),
            (None, Some((name, _))) => Err(format!("nothing was found for `{name}`")),
            (None, None) if result.applied.len() != asked => {
                Err(format!("{} of {} tensors were used", result.applied.len(), asked))
            }
            (None, None) => Ok(()),
        }
    }
}

/// The values of a tensor, read from its device.
///
/// # Errors
/// Where the device does not give them back.
pub(crate) fn values(tensor: &burn_pack::Tensor) -> Result<Vec<f32>, burn_pack::Error> {
    Ok(bridge::to_data(tensor)?.iter::<f32>().collect())
}

/// A network of any family.
pub(super) trait Network: Forward + Tensors + Planned {}

impl<N: Forward + Tensors + Planned> Network for N {}
