//! The speed of each kernel at a layer of the networks.

use cubecl::server::ServerError;

use super::conformance::example_convolution;
use super::failure::reason;
use super::preprocess::Preprocess;
use super::reference::values;
use super::samples::{Effort, Samples};
use super::{Algorithm, DeviceTensor, GpuClient, Hardware, MaxPool, Precision, pool};
use crate::plan::{self, Activation, Folded, Padding};

/// The speed of a kernel at a layer.
#[derive(Clone, Debug)]
pub struct LayerSpeed {
    /// The layer: its network and its name there.
    pub layer: &'static str,
    /// The shape of its input, and its output channels.
    pub shape: String,
    /// How long a launch took.
    pub samples: Samples,
    /// Multiplications of a direct convolution, whatever the algorithm, so that kernels compare
    /// with each other. 0 for other operations.
    pub multiplications: usize,
    /// Bytes of the input, the weights and the output, each counted once.
    pub bytes: usize,
}

impl LayerSpeed {
    /// Billions of additions and multiplications of a direct convolution per second, at the median.
    /// `None` if the operation is no convolution.
    pub fn gflops(&self) -> Option<f64> {
        let operations = 2.0 * self.multiplications as f64;
        (operations > 0.0).then(|| operations / self.samples.median() / 1e9)
    }

    /// Billions of bytes read and written per second, at the median.
    pub fn gb_per_s(&self) -> f64 {
        self.bytes as f64 / self.samples.median() / 1e9
    }
}

/// Why a kernel has no speed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LayerSpeedError {
    /// The device failed, or refused the kernel.
    #[error("{0}")]
    Device(String),
    /// The kernel ran without writing each value, so that its time means nothing.
    #[error("the kernel did not write all of its output")]
    Unwritten,
}

impl From<ServerError> for LayerSpeedError {
    fn from(error: ServerError) -> Self {
        Self::Device(reason(&error))
    }
}

/// A convolution of a network, and the side of its input.
struct Layer {
    name: &'static str,
    convolution: plan::Convolution,
    side: usize,
}

/// A layer for each kind of convolution: one of those on which the networks spend most of their
/// time.
fn layers() -> [Layer; 3] {
    let layer = |name, channels, window, padding, activation, side| Layer {
        name,
        convolution: example_convolution(channels, window, padding, activation),
        side,
    };
    let (relu, relu6) = (Activation::Relu, Activation::Relu6);
    [
        layer("resnet18 layer2.0.conv1", [64, 128], [3, 2, 1], Padding::Each(1), relu, 56),
        layer("resnet18 layer1.0.conv1", [64, 64], [3, 1, 1], Padding::Each(1), relu, 56),
        layer(
            "efficientnet-lite0 blocks.2.1.conv_dw",
            [240, 240],
            [5, 1, 240],
            Padding::Same,
            relu6,
            28,
        ),
    ]
}

/// Photos per launch: as many as keep a GPU busy, and one for a driver that runs on the processor.
pub fn photos(hardware: Hardware) -> usize {
    match hardware {
        Hardware::Gpu => 32,
        Hardware::Processor => 1,
    }
}

/// Measures every kernel, with every tile that the adapter allows. Passes each kernel's name, which
/// is that of its [`Finding`](super::conformance::Finding), and its speed to `observe`, or why it
/// has none.
pub fn layer_speeds(
    client: &GpuClient,
    precision: Precision,
    hardware: Hardware,
    mut observe: impl FnMut(&str, Result<LayerSpeed, LayerSpeedError>),
) {
    let bench = Bench { client, precision, effort: Effort::on(hardware), photos: photos(hardware) };
    let [strided, winograd, depthwise] = layers();
    for layer in [strided, winograd, depthwise] {
        for algorithm in Algorithm::all(client.limits(), &layer.convolution, precision) {
            // Any direct kernel computes Winograd's layer too, but it was measured already.
            let is_direct = matches!(algorithm, Algorithm::Direct(_));
            if is_direct && layer.convolution.stride == 1 {
                continue;
            }
            observe(&algorithm.to_string(), bench.convolution(&layer, algorithm));
        }
    }
    let others = [
        ("max-pool", bench.max_pool()),
        ("mean", bench.mean()),
        ("preprocess", bench.preprocess()),
    ];
    for (kernel, speed) in others {
        observe(kernel, speed);
    }
}

/// What all measurements share.
struct Bench<'a> {
    client: &'a GpuClient,
    precision: Precision,
    effort: Effort,
    photos: usize,
}

impl Bench<'_> {
    fn convolution(
        &self,
        layer: &Layer,
        algorithm: Algorithm,
    ) -> Result<LayerSpeed, LayerSpeedError> {
        let Self { client, precision, photos, .. } = *self;
        let plan::Convolution { in_channels, out_channels, kernel, groups, .. } = layer.convolution;
        let weights = out_channels * in_channels / groups * kernel * kernel;
        let folded = Folded { weight: values(weights, 2), bias: values(out_channels, 3) };
        let kernel = algorithm.prepare(client, &layer.convolution, &folded, precision);
        let input = self.tensor([in_channels, layer.side, layer.side]);
        let [_, height, width] = layer.output();
        let output = self.unwritten([out_channels, height, width], precision);
        let samples = self.samples(|| kernel.run(client, &input, None, &output))?;
        self.require_written(&output)?;
        Ok(LayerSpeed {
            layer: layer.name,
            shape: format!(
                "{} to {out_channels}",
                self.shape([in_channels, layer.side, layer.side])
            ),
            samples,
            multiplications: photos * height * width * weights,
            bytes: input.bytes() + output.bytes() + weights * precision.bytes(),
        })
    }

    /// The pool after ResNet's stem.
    fn max_pool(&self) -> Result<LayerSpeed, LayerSpeedError> {
        let pool = MaxPool { kernel: 3, stride: 2, padding: Padding::Each(1) };
        let shape = [64, 112, 112];
        let input = self.tensor(shape);
        let output = self.unwritten(pool.output(shape), self.precision);
        let samples = self.samples(|| pool.run(self.client, &input, &output))?;
        self.require_written(&output)?;
        Ok(self.moved("resnet18 maxpool", shape, samples, input.bytes() + output.bytes()))
    }

    /// The mean of ResNet-18's last feature map.
    fn mean(&self) -> Result<LayerSpeed, LayerSpeedError> {
        let shape = [512, 7, 7];
        let input = self.tensor(shape);
        let output = self.unwritten([512, 1, 1], Precision::F32);
        let samples = self.samples(|| pool::means(self.client, &input, &output))?;
        self.require_written(&output)?;
        Ok(self.moved("resnet18 avgpool", shape, samples, input.bytes() + output.bytes()))
    }

    /// Photos of both networks, with the transfer of their bytes to the device.
    fn preprocess(&self) -> Result<LayerSpeed, LayerSpeedError> {
        const SIDE: usize = 224;
        let shape = [3, SIDE, SIDE];
        let preprocess = Preprocess::new(self.client, &[[0.5; 256]; 3], self.precision);
        let pixels: Vec<u8> = (0..self.photos * 3 * SIDE * SIDE).map(|at| at as u8).collect();
        let output = self.unwritten(shape, self.precision);
        let samples = self.samples(|| preprocess.run_into(self.client, &pixels, &output))?;
        self.require_written(&output)?;
        let bytes = preprocess.bytes_read(output.pixels()) + output.bytes();
        Ok(self.moved("photos, with their transfer to the device", shape, samples, bytes))
    }

    fn moved(
        &self,
        layer: &'static str,
        shape: [usize; 3],
        samples: Samples,
        bytes: usize,
    ) -> LayerSpeed {
        LayerSpeed { layer, shape: self.shape(shape), samples, multiplications: 0, bytes }
    }

    fn samples(&self, launch: impl Fn()) -> Result<Samples, LayerSpeedError> {
        self.effort.measure(|repeats| {
            (0..repeats).for_each(|_| launch());
            Ok(cubecl::future::block_on(self.client.sync())?)
        })
    }

    fn tensor(&self, shape: [usize; 3]) -> DeviceTensor {
        let count = self.photos * shape.iter().product::<usize>();
        DeviceTensor::upload(self.client, &values(count, 1), shape, self.precision)
    }

    fn unwritten(&self, shape: [usize; 3], precision: Precision) -> DeviceTensor {
        DeviceTensor::filled(self.client, f32::NAN, self.photos, shape, precision)
    }

    /// A time means nothing if the kernel did not run. (Whether its values are right is checked at
    /// other shapes, by [`conformance`](super::conformance).)
    fn require_written(&self, output: &DeviceTensor) -> Result<(), LayerSpeedError> {
        match output.read(self.client)?.iter().all(|value| value.is_finite()) {
            true => Ok(()),
            false => Err(LayerSpeedError::Unwritten),
        }
    }

    fn shape(&self, [channels, height, width]: [usize; 3]) -> String {
        format!("{}x{channels}x{height}x{width}", self.photos)
    }
}

impl Layer {
    fn output(&self) -> [usize; 3] {
        let plan::Convolution { out_channels, kernel, stride, padding, .. } = self.convolution;
        let side = padding.output(self.side, kernel, stride);
        [out_channels, side, side]
    }
}
