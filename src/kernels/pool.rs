//! Max-pooling, and global average pooling over height and width.
//!
//! **Memory**: input and output are [`DeviceTensor`]s; the means are always f32.
//! **Launch**: one unit per four channels of an output pixel (of a photo for the mean);
//! neighbouring units take neighbouring channels; a 1D launch.
//! **Arithmetic intensity**: one comparison or addition for each value read; overlapping windows
//! read from the cache.

use cubecl::prelude::*;

use super::device_tensor::DeviceTensor;
use super::gpu_client::GpuClient;
use super::window::{Sizes, sizes};
use super::{Four, Launch, Limits, Precision, WIDTH};
use crate::plan::Padding;

/// Max-pooling with a square window. Padding is ignored, as if it were negative infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Padding around the input.
    pub padding: Padding,
}

impl MaxPool {
    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        let side = |side| self.padding.output(side, self.kernel, self.stride);
        [channels, side(height), side(width)]
    }

    /// Pools `input` and writes `output`.
    ///
    /// # Panics
    /// If the shapes, the numbers of photos or the precisions do not match.
    pub fn run(&self, client: &GpuClient, input: &DeviceTensor, output: &DeviceTensor) {
        assert_eq!(output.shape(), self.output(input.shape()));
        assert_eq!(output.batch(), input.batch());
        let units = output.pixels() * output.vectors();
        let groups = launch(client.limits(), output.photos, output.shape());
        let sizes = sizes(input, output, units, [self.kernel, self.stride], self.padding);
        let launch = match output.precision {
            Precision::F32 => max_pool::launch::<f32>,
            Precision::F16 => max_pool::launch::<half::f16>,
        };
        let (input, output) = (input.argument(), output.argument());
        let (cubes, dimension) = (groups.cubes(), groups.dimension());
        launch(client, cubes, dimension, input, output, sizes, self.kernel, self.stride);
    }
}

/// Writes the means of `input` over height and width to `output`, `[photos, channels, 1, 1]` in
/// f32.
///
/// # Panics
/// If the shapes or the numbers of photos do not match, or if `output` is not f32.
pub fn means(client: &GpuClient, input: &DeviceTensor, output: &DeviceTensor) {
    assert_eq!(
        (output.photos, output.shape(), output.precision),
        (input.photos, [input.channels, 1, 1], Precision::F32)
    );
    let units = output.photos * output.vectors();
    let groups = launch(client.limits(), output.photos, output.shape());
    let (cubes, dimension) = (groups.cubes(), groups.dimension());
    let launch = match input.precision {
        Precision::F32 => mean::launch::<f32>,
        Precision::F16 => mean::launch::<half::f16>,
    };
    let pixels = input.height * input.width;
    let vectors = input.vectors();
    launch(client, cubes, dimension, input.argument(), output.argument(), pixels, vectors, units);
}

/// The launch that writes this output of a pool or of the means.
pub fn launch(limits: Limits, photos: usize, [channels, height, width]: [usize; 3]) -> Launch {
    Launch::line(limits, photos * height * width * channels.div_ceil(WIDTH))
}

#[cube(launch)]
fn max_pool<F: Float>(
    input: &[Four<F>],
    output: &mut [Four<F>],
    sizes: Sizes,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
) {
    if ABSOLUTE_POS < sizes.units {
        let vector = ABSOLUTE_POS % sizes.vectors;
        let pixel = ABSOLUTE_POS / sizes.vectors;
        let line = pixel / sizes.out_width;
        let photo = line / sizes.out_height;
        let mut maximum = Four::<F>::new(F::min_value());
        for row in 0..kernel {
            let y = line % sizes.out_height * stride + row;
            if y >= sizes.top && y < sizes.top + sizes.height {
                let start = (photo * sizes.height + y - sizes.top) * sizes.width;
                for column in 0..kernel {
                    let x = pixel % sizes.out_width * stride + column;
                    if x >= sizes.left && x < sizes.left + sizes.width {
                        let value = input[(start + x - sizes.left) * sizes.vectors + vector];
                        maximum = select_many(value.less_than(&maximum), maximum, value);
                    }
                }
            }
        }
        output[ABSOLUTE_POS] = maximum;
    }
}

#[cube(launch)]
fn mean<F: Float>(
    input: &[Four<F>],
    output: &mut [Four<f32>],
    pixels: usize,
    vectors: usize,
    units: usize,
) {
    if ABSOLUTE_POS < units {
        let start = ABSOLUTE_POS / vectors * pixels * vectors + ABSOLUTE_POS % vectors;
        let mut sum = Four::<f32>::new(0.0);
        for pixel in 0..pixels {
            sum += Four::<f32>::cast_from(input[start + pixel * vectors]);
        }
        output[ABSOLUTE_POS] = sum / Four::<f32>::new(f32::cast_from(pixels as u32));
    }
}
