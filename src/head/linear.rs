//! The fully connected layer, `logits = features * weight + bias`.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use crate::seed::{Purpose, generator};

/// A ResNet's `fc` layer, under torchvision's name for it.
#[derive(Module, Debug)]
pub struct Head {
    fc: Linear,
}

impl Head {
    /// A head whose weights are zero, to be imported into.
    pub fn zeros(features: usize, classes: usize, device: &Device) -> Self {
        let fc = LinearConfig::new(features, classes).with_initializer(Initializer::Zeros);
        Self { fc: fc.init(device) }
    }

    /// A head to train, drawn from our own generator so that the same seed gives the same head on
    /// every backend: weight and bias uniform in ±1/sqrt(features), as PyTorch's `nn.Linear`.
    pub fn seeded(features: usize, classes: usize, seed: u64, device: &Device) -> Self {
        let bound = 1.0 / (features as f32).sqrt();
        let mut generator = generator(seed, Purpose::Head);
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| generator.random_range(-bound..=bound)).collect()
        };
        let weight = TensorData::new(draw(features * classes), [features, classes]);
        let bias = TensorData::new(draw(classes), [classes]);
        Self {
            fc: Linear {
                weight: Param::from_data(weight, device),
                bias: Some(Param::from_data(bias, device)),
            },
        }
    }

    /// Logits of a batch of features.
    ///
    /// # Shapes
    /// - `features`: `[batch, features]`
    /// - output: `[batch, classes]`
    ///
    /// # Panics
    /// Where the width differs from the head's.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        self.fc.forward(features)
    }

    /// The weight as PyTorch lays it out, `[classes, features]`, in the processor's memory.
    ///
    /// # Panics
    /// Where the device fails.
    pub fn weight(&self) -> Vec<f32> {
        self.fc.weight.val().transpose().into_data().iter::<f32>().collect()
    }

    /// The bias, `[classes]`, likewise.
    ///
    /// # Panics
    /// Where the device fails.
    pub fn bias(&self) -> Vec<f32> {
        let bias = self.fc.bias.as_ref().expect("every head here has a bias");
        bias.val().into_data().iter::<f32>().collect()
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.fc.weight.dims()[1]
    }

    /// How many features it takes.
    pub fn features(&self) -> usize {
        self.fc.weight.dims()[0]
    }

    /// Logits of rows of features that are in the processor's memory, `[rows, features]` in and
    /// `[rows, classes]` out.
    ///
    /// # Panics
    /// Where `rows` is no whole number of rows, or the device fails.
    pub fn logits(&self, rows: &[f32], device: &Device) -> Vec<f32> {
        /// Bounds what is on the device at a time: 16 MiB for 512 features.
        const ROWS_AT_ONCE: usize = 8192;
        let mut logits = Vec::with_capacity(rows.len() / self.features() * self.classes());
        for chunk in rows.chunks(ROWS_AT_ONCE * self.features()) {
            let count = chunk.len() / self.features();
            let data = TensorData::new(chunk.to_vec(), [count, self.features()]);
            let chunk = self.forward(Tensor::from_data(data, device)).into_data();
            logits.extend(chunk.iter::<f32>());
        }
        logits
    }
}
