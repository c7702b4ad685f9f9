//! Counts the cost of a forward pass: launches, bytes, multiplications.

use super::network::GpuNetwork;
use crate::kernels::Precision;
use crate::kernels::winograd::PhaseBytes;

/// The first two launches of a convolution in phases; the third bears the kernel's name.
const INPUTS: &str = "winograd inputs";
const PRODUCTS: &str = "winograd products";

/// The cost of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The step's name in the plan.
    pub step: String,
    /// The kernel.
    pub kernel: &'static str,
    /// Bytes of activations that it reads, each once.
    pub read: usize,
    /// Bytes of activations that it writes.
    pub written: usize,
    /// Bytes of weights.
    pub weights: usize,
    /// Multiplications of activations with weights.
    pub multiplications: usize,
}

impl Launch {
    /// The launches of a part of a convolution in phases, of which `self` is the whole; `shortcut`
    /// bytes of what it reads are a shortcut.
    fn in_phases(&self, bytes: &PhaseBytes, shortcut: usize) -> [Self; 3] {
        let PhaseBytes { inputs, sums, bias, .. } = *bytes;
        let phase = |kernel, read, written, weights| Self {
            step: self.step.clone(),
            kernel,
            read,
            written,
            weights,
            multiplications: 0,
        };
        let input = bytes.share(self.read - shortcut);
        let products = phase(PRODUCTS, inputs, sums, self.weights - bias);
        let added = bytes.share(shortcut);
        [
            phase(INPUTS, input, inputs, 0),
            Self { multiplications: bytes.share(self.multiplications), ..products },
            phase(self.kernel, sums + added, bytes.share(self.written), bias),
        ]
    }

    /// Whether it writes what only the next launch of its step reads, and no activation.
    pub fn is_intermediate(&self) -> bool {
        [INPUTS, PRODUCTS].contains(&self.kernel)
    }
}

/// The cost of a forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardCost {
    /// Its launches, in order.
    pub launches: Vec<Launch>,
    /// How often each activation is written, including the photos and the features, by value.
    pub writes: Vec<usize>,
}

impl GpuNetwork {
    /// Launches, bytes and multiplications of a forward pass with this many photos.
    pub fn forward_cost(&self, photos: usize) -> ForwardCost {
        ForwardCost::of(self, photos)
    }
}

impl ForwardCost {
    fn of(network: &GpuNetwork, photos: usize) -> Self {
        let [height, width] = network.photo;
        let size = |[channels, height, width]: [usize; 3]| {
            photos * channels.next_multiple_of(4) * height * width * network.precision.bytes()
        };
        let mut shapes = vec![[0; 3]; network.values];
        let mut writes = vec![0; network.values];
        shapes[0] = [3, height, width];
        writes[0] += 1;
        let mut launches = vec![Launch {
            step: "photos".into(),
            kernel: "preprocess",
            read: 3 * photos * height * width,
            written: size(shapes[0]),
            weights: 3 * 256 * Precision::F32.bytes(),
            multiplications: 0,
        }];
        for step in &network.steps {
            let output = step.kernel.output(shapes[step.input]);
            shapes[step.output] = output;
            writes[step.output] += 1;
            let shortcut = step.shortcut.map_or(0, |value| size(shapes[value]));
            let launch = Launch {
                step: step.name.clone(),
                kernel: step.kernel.name(),
                read: size(shapes[step.input]) + shortcut,
                written: size(output),
                weights: step.kernel.bytes(),
                multiplications: step.kernel.multiplications(photos, output),
            };
            let phases = step.kernel.phases(photos, output);
            launches.extend(phases.iter().flat_map(|bytes| launch.in_phases(bytes, shortcut)));
            if phases.is_empty() {
                launches.push(launch);
            }
        }
        let map = shapes[network.map];
        let features = photos * map[0].next_multiple_of(4) * Precision::F32.bytes();
        launches.push(Launch {
            step: "avgpool".into(),
            kernel: "mean",
            read: size(map),
            written: features,
            weights: 0,
            multiplications: 0,
        });
        // The last step of a whole network is the mean; one that ends at a stage has no such value.
        if let Some(features) = writes.get_mut(network.map + 1..).and_then(|rest| rest.last_mut()) {
            *features += 1;
        }
        Self { launches, writes }
    }

    /// Bytes of activations and weights that it reads, and bytes that it writes.
    pub fn bytes(&self) -> [usize; 2] {
        let read = self.launches.iter().map(|launch| launch.read + launch.weights).sum();
        [read, self.launches.iter().map(|launch| launch.written).sum()]
    }

    /// Multiplications of activations with weights.
    pub fn multiplications(&self) -> usize {
        self.launches.iter().map(|launch| launch.multiplications).sum()
    }
}
