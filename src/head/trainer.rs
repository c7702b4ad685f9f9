//! The optimiser's steps over the training examples.

use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{Examples, FitError, FitOptions, Head, Next, Progress, Target};
use crate::seed::{Purpose, generator};

/// A head in training.
pub struct Trainer<'a, L: Target> {
    train: &'a Examples<L>,
    options: &'a FitOptions,
    device: &'a Device,
    head: Head,
    optimizer: ModuleOptimizer,
    criterion: L::Criterion,
    bias_shift: Option<Vec<f64>>,
    order: Vec<usize>,
    generator: ChaCha8Rng,
}

impl<'a, L: Target> Trainer<'a, L> {
    /// Begins a training on `device`, a device without autodiff.
    pub fn new(
        train: &'a Examples<L>,
        classes: usize,
        options: &'a FitOptions,
        device: &'a Device,
    ) -> Self {
        let autodiff = device.clone().autodiff();
        // PyTorch's default epsilon; Burn's is 1e-5.
        let mut adam = AdamConfig::new().with_epsilon(1e-8);
        if options.weight_decay > 0.0 {
            let decay = WeightDecayConfig::new(options.weight_decay as f32);
            adam = adam.with_weight_decay(Some(decay));
        }
        Self {
            train,
            options,
            device,
            head: Head::seeded(train.width, classes, options.seed, &autodiff),
            optimizer: adam.init(),
            criterion: L::criterion(options, classes, &train.labels, &autodiff),
            bias_shift: L::bias_shift(options, classes, &train.labels),
            order: (0..train.rows.len() / train.width).collect(),
            generator: generator(options.seed, Purpose::Order),
        }
    }

    /// Runs an epoch, and returns whether the observer asked to stop after it.
    pub fn epoch<R: Into<Next>>(
        &mut self,
        epoch: usize,
        observe: &mut impl FnMut(Progress) -> R,
    ) -> Result<bool, FitError> {
        let mut stop = false;
        self.order.shuffle(&mut self.generator);
        let of = self.order.len().div_ceil(self.options.batch_size);
        for (step, batch) in self.order.chunks(self.options.batch_size).enumerate() {
            let (features, labels) = self.train.batch(batch, self.device);
            let logits = self.head.forward(features.autodiff());
            let loss = L::loss(&self.criterion, logits, &labels, self.device);
            let gradients = GradientsParams::from_grads(loss.backward(), &self.head);
            // The optimiser takes the head and gives the next one back; both share their memory.
            self.head =
                self.optimizer.step(self.options.learning_rate, self.head.clone(), gradients);
            match observe(Progress::Step { epoch, done: step + 1, of }).into() {
                Next::GoOn => {}
                Next::Stop => stop = true,
                Next::Abandon => return Err(FitError::Abandoned),
            }
        }
        Ok(stop)
    }

    /// The head as it is now, on the device without autodiff.
    pub fn head(&self) -> Head {
        match &self.bias_shift {
            Some(shift) => self.head.valid().shifted(shift, self.device),
            None => self.head.valid(),
        }
    }
}
