//! The fully connected layer, `logits = features * weight + bias`.

use std::io;

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use crate::FeatureRows;
use crate::seed::{Purpose, generator};

/// The classification layer, called `fc` as in torchvision's ResNets.
#[derive(Module, Debug)]
pub struct Head {
    fc: Linear,
}

impl Head {
    /// Creates a head with zero weights, into which trained weights are loaded.
    pub fn zeros(features: usize, classes: usize, device: &Device) -> Self {
        let fc = LinearConfig::new(features, classes).with_initializer(Initializer::Zeros);
        Self { fc: fc.init(device) }
    }

    /// Creates a head to train, with weight and bias uniform in ±1/sqrt(features), as in PyTorch's
    /// `nn.Linear`. The crate's own generator is used, so the same seed gives the same head on
    /// every backend.
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

    /// Creates a head from its weight in PyTorch's layout, `[classes, features]`, and its bias.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of(weight: &[f32], bias: &[f32], device: &Device) -> Self {
        let (classes, features) = (bias.len(), weight.len() / bias.len());
        let columns = (0..features).flat_map(|at| weight.iter().skip(at).step_by(features));
        let weight: Vec<f32> = columns.copied().collect();
        let weight = TensorData::new(weight, [features, classes]);
        let bias = Some(Param::from_data(TensorData::new(bias.to_vec(), [classes]), device));
        Self { fc: Linear { weight: Param::from_data(weight, device), bias } }
    }

    /// The head with `shift`, `[classes]`, added to its bias.
    ///
    /// # Panics
    /// If there is not one number for each class.
    #[must_use]
    pub fn shifted(&self, shift: &[f64], device: &Device) -> Self {
        assert_eq!(shift.len(), self.classes(), "one number for each class");
        let bias: Vec<f32> = self.bias().iter().zip(shift).map(|(b, s)| b + *s as f32).collect();
        Self::of(&self.weight(), &bias, device)
    }

    /// Computes the logits of a batch of features.
    ///
    /// # Shapes
    /// - `features`: `[batch, features]`
    /// - output: `[batch, classes]`
    ///
    /// # Panics
    /// If the number of features differs from the head's.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        self.fc.forward(features)
    }

    /// The weight in PyTorch's layout, `[classes, features]`, in host memory.
    ///
    /// # Panics
    /// If the device fails.
    pub fn weight(&self) -> Vec<f32> {
        self.fc.weight.val().transpose().into_data().iter::<f32>().collect()
    }

    /// The bias, `[classes]`, in host memory.
    ///
    /// # Panics
    /// If the device fails.
    pub fn bias(&self) -> Vec<f32> {
        let bias = self.fc.bias.as_ref().expect("every head here has a bias");
        bias.val().into_data().iter::<f32>().collect()
    }

    /// A head whose logits are those of this one, divided by `temperature`.
    #[must_use]
    pub fn divided_by(&self, temperature: f64) -> Self {
        let Linear { weight, bias } = &self.fc;
        let fc = Linear {
            weight: Param::from_tensor(weight.val().div_scalar(temperature)),
            bias: bias.as_ref().map(|bias| Param::from_tensor(bias.val().div_scalar(temperature))),
        };
        Self { fc }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.fc.weight.dims()[1]
    }

    /// Number of input features.
    pub fn features(&self) -> usize {
        self.fc.weight.dims()[0]
    }

    /// Computes the logits of features in host memory.
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`
    /// - output: `[rows, classes]`
    ///
    /// # Panics
    /// If the length of `rows` is not a multiple of the number of features, or the device fails.
    pub fn logits(&self, rows: &[f32], device: &Device) -> Vec<f32> {
        /// Limits the device memory used at a time: 16 MiB for 512 features.
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

    /// Computes the logits of rows of features, `[rows, features]`, as [`logits`](Self::logits)
    /// does.
    ///
    /// # Errors
    /// If the rows are in a file that cannot be read.
    ///
    /// # Panics
    /// As [`logits`](Self::logits).
    pub fn logits_of(&self, rows: &FeatureRows, device: &Device) -> io::Result<Vec<f32>> {
        let mut logits = Vec::with_capacity(rows.len() / self.features() * self.classes());
        for block in rows.blocks(self.features()) {
            logits.extend(self.logits(&block?, device));
        }
        Ok(logits)
    }
}
