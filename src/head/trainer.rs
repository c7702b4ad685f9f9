//! The optimiser's steps over the training examples.

use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{Examples, FitError, FitOptions, Head, Next, Progress, Target};
use crate::seed::{Purpose, generator};

/// Values that are read from a file for some steps together, 64 MiB.
const VALUES_AT_ONCE: usize = 1 << 24;

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
    values_at_once: usize,
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
            values_at_once: VALUES_AT_ONCE,
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
        let (width, batch_size) = (self.train.width, self.options.batch_size);
        let of = self.order.len().div_ceil(batch_size);
        // Rows in memory are copied for each step, rows in a file are read for many steps.
        let steps_at_once = match self.train.rows.in_memory() {
            Some(_) => 1,
            None => (self.rows_at_once() / batch_size).max(1),
        };
        let mut done = 0;
        for together in self.order.chunks(steps_at_once * batch_size) {
            let rows = self.train.rows.gather(together, width)?;
            let batches = together.chunks(batch_size).zip(rows.chunks(batch_size * width));
            for (batch, rows) in batches {
                let (features, labels) = self.train.batch(rows, batch, self.device);
                let logits = self.head.forward(features.autodiff());
                let loss = L::loss(&self.criterion, logits, &labels, self.device);
                let gradients = GradientsParams::from_grads(loss.backward(), &self.head);
                // The optimiser takes the head and gives the next one back; both share their
                // memory.
                self.head =
                    self.optimizer.step(self.options.learning_rate, self.head.clone(), gradients);
                done += 1;
                match observe(Progress::Step { epoch, done, of }).into() {
                    Next::GoOn => {}
                    Next::Stop => stop = true,
                    Next::Abandon => return Err(FitError::Abandoned),
                }
            }
        }
        Ok(stop)
    }

    /// Rows of a file that are read for some steps together.
    fn rows_at_once(&self) -> usize {
        (self.values_at_once / self.train.width.max(1)).max(1)
    }

    /// The head as it is now, on the device without autodiff.
    pub fn head(&self) -> Head {
        match &self.bias_shift {
            Some(shift) => self.head.valid().shifted(shift, self.device),
            None => self.head.valid(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RowWriter, device};

    #[test]
    fn steps_on_rows_in_a_file_are_those_on_rows_in_memory() {
        let Some(device) = device::processor() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (count, width) = (101, 6);
        let values: Vec<f32> =
            (0..count * width).map(|at| ((at * 7919) % 1009) as f32 / 1009.0).collect();
        let mut rows = RowWriter::with_limit(0, folder.path());
        rows.extend(&values).unwrap();
        let labels: Vec<usize> = (0..count).map(|row| row % 3).collect();
        let file = Examples { width, rows: rows.finish().unwrap(), labels: labels.clone() };
        let memory = Examples { width, rows: values.into(), labels };
        for batch_size in [4, 7, 200] {
            let options = FitOptions { batch_size, ..FitOptions::DEFAULT };
            let mut of_file = Trainer::new(&file, 3, &options, &device);
            let mut of_memory = Trainer::new(&memory, 3, &options, &device);
            // 20 rows at once.
            of_file.values_at_once = 20 * width;
            for epoch in 1..=2 {
                of_file.epoch(epoch, &mut |_| ()).unwrap();
                of_memory.epoch(epoch, &mut |_| ()).unwrap();
            }
            let (one, other) = (of_file.head(), of_memory.head());
            assert_eq!((one.weight(), one.bias()), (other.weight(), other.bias()));
            let [one, other] =
                [&file, &memory].map(|examples| examples.scores(&one, &device).unwrap());
            assert_eq!(one, other);
        }
    }
}
