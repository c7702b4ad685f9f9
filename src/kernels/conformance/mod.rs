//! Conformance of the kernels on an adapter: each kernel is compared with values computed in f64,
//! within an error bound that is derived for each value.
//!
//! Bounds have the form `roundings * u * magnitude` (see [`reference`](super::reference)). If
//! values are stored in f16, inputs and weights are rounded before the reference is computed. The
//! rounding of the output is then at most `2^-10` of its magnitude, because Vulkan lets an adapter
//! truncate instead of round: another 16384 roundings of f32. Winograd filters are rounded on the
//! host after their transform, which is half as much again.
//!
//! No bound depends on the order of additions, on fused multiplication and addition, or on
//! subnormal numbers, which an adapter may flush to zero: no input, weight or product is one. A
//! result may be one in f16; it is then less than `2^-14`, and the bound is larger wherever the
//! magnitude of the terms is `2^-4` or more, as it is in all but very unlikely sums of nine
//! products and a bias.
//!
//! The worst case of Winograd's transforms is far larger than any real case: a bound for it would
//! miss errors as large as a whole channel. The generated values have random signs, so that sums
//! and rounding errors behave like random walks. The bound is therefore probabilistic:
//! `lambda * sqrt(roundings) * u` times the root of the sum of the squared terms, with a `lambda`
//! of 8 standard deviations. It follows Higham and Mary, *A New Approach to Probabilistic Rounding
//! Error Analysis*, 2019, whose bound uses the sum of the magnitudes of the terms instead.

mod convolutions;

use cubecl::server::ServerError;
use half::f16;

use super::failure::reason;
use super::preprocess::Preprocess;
use super::reference::{Expected, Reference, Worst, values};
use super::{Algorithm, DeviceTensor, GpuClient, Hardware, MaxPool, Precision, pool};
use crate::plan::{self, Activation, Norm, Padding};
pub use convolutions::convolution;

/// The result of a kernel at a shape.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The kernel, with its tile if it has one.
    pub kernel: String,
    /// The operation.
    pub op: String,
    /// The shape of its input.
    pub shape: String,
    /// Precision of the stored values.
    pub precision: Precision,
    /// The value with the largest error relative to its bound.
    pub worst: Worst,
    /// The driver's error if the kernel could not run.
    pub refused: Option<String>,
}

impl Finding {
    /// Whether the kernel ran and every value is within its bound.
    pub fn is_right(&self) -> bool {
        self.refused.is_none() && self.worst.is_within()
    }
}

/// Rounds `values` to `precision`. What would be a subnormal number in f16 becomes zero: an adapter
/// may flush it to zero, and the bounds leave no room for that.
fn rounded(mut values: Vec<f32>, precision: Precision) -> Vec<f32> {
    if precision == Precision::F16 {
        values.iter_mut().for_each(|value| {
            let stored = f16::from_f32(*value);
            *value = if stored.is_normal() { stored.to_f32() } else { 0.0 };
        });
    }
    values
}

/// The rounding of a stored result, in units of f32 roundings.
fn storage_roundings(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.0,
        Precision::F16 => 16384.0,
    }
}

/// The taps of the window of output `[y, x]` that lie inside the input, each with the index of its
/// pixel in the plane.
fn window(
    [y, x]: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: Padding,
    [height, width]: [usize; 2],
) -> impl Iterator<Item = (usize, usize)> {
    let [top, left] = [height, width].map(|side| padding.around(side, kernel, stride)[0]);
    (0..kernel * kernel).filter_map(move |tap| {
        let (row, column) = (y * stride + tap / kernel, x * stride + tap % kernel);
        let inside = row >= top && row < top + height && column >= left && column < left + width;
        inside.then(|| (tap, (row - top) * width + column - left))
    })
}

/// Checks max-pooling.
///
/// # Errors
/// If the device fails.
pub fn max_pool(
    client: &GpuClient,
    pool: MaxPool,
    (photos, [channels, height, width]): (usize, [usize; 3]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    // All values are negative, so that a kernel that reads padding as zeros fails.
    let negative = |value: f32| value - 1.5;
    let input: Vec<f32> =
        values(photos * channels * height * width, 5).into_iter().map(negative).collect();
    let input = rounded(input, precision);
    let on_device = DeviceTensor::upload(client, &input, [channels, height, width], precision);
    let [_, rows, columns] = pool.output([channels, height, width]);
    let output =
        DeviceTensor::filled(client, f32::NAN, photos, [channels, rows, columns], precision);
    pool.run(client, &on_device, &output);
    let actual = output.read(client)?;
    let expected = Expected::of([photos, channels, rows, columns], |[photo, channel, y, x]| {
        let plane = &input[(photo * channels + channel) * height * width..][..height * width];
        let maximum = window([y, x], pool.kernel, pool.stride, pool.padding, [height, width])
            .map(|(_, at)| f64::from(plane[at]))
            .fold(f64::NEG_INFINITY, f64::max);
        Reference::unrounded(maximum)
    });
    Ok(Finding {
        kernel: "max-pool".into(),
        op: format!("{0}x{0}/{1}", pool.kernel, pool.stride),
        shape: format!("{photos}x{channels}x{height}x{width}"),
        precision,
        worst: expected.worst(&actual),
        refused: None,
    })
}

/// Checks global average pooling over height and width.
///
/// # Errors
/// If the device fails.
pub fn mean(
    client: &GpuClient,
    (photos, [channels, height, width]): (usize, [usize; 3]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    let pixels = height * width;
    let input = rounded(values(photos * channels * pixels, 6), precision);
    let on_device = DeviceTensor::upload(client, &input, [channels, height, width], precision);
    let output = DeviceTensor::filled(client, f32::NAN, photos, [channels, 1, 1], Precision::F32);
    pool::means(client, &on_device, &output);
    let actual = output.read(client)?;
    let expected = Expected::of([photos, channels], |[photo, channel]| {
        let plane = &input[(photo * channels + channel) * pixels..][..pixels];
        let sum = Reference::sum(pixels, plane.iter().map(|value| f64::from(*value))).divided();
        let (value, magnitude) = (sum.value / pixels as f64, sum.magnitude / pixels as f64);
        Reference { value, magnitude, ..sum }
    });
    Ok(Finding {
        kernel: "mean".into(),
        op: format!("{height}x{width}"),
        shape: format!("{photos}x{channels}x{height}x{width}"),
        precision,
        worst: expected.worst(&actual),
        refused: None,
    })
}

/// Checks preprocessing, which must reproduce the table's values bit by bit.
///
/// # Errors
/// If the device fails.
pub fn preprocess(
    client: &GpuClient,
    (photos, [height, width]): (usize, [usize; 2]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    let mut table = [[0.0f32; 256]; 3];
    // The kernel rounds the entries itself; none may be a subnormal number then.
    for (entry, value) in table.as_flattened_mut().iter_mut().zip(values(768, 7)) {
        *entry = if f16::from_f32(value).is_normal() { value } else { 0.0 };
    }
    let pixels: Vec<u8> = values(photos * height * width * 3, 8)
        .iter()
        .map(|value| ((value + 1.0) * 127.9) as u8)
        .collect();
    let output = DeviceTensor::filled(client, f32::NAN, photos, [3, height, width], precision);
    Preprocess::new(client, &table, precision).run_into(client, &pixels, &output);
    let mut actual = output.read(client)?;
    // The fourth channel must be zero, because the stem convolution reads it.
    let fourth_is_zero = output.read_stored(client)?.chunks_exact(4).all(|pixel| pixel[3] == 0.0);
    if !fourth_is_zero {
        actual[0] = f32::NAN;
    }
    let expected = Expected::of([photos, 3, height, width], |[photo, channel, y, x]| {
        let byte = pixels[((photo * height + y) * width + x) * 3 + channel];
        let value = f64::from(table[channel][byte as usize]);
        Reference { value, magnitude: value.abs(), roundings: storage_roundings(precision) }
    });
    Ok(Finding {
        kernel: "preprocess".into(),
        op: "bytes to values".into(),
        shape: format!("{photos}x3x{height}x{width}"),
        precision,
        worst: expected.worst(&actual),
        refused: None,
    })
}

/// A convolution to check. Its weights have no names, unlike those of a plan.
pub fn example_convolution(
    [in_channels, out_channels]: [usize; 2],
    [kernel, stride, groups]: [usize; 3],
    padding: Padding,
    activation: Activation,
) -> plan::Convolution {
    let nameless = String::new;
    plan::Convolution {
        weight: nameless(),
        norm: Norm {
            scale: nameless(),
            shift: nameless(),
            mean: nameless(),
            variance: nameless(),
            epsilon: 0.0,
        },
        in_channels,
        out_channels,
        kernel,
        stride,
        padding,
        groups,
        activation,
    }
}

/// The quick suite: every kernel with every tile, at small shapes that tiles do not divide evenly.
/// Kernels that the driver refuses are passed to `observe` too.
pub fn quick_suite(client: &GpuClient, precision: Precision, observe: impl FnMut(Finding)) {
    let all = |case: &plan::Convolution| Algorithm::all(client.limits(), case, precision);
    suite(client, precision, all, observe);
}

/// As [`quick_suite`], with the kernel and the tile that the engine chooses within the client's
/// limits.
pub fn chosen_suite(
    client: &GpuClient,
    precision: Precision,
    hardware: Hardware,
    observe: impl FnMut(Finding),
) {
    let chosen = |case: &plan::Convolution| {
        let chosen = Algorithm::chosen(hardware, client.limits(), case, precision);
        Vec::from_iter(chosen.ok())
    };
    suite(client, precision, chosen, observe);
}

/// The suite with the algorithms of each convolution that `algorithms` gives.
fn suite(
    client: &GpuClient,
    precision: Precision,
    algorithms: impl Fn(&plan::Convolution) -> Vec<Algorithm>,
    mut observe: impl FnMut(Finding),
) {
    use Activation::{None, Relu, Relu6};
    let convolutions = [
        (example_convolution([3, 10], [7, 2, 1], Padding::Each(3), Relu), false, (3, [37, 23])),
        (example_convolution([20, 36], [3, 1, 1], Padding::Each(1), Relu), true, (3, [13, 7])),
        (example_convolution([52, 70], [3, 1, 1], Padding::Each(1), None), false, (1, [7, 7])),
        (example_convolution([18, 34], [3, 2, 1], Padding::Same, Relu6), false, (2, [12, 15])),
        (example_convolution([70, 130], [1, 1, 1], Padding::Each(0), None), true, (3, [5, 9])),
        (example_convolution([16, 24], [1, 2, 1], Padding::Each(0), None), false, (1, [1, 1])),
        (example_convolution([22, 22], [3, 1, 22], Padding::Same, Relu6), false, (3, [9, 6])),
        (example_convolution([30, 30], [5, 2, 30], Padding::Same, Relu6), false, (1, [14, 11])),
    ];
    let refused = |kernel: String, error: ServerError| Finding {
        kernel,
        op: "refused".into(),
        shape: String::new(),
        precision,
        worst: Worst { error: f64::INFINITY, bound: 0.0, at: 0 },
        refused: Some(reason(&error)),
    };
    for (case, shortcut, shape) in convolutions {
        for algorithm in algorithms(&case) {
            let finding = convolution(client, &case, shortcut, shape, precision, algorithm);
            observe(finding.unwrap_or_else(|error| refused(algorithm.to_string(), error)));
        }
    }
    let pool = MaxPool { kernel: 3, stride: 2, padding: Padding::Each(1) };
    let findings: [(&str, Result<Finding, ServerError>); 3] = [
        ("max-pool", max_pool(client, pool, (3, [18, 13, 9]), precision)),
        ("mean", mean(client, (3, [70, 7, 5]), precision)),
        ("preprocess", preprocess(client, (3, [7, 5]), precision)),
    ];
    for (kernel, finding) in findings {
        observe(finding.unwrap_or_else(|error| refused(kernel.to_owned(), error)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_or_product_of_the_tests_is_a_subnormal_number() {
        // The seeds of photos, weights, biases, shortcuts, pools and preprocessing.
        for seed in 1..=8 {
            let whole = values(100_000, seed);
            let least = whole.iter().map(|value| value.abs()).filter(|value| *value > 0.0);
            let least = f64::from(least.fold(1.0, f32::min));
            assert!(least * least >= f64::from(f32::MIN_POSITIVE), "{least}");
            let is_right = |half: f32| half == 0.0 || f16::from_f32(half).is_normal();
            assert!(!whole.iter().all(|value| is_right(*value)), "nothing to flush");
            assert!(rounded(whole, Precision::F16).into_iter().all(is_right));
        }
    }
}
