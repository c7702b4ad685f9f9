//! A convolution, by each of our ways, against f64.

use cubecl::client::Client;
use cubecl::server::ServerError;

use super::{Finding, Way, stored, storing, window};
use crate::backbone::folding::Folded;
use crate::backbone::plan::{self, Activation};
use crate::kernels::exact::{Exact, Expected, values};
use crate::kernels::{Convolution, Depthwise, Map, Precision, Winograd, winograd};

/// How far beyond its standard deviation an error is taken to be possible.
const LIKELY: f64 = 8.0;

/// Checks a convolution of made-up photos and weights, with a shortcut where one is asked for; the output is filled with
/// what is no number before.
///
/// # Errors
/// Where the device fails.
///
/// # Panics
/// Where `way` does not compute it.
pub fn convolution(
    client: &Client,
    convolution: &plan::Convolution,
    shortcut: bool,
    (photos, [height, width]): (usize, [usize; 2]),
    precision: Precision,
    way: Way,
) -> Result<Finding, ServerError> {
    let plan::Convolution { from, to, kernel, stride, padding, groups, activation, .. } =
        *convolution;
    let [per_group, taps] = [from / groups, kernel * kernel];
    let input = stored(values(photos * from * height * width, 1), precision);
    let weight = values(to * per_group * taps, 2);
    let folded = Folded { weight: weight.clone(), bias: values(to, 3) };
    let weight = match way {
        // Its filters are rounded after the transform.
        Way::Winograd(_) => weight,
        _ => stored(weight, precision),
    };

    let on_device = Map::upload(client, &input, [from, height, width], precision);
    let shape = [height, width].map(|side| padding.output(side, kernel, stride));
    let output = Map::filled(client, f32::NAN, photos, [to, shape[0], shape[1]], precision);
    let added = stored(values(photos * to * shape[0] * shape[1], 4), precision);
    let other = shortcut.then(|| Map::upload(client, &added, output.shape(), precision));
    match way {
        Way::Whole(tile) => {
            Convolution::with_tile(client, convolution, &folded, activation, precision, tile).run(
                client,
                &on_device,
                other.as_ref(),
                &output,
            );
        }
        Way::Winograd(tile) => {
            Winograd::with_tile(client, convolution, &folded, activation, precision, tile).run(
                client,
                &on_device,
                other.as_ref(),
                &output,
            );
        }
        Way::Depthwise => {
            Depthwise::new(client, convolution, &folded, precision)
                .run(client, &on_device, &output);
        }
    }
    let actual = output.read(client)?;

    let expected = Expected::of([photos, to, shape[0], shape[1]], |[photo, out, y, x]| {
        let plane = |channel: usize| {
            let channel = out / (to / groups) * per_group + channel;
            &input[(photo * from + channel) * height * width..][..height * width]
        };
        let filter = |channel: usize| &weight[(out * per_group + channel) * taps..][..taps];
        let products = (0..per_group).flat_map(|channel| {
            let (plane, filter) = (plane(channel), filter(channel));
            window([y, x], kernel, stride, padding, [height, width])
                .map(move |(tap, at)| f64::from(filter[tap]) * f64::from(plane[at]))
        });
        let mut exact = Exact::sum(per_group * taps, products);
        if let Way::Winograd(tile) = way {
            let squares: f64 = (0..from)
                .map(|channel| {
                    let patch = patch(plane(channel), [height, width], [y, x], tile.side);
                    let at = [y % tile.side, x % tile.side];
                    winograd::squares(filter(channel), &patch, tile.side, at)
                })
                .sum();
            exact.magnitude = squares.sqrt();
            exact.roundings =
                LIKELY * ((from as f64 + winograd::ROUNDINGS).sqrt() + storing(precision));
        }
        exact = exact.plus(f64::from(folded.bias[out]));
        if shortcut {
            let at = ((photo * to + out) * shape[0] + y) * shape[1] + x;
            exact = exact.plus(f64::from(added[at]));
        }
        let own = match way {
            // The output may be larger than what its magnitude says, by as much as errors may be.
            Way::Winograd(_) => LIKELY * storing(precision),
            _ => storing(precision),
        };
        exact.with_roundings(own).through(|value| match activation {
            Activation::None => value,
            Activation::Relu => value.max(0.0),
            Activation::Relu6 => value.clamp(0.0, 6.0),
        })
    });
    let plus = if shortcut { " + shortcut" } else { "" };
    let alone = if groups > 1 { " depthwise" } else { "" };
    Ok(Finding {
        kernel: way.name(),
        op: format!("{kernel}x{kernel}/{stride}{alone}{plus}"),
        shape: format!("{photos}x{from}x{height}x{width} to {to}"),
        precision,
        worst: expected.worst(&actual),
        refused: None,
    })
}

/// What the tile of an output reads of a plane, zeros around it.
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
