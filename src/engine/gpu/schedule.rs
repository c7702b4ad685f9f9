//! What a network launches on a GPU, chosen by the adapter's limits alone: no device is needed.
//!
//! Each step gets the kernel and the tile that the limits allow, and the network the largest batch
//! whose buffers the adapter can bind.

use std::fmt;

use crate::kernels::{
    DeviceTensor, Hardware, Launch, Limits, MaxPool, Precision, WIDTH, Winograd, convolution,
    depthwise, pool, preprocess, winograd,
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
pub enum ScheduledKernel {
    /// A convolution of all channels.
    Direct(plan::Convolution, convolution::Work),
    /// A 3x3 convolution of all channels with stride 1.
    Winograd(plan::Convolution, winograd::Work),
    /// A depthwise convolution.
    Depthwise(plan::Convolution),
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
            let [channels, height, width] = *shape;
            let mut add = |launch| launches.push((name.as_str(), launch));
            match kernel {
                ScheduledKernel::Direct(_, work) => {
                    add(work.launch(limits, photos * height * width, channels.div_ceil(WIDTH)));
                }
                ScheduledKernel::Winograd(convolution, work) => {
                    let [_, down, right] = winograd::tiles(*shape, work.side());
                    let channels = [convolution.in_channels, channels];
                    let tiles = photos * down * right;
                    work.launches(limits, tiles, channels).into_iter().for_each(add);
                }
                ScheduledKernel::Depthwise(_) => add(depthwise::launch(limits, photos, *shape)),
                ScheduledKernel::MaxPool(_) => add(pool::launch(limits, photos, *shape)),
            }
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
const TOO_HEAVY: &str = "its weights are larger than the adapter's largest buffer";
const NO_TILE: &str = "the adapter's limits do not allow its kernel";

impl ScheduledKernel {
    /// The kernel of `operation`, or why the limits allow none.
    fn of(
        operation: FusedOperation,
        precision: Precision,
        hardware: Hardware,
        limits: Limits,
    ) -> Result<Self, &'static str> {
        match operation {
            FusedOperation::Convolution(convolution) => {
                Self::dense(convolution, precision, hardware, limits)
            }
            FusedOperation::Depthwise(convolution) => Ok(Self::Depthwise(convolution)),
            FusedOperation::MaxPool { kernel, stride, padding } => {
                Ok(Self::MaxPool(MaxPool { kernel, stride, padding }))
            }
        }
    }

    /// The kernel of a convolution of all channels: Winograd's if it can compute it.
    fn dense(
        convolution: plan::Convolution,
        precision: Precision,
        hardware: Hardware,
        limits: Limits,
    ) -> Result<Self, &'static str> {
        let plan::Convolution { in_channels, out_channels, .. } = convolution;
        let fits = |bytes: usize| bytes <= limits.buffer();
        let winograd = Winograd::computes(&convolution)
            .then(|| winograd::Work::chosen(hardware, limits, out_channels, precision))
            .flatten()
            .filter(|work| {
                fits(work.filter_bytes(&convolution, precision))
                    && fits(work.bytes_between([in_channels, out_channels]))
            });
        if let Some(work) = winograd {
            return Ok(Self::Winograd(convolution, work));
        }
        let work = convolution::Work::chosen(hardware, limits, out_channels).ok_or(NO_TILE)?;
        match fits(convolution::Work::weight_bytes(&convolution, precision)) {
            true => Ok(Self::Direct(convolution, work)),
            false => Err(TOO_HEAVY),
        }
    }
}

impl fmt::Display for ScheduledKernel {
    /// Its name, with the tile if it has one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(_, work) => work.fmt(formatter),
            Self::Winograd(_, work) => work.fmt(formatter),
            Self::Depthwise(_) => formatter.write_str("depthwise"),
            Self::MaxPool(_) => formatter.write_str("max-pool"),
        }
    }
}
