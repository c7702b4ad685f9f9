//! Checks convolutions by each algorithm against f64.

use cubecl::server::ServerError;

use super::{Finding, rounded, storage_roundings, window};
use crate::kernels::reference::{Expected, Reference, values};
use crate::kernels::{Algorithm, DeviceTensor, GpuClient, Precision, winograd};
use crate::plan::Folded;
use crate::plan::{self, Activation};

/// The largest error considered possible, in standard deviations: `lambda` of the module above.
const LIKELY: f64 = 8.0;

/// Checks a convolution of pseudo-random photos and weights, with a shortcut if `shortcut` is set.
/// The output is filled with NaN beforehand.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If `algorithm` cannot compute this convolution.
pub fn convolution(
    client: &GpuClient,
    convolution: &plan::Convolution,
    shortcut: bool,
    (photos, [height, width]): (usize, [usize; 2]),
    precision: Precision,
    algorithm: Algorithm,
) -> Result<Finding, ServerError> {
    let plan::Convolution {
        in_channels,
        out_channels,
        kernel,
        stride,
        padding,
        groups,
        activation,
        ..
    } = *convolution;
    let [per_group, taps] = [in_channels / groups, kernel * kernel];
    let input = rounded(values(photos * in_channels * height * width, 1), precision);
    let weight = values(out_channels * per_group * taps, 2);
    let folded = Folded { weight: weight.clone(), bias: values(out_channels, 3) };
    let weight = match algorithm {
        // The filters are rounded after their transform.
        Algorithm::Winograd(_) => weight,
        _ => rounded(weight, precision),
    };

    let on_device = DeviceTensor::upload(client, &input, [in_channels, height, width], precision);
    let shape = [height, width].map(|side| padding.output(side, kernel, stride));
    let output = DeviceTensor::filled(
        client,
        f32::NAN,
        photos,
        [out_channels, shape[0], shape[1]],
        precision,
    );
    let added = rounded(values(photos * out_channels * shape[0] * shape[1], 4), precision);
    let other = shortcut.then(|| DeviceTensor::upload(client, &added, output.shape(), precision));
    let prepared = algorithm.prepare(client, convolution, &folded, precision);
    prepared.run(client, &on_device, other.as_ref(), &output);
    let actual = output.read(client)?;

    let expected =
        Expected::of([photos, out_channels, shape[0], shape[1]], |[photo, out, y, x]| {
            let plane = |channel: usize| {
                let channel = out / (out_channels / groups) * per_group + channel;
                &input[(photo * in_channels + channel) * height * width..][..height * width]
            };
            let filter = |channel: usize| &weight[(out * per_group + channel) * taps..][..taps];
            let products = (0..per_group).flat_map(|channel| {
                let (plane, filter) = (plane(channel), filter(channel));
                window([y, x], kernel, stride, padding, [height, width])
                    .map(move |(tap, at)| f64::from(filter[tap]) * f64::from(plane[at]))
            });
            let mut reference = Reference::sum(per_group * taps, products);
            if let Algorithm::Winograd(work) = algorithm {
                let side = work.side();
                let squares: f64 = (0..in_channels)
                    .map(|channel| {
                        let patch = patch(plane(channel), [height, width], [y, x], side);
                        let at = [y % side, x % side];
                        winograd::squares(filter(channel), &patch, side, at)
                    })
                    .sum();
                reference.magnitude = squares.sqrt();
                reference.roundings = LIKELY
                    * ((in_channels as f64 + winograd::ROUNDINGS).sqrt()
                        + storage_roundings(precision));
            }
            reference = reference.plus(f64::from(folded.bias[out]));
            if shortcut {
                let at = ((photo * out_channels + out) * shape[0] + y) * shape[1] + x;
                reference = reference.plus(f64::from(added[at]));
            }
            let output_roundings = match algorithm {
                // The magnitude is a root of summed squares here, which the output may exceed by a
                // factor of `LIKELY`.
                Algorithm::Winograd(_) => LIKELY * storage_roundings(precision),
                _ => storage_roundings(precision),
            };
            reference.with_roundings(output_roundings).through(|value| match activation {
                Activation::None => value,
                Activation::Relu => value.max(0.0),
                Activation::Relu6 => value.clamp(0.0, 6.0),
            })
        });
    let suffix = if shortcut { " + shortcut" } else { "" };
    let depthwise = if groups > 1 { " depthwise" } else { "" };
    Ok(Finding {
        kernel: algorithm.to_string(),
        op: format!("{kernel}x{kernel}/{stride}{depthwise}{suffix}"),
        shape: format!("{photos}x{in_channels}x{height}x{width} to {out_channels}"),
        precision,
        worst: expected.worst(&actual),
        refused: None,
    })
}

/// The patch of `plane`, padded with zeros, that the tile of output `[y, x]` reads.
fn patch(plane: &[f32], [height, width]: [usize; 2], [y, x]: [usize; 2], side: usize) -> Vec<f64> {
    let reach = side + 2;
    let (top, left) = (y / side * side, x / side * side);
    (0..reach * reach)
        .map(|at| {
            let (row, column) = (top + at / reach, left + at % reach);
            let inside = (1..=height).contains(&row) && (1..=width).contains(&column);
            if inside { f64::from(plane[(row - 1) * width + column - 1]) } else { 0.0 }
        })
        .collect()
}
