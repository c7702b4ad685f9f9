//! What a network launches on a GPU, chosen by the adapter's limits alone: no device is needed.
//!
//! Each step gets the kernel and the tile that the limits allow, and the network the largest batch
//! whose buffers the adapter can bind.

use std::fmt;

use crate::kernels::{
    Algorithm, DeviceTensor, Hardware, Launch, Limits, MaxPool, Precision, pool, preprocess,
};
use crate::plan::{self, FusedOperation, FusedPlan, FusedStep, Plan, Unsupported};

/// A network's steps, with the kernels that run them.
#[derive(Clone, Debug)]
pub struct GpuSchedule {
    /// The steps, in order.
    pub steps: Vec<ScheduledStep>,
    /// The most photos that go through the network at a time.
    pub max_batch: usize,
    pub(super) map: usize,
    pub(super) values: usize,
    photo: [usize; 2],
    limits: Limits,
}

/// A step and its kernel.
#[derive(Clone, Debug)]
pub struct ScheduledStep {
    /// Its name in the plan.
    pub name: String,
    /// Its kernel.
    pub kernel: ScheduledKernel,
    /// The value that it reads.
    pub input: usize,
    /// The value that it adds.
    pub shortcut: Option<usize>,
    /// The value that it writes.
    pub output: usize,
    /// The shape of that value, `[channels, height, width]`.
    pub shape: [usize; 3],
}

/// What a step computes, and the work of its work-groups.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network has some tens of them")]
pub enum ScheduledKernel {
    /// A convolution.
    Convolution(plan::Convolution, Algorithm),
    /// A max-pooling.
    MaxPool(MaxPool),
}

impl GpuSchedule {
    /// Chooses the kernels of `plan` for photos of `[height, width]`.
    ///
    /// # Errors
    /// If no kernel runs a step, steps do not fit each other, the limits do not allow a kernel, or
    /// one photo's values, or a layer's weights, are more than a buffer holds.
    pub fn of(
        plan: &Plan,
        photo: [usize; 2],
        precision: Precision,
        hardware: Hardware,
        limits: Limits,
    ) -> Result<Self, Unsupported> {
        if let Some(shortage) = limits.shortage() {
            return Err(Unsupported::new("", shortage));
        }
        let FusedPlan { steps: fused, map, values } = FusedPlan::of(plan)?;
        let shapes = plan.shapes(photo)?;
        let mut steps = Vec::with_capacity(fused.len());
        for step in fused {
            let FusedStep { name, operation, input, shortcut, output } = step;
            let kernel = ScheduledKernel::of(operation, precision, hardware, limits)
                .map_err(|reason| Unsupported::new(&name, reason))?;
            // Value 0 is the photos, value `n + 1` the output of step `n` of the plan.
            let shape = shapes[output - 1];
            steps.push(ScheduledStep { name, kernel, input, shortcut, output, shape });
        }
        let mut schedule = Self { steps, max_batch: 1, map, values, photo, limits };
        schedule.max_batch = schedule.largest_batch(precision)?;
        Ok(schedule)
    }

    /// The most photos whose values each fit a buffer and whose launches fit the limits.
    fn largest_batch(&self, precision: Precision) -> Result<usize, Unsupported> {
        let most = |name: &str, shape, precision| {
            let bytes = DeviceTensor::bytes_of(1, shape, precision);
            let photos = self.limits.buffer() / bytes.max(1);
            match photos {
                0 => Err(Unsupported::new(name, TOO_LARGE)),
                photos => Ok(photos),
            }
        };
        // The bytes of photos are fewer than their values.
        let [height, width] = self.photo;
        let mut photos = most("", [3, height, width], precision)?;
        for step in &self.steps {
            photos = photos.min(most(&step.name, step.shape, precision)?);
        }
        photos = photos.min(most("avgpool", [self.channels(), 1, 1], Precision::F32)?);
        let fits =
            |photos| self.launches(photos).iter().all(|(_, launch)| launch.fits(self.limits));
        while !fits(photos) {
            photos /= 2;
            if photos == 0 {
                return Err(Unsupported::new(
                    "",
                    "one photo needs more work-groups than there are",
                ));
            }
        }
        Ok(photos)
    }

    /// The launches of a forward pass with this many photos, each with the name of its step.
    pub fn launches(&self, photos: usize) -> Vec<(&str, Launch)> {
        let limits = self.limits;
        let [height, width] = self.photo;
        let mut launches = vec![("photos", preprocess::launch(limits, photos * height * width))];
        for ScheduledStep { name, kernel, shape, .. } in &self.steps {
            let of_step = match kernel {
                ScheduledKernel::Convolution(convolution, algorithm) => {
                    algorithm.launches(limits, convolution, photos, *shape)
                }
                ScheduledKernel::MaxPool(_) => vec![pool::launch(limits, photos, *shape)],
            };
            launches.extend(of_step.into_iter().map(|launch| (name.as_str(), launch)));
        }
        launches.push(("avgpool", pool::launch(limits, photos, [self.channels(), 1, 1])));
        launches
    }

    /// Channels of the last feature map.
    fn channels(&self) -> usize {
        let map = self.steps.iter().find(|step| step.output == self.map);
        map.map_or(0, |step| step.shape[0])
    }
}

const TOO_LARGE: &str = "one photo's values are larger than the adapter's largest buffer: choose a \
                         smaller --image-size";

impl ScheduledKernel {
    /// The kernel of `operation`, or why the limits allow none.
    fn of(
        operation: FusedOperation,
        precision: Precision,
        hardware: Hardware,
        limits: Limits,
    ) -> Result<Self, &'static str> {
        match operation {
            FusedOperation::Convolution(convolution) | FusedOperation::Depthwise(convolution) => {
                let algorithm = Algorithm::chosen(hardware, limits, &convolution, precision)?;
                Ok(Self::Convolution(convolution, algorithm))
            }
            FusedOperation::MaxPool { kernel, stride, padding } => {
                Ok(Self::MaxPool(MaxPool { kernel, stride, padding }))
            }
        }
    }
}

impl fmt::Display for ScheduledKernel {
    /// Its name, with the tile if it has one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Convolution(_, algorithm) => algorithm.fmt(formatter),
            Self::MaxPool(_) => formatter.write_str("max-pool"),
        }
    }
}
