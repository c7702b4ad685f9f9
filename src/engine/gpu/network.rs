//! A plan compiled for a GPU: Kindling's own kernels, each activation written once.
//!
//! Compilation folds BatchNorm into each convolution, fuses each sum into the convolution before
//! it, and stores weights on the device in the kernels' order. During a forward pass a value's
//! memory returns to the pool as soon as the last step that reads it has been launched.

use cubecl::server::ServerError;

use super::schedule::{GpuSchedule, ScheduledKernel, ScheduledStep};
use super::step::{Kernel, Step};
use crate::engine::NetworkSpec;
use crate::kernels::preprocess::Preprocess;
use crate::kernels::{DeviceTensor, GpuClient, Hardware, Precision, Reading, pool};
use crate::plan::Unsupported;

/// A network compiled for a GPU, for photos of one size.
pub struct GpuNetwork {
    client: GpuClient,
    pub(super) steps: Vec<Step>,
    /// The number of values: the photos and the output of each step of the plan.
    pub(super) values: usize,
    /// The value that is the last feature map.
    pub(super) map: usize,
    /// For each value the last step that reads it.
    last_read: Vec<usize>,
    pub(super) photo: [usize; 2],
    pub(super) precision: Precision,
    max_batch: usize,
}

impl GpuNetwork {
    /// Compiles `network` for photos of `[height, width]`, with the kernels that suit `hardware`.
    /// The engine, the benchmarks and the tests all use this function.
    ///
    /// # Errors
    /// As [`GpuSchedule::of`].
    pub fn compile(
        client: &GpuClient,
        network: &NetworkSpec,
        photo: [usize; 2],
        precision: Precision,
        hardware: Hardware,
    ) -> Result<Self, Unsupported> {
        let limits = client.limits();
        let schedule = GpuSchedule::of(&network.plan, photo, precision, hardware, limits)?;
        let GpuSchedule { steps, max_batch, map, values, .. } = schedule;
        let steps: Vec<Step> =
            steps.into_iter().map(|step| compiled(client, network, step, precision)).collect();
        let mut last_read = vec![0; values];
        for (at, step) in steps.iter().enumerate() {
            for value in [Some(step.input), step.shortcut].into_iter().flatten() {
                last_read[value] = at;
            }
        }
        last_read[map] = usize::MAX;
        let client = client.clone();
        Ok(Self { client, steps, values, map, last_read, photo, precision, max_batch })
    }

    /// The kernel that turns bytes into this network's input; the table holds the normalised value
    /// of each byte of each channel.
    pub fn preprocess(&self, normalised: &[[f32; 256]; 3]) -> Preprocess {
        Preprocess::new(&self.client, normalised, self.precision)
    }

    /// The client of its device.
    pub fn client(&self) -> &GpuClient {
        &self.client
    }

    /// How its values are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The most photos that the adapter's limits let through the network at a time.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// `[height, width]` of its photos.
    pub fn photo(&self) -> [usize; 2] {
        self.photo
    }

    /// Launches the kernels for some photos and returns their features, `[photos, features, 1, 1]`,
    /// on the device, without waiting for them.
    ///
    /// # Panics
    /// If the photos do not have the size that the network was compiled for, or are more than
    /// [`max_batch`](Self::max_batch).
    pub fn features(&self, photos: DeviceTensor) -> DeviceTensor {
        self.features_observed(photos, |_, _| ())
    }

    /// As [`features`](Self::features). `observe` gets each step's name in the plan and its output;
    /// a fused sum comes with its convolution, as `layer1.0.conv2 + layer1.0.add`.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn features_observed(
        &self,
        photos: DeviceTensor,
        observe: impl FnMut(&str, &DeviceTensor),
    ) -> DeviceTensor {
        let map = self.feature_map(photos, observe);
        let features =
            DeviceTensor::empty(&self.client, map.photos, [map.channels, 1, 1], Precision::F32);
        pool::means(&self.client, &map, &features);
        features
    }

    /// The last feature map of some photos, on the device.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn feature_map(
        &self,
        photos: DeviceTensor,
        mut observe: impl FnMut(&str, &DeviceTensor),
    ) -> DeviceTensor {
        assert_eq!(photos.shape(), [3, self.photo[0], self.photo[1]], "photos of another size");
        assert_eq!(photos.precision, self.precision, "photos in another precision");
        assert!(photos.photos <= self.max_batch, "more photos than the adapter's limits allow");
        let mut values: Vec<Option<DeviceTensor>> = vec![None; self.values];
        values[0] = Some(photos);
        for (at, step) in self.steps.iter().enumerate() {
            let value = |index: usize| {
                values[index].as_ref().expect("a step reads only values of earlier steps")
            };
            let input = value(step.input);
            let shape = step.kernel.output(input.shape());
            let output = DeviceTensor::empty(&self.client, input.photos, shape, self.precision);
            step.kernel.run(&self.client, input, step.shortcut.map(value), &output);
            observe(&step.name, &output);
            values[step.output] = Some(output);
            for read in [Some(step.input), step.shortcut].into_iter().flatten() {
                if self.last_read[read] == at {
                    values[read] = None;
                }
            }
        }
        values[self.map].take().expect("some step writes the last feature map")
    }

    /// Starts to copy a tensor back, behind earlier launches and ahead of later ones.
    pub fn read_later(&self, map: &DeviceTensor) -> Reading<'_> {
        map.read_later(&self.client)
    }

    /// The values of a tensor on its device.
    ///
    /// # Errors
    /// If the device does not return them, or failed before.
    pub fn read(&self, map: &DeviceTensor) -> Result<Vec<f32>, ServerError> {
        map.read(&self.client)
    }
}

/// The kernel of one step, with its weights on the device.
fn compiled(
    client: &GpuClient,
    network: &NetworkSpec,
    scheduled: ScheduledStep,
    precision: Precision,
) -> Step {
    let ScheduledStep { name, kernel, input, shortcut, output, .. } = scheduled;
    let kernel = match kernel {
        ScheduledKernel::Convolution(convolution, algorithm) => {
            let folded = network.folded(&convolution);
            Kernel::Convolution(algorithm.prepare(client, &convolution, &folded, precision))
        }
        ScheduledKernel::MaxPool(pool) => Kernel::MaxPool(pool),
    };
    Step { name, kernel, input, shortcut, output }
}
