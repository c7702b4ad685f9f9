//! A plan compiled for a GPU: our own kernels, each activation written once.
//!
//! At compile time each convolution takes its BatchNorm in, a sum with a shortcut becomes part of the convolution before
//! it, and weights go to the device as the kernels read them. At run time a value's memory goes back to the pool when the
//! last step that reads it has been launched.

mod step;
mod traffic;

use cubecl::client::Client;
use cubecl::server::ServerError;

use super::folding::Folded;
use super::fusion::{fused, index, up_to_map};
use super::plan::{self, Operation, Plan};
use crate::kernels::preprocess::Preprocess;
use crate::kernels::{Convolution, Depthwise, Map, MaxPool, Precision, Reading, Winograd, pool};
use step::{Kernel, Step};
pub use traffic::{Launch, Traffic};

/// A backbone compiled for a GPU, for photos of one size.
pub struct GpuNetwork {
    client: Client,
    steps: Vec<Step>,
    /// How many values there are: the photos, and what each step of the plan gives.
    values: usize,
    /// Which value is the last feature map.
    map: usize,
    /// For each value the last step that reads it.
    last_read: Vec<usize>,
    photo: [usize; 2],
    precision: Precision,
}

impl GpuNetwork {
    /// Compiles `plan` for photos of `[height, width]`; `folded` gives a convolution's weights, BatchNorm worked into
    /// them. `None` where the adapter's limits do not allow the kernels.
    ///
    /// # Panics
    /// Where the plan has what no network here has: grouped convolutions that are not depthwise, a sum that does not
    /// follow a convolution, an end other than the mean over height and width.
    pub fn compile(
        client: &Client,
        plan: &Plan,
        photo: [usize; 2],
        precision: Precision,
        folded: impl Fn(&plan::Convolution) -> Folded,
    ) -> Option<Self> {
        let fused = fused(plan);
        let (map, body) = up_to_map(plan);
        let mut steps = Vec::with_capacity(body.len());
        for (at, step) in body.iter().enumerate() {
            let sum = fused[at].as_ref();
            let (input, kernel) = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let activation = sum.map_or(convolution.activation, |sum| sum.activation);
                    let folded = folded(convolution);
                    let kernel = match convolution.groups {
                        1 => whole(client, convolution, &folded, activation, precision)?,
                        _ => Kernel::Depthwise(Depthwise::new(
                            client,
                            convolution,
                            &folded,
                            precision,
                        )),
                    };
                    (input, kernel)
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let pool = MaxPool { kernel: *kernel, stride: *stride, padding: *padding };
                    (input, Kernel::MaxPool(pool))
                }
                // Part of the convolution before it.
                Operation::Add { .. } => continue,
                Operation::GlobalAveragePool { .. } => panic!("the mean is the last step"),
            };
            steps.push(Step {
                name: match sum {
                    Some(sum) => format!("{} + {}", step.name, plan.steps[sum.sum - 1].name),
                    None => step.name.clone(),
                },
                kernel,
                input: index(*input),
                shortcut: sum.map(|sum| sum.shortcut),
                output: sum.map_or(at + 1, |sum| sum.sum),
            });
        }
        let values = plan.steps.len() + 1;
        let mut last_read = vec![0; values];
        for (at, step) in steps.iter().enumerate() {
            for value in [Some(step.input), step.shortcut].into_iter().flatten() {
                last_read[value] = at;
            }
        }
        last_read[map] = usize::MAX;
        let client = client.clone();
        Some(Self { client, steps, values, map, last_read, photo, precision })
    }

    /// What turns bytes into the photos that it takes; the table tells what each byte of each channel stands for.
    pub fn preprocess(&self, normalised: &[[f32; 256]; 3]) -> Preprocess {
        Preprocess::new(&self.client, normalised, self.precision)
    }

    /// The client of its device.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How its values are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `[height, width]` of its photos.
    pub fn photo(&self) -> [usize; 2] {
        self.photo
    }

    /// The features of some photos, `[photos, features, 1, 1]`, on the device: launched, not waited for.
    ///
    /// # Panics
    /// Where the photos are not of the size that it was compiled for.
    pub fn features(&self, photos: Map) -> Map {
        self.features_observed(photos, |_, _| ())
    }

    /// The same, showing `observe` what each step gives, by its name in the plan; a sum's comes with the convolution that it
    /// is part of, `layer1.0.conv2 + layer1.0.add`.
    ///
    /// # Panics
    /// As it.
    pub fn features_observed(&self, photos: Map, observe: impl FnMut(&str, &Map)) -> Map {
        let map = self.feature_map(photos, observe);
        let features = Map::empty(&self.client, map.photos, [map.channels, 1, 1], Precision::F32);
        pool::means(&self.client, &map, &features);
        features
    }

    /// The last feature map of some photos, on the device.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn feature_map(&self, photos: Map, mut observe: impl FnMut(&str, &Map)) -> Map {
        assert_eq!(photos.shape(), [3, self.photo[0], self.photo[1]], "photos of another size");
        assert_eq!(photos.precision, self.precision, "photos in another precision");
        let mut values: Vec<Option<Map>> = vec![None; self.values];
        values[0] = Some(photos);
        for (at, step) in self.steps.iter().enumerate() {
            let value = |index: usize| values[index].as_ref().expect("computed, and read later");
            let input = value(step.input);
            let shape = step.kernel.output(input.shape());
            let output = Map::empty(&self.client, input.photos, shape, self.precision);
            step.kernel.run(&self.client, input, step.shortcut.map(value), &output);
            observe(&step.name, &output);
            values[step.output] = Some(output);
            for read in [Some(step.input), step.shortcut].into_iter().flatten() {
                if self.last_read[read] == at {
                    values[read] = None;
                }
            }
        }
        values[self.map].take().expect("the last step gives it")
    }

    /// What so many photos ask of the device.
    pub fn traffic(&self, photos: usize) -> Traffic {
        Traffic::of(self, photos)
    }

    /// Asks for the values of a map of its device, behind what was launched before and ahead of what is launched later.
    pub fn read_later(&self, map: &Map) -> Reading<'_> {
        map.read_later(&self.client)
    }

    /// The values of a map of its device.
    ///
    /// # Errors
    /// Where the device does not give them back, or failed before.
    pub fn read(&self, map: &Map) -> Result<Vec<f32>, ServerError> {
        map.read(&self.client)
    }
}

/// The kernel of a convolution of all channels.
fn whole(
    client: &Client,
    convolution: &plan::Convolution,
    folded: &Folded,
    activation: plan::Activation,
    precision: Precision,
) -> Option<Kernel> {
    let winograd = Winograd::computes(convolution)
        .then(|| Winograd::new(client, convolution, folded, activation, precision))
        .flatten();
    match winograd {
        Some(winograd) => Some(Kernel::Winograd(winograd)),
        None => Convolution::new(client, convolution, folded, activation, precision)
            .map(Kernel::Convolution),
    }
}
