//! Which kernels are to be trusted on an adapter: each against what it must give in f64, within a bound that is derived for
//! each value.
//!
//! Bounds are of the form `roundings * u * magnitude` (see [`exact`](super::exact)). Where values are stored in f16, inputs
//! and weights are rounded before the reference sees them, and the output's own rounding is `2^-10` of at most its
//! magnitude, since Vulkan lets an adapter cut digits off instead of rounding: 16384 roundings of f32 more; Winograd's filters
//! are rounded after their transform, by the program, which is half as much again.
//!
//! Winograd's transforms make the worst case so much larger than any case that a bound for it would let errors of whole
//! channels through. What is made up here has random signs, and so its sums and its roundings walk at random: the bound is
//! `lambda * sqrt(roundings) * u` of the root of the sum of the squares of what is added up (in the spirit of Higham and Mary,
//! *A New Approach to Probabilistic Rounding Error Analysis*, 2019, whose bound has the sum of the magnitudes there), with a
//! `lambda` of 8 standard deviations.

mod convolution;

use cubecl::client::Client;
use cubecl::server::ServerError;
use half::f16;

use super::exact::{Exact, Expected, Worst, values};
use super::failure::reason;
use super::preprocess::Preprocess;
use super::tile::{Limits, Tile, WinogradTile};
use super::{Map, MaxPool, Precision, Winograd, pool};
use crate::backbone::plan::{self, Activation, Norm, Padding};
pub use convolution::convolution;

/// What came of a kernel at a shape.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The kernel, with its tile where it has one.
    pub kernel: String,
    /// What it computed.
    pub op: String,
    /// On what.
    pub shape: String,
    /// How it stored values.
    pub precision: Precision,
    /// The value that is furthest off, as a share of its bound.
    pub worst: Worst,
    /// Why it gave no values, where the driver refused it.
    pub refused: Option<String>,
}

impl Finding {
    /// Whether every value is within its bound.
    pub fn is_right(&self) -> bool {
        self.refused.is_none() && self.worst.is_within()
    }
}

/// What a convolution is computed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The kernel for convolutions of all channels, with this tile.
    Whole(Tile),
    /// Winograd's, with this tile.
    Winograd(WinogradTile),
    /// The kernel for depthwise convolutions.
    Depthwise,
}

impl Way {
    /// Every one that may compute `convolution` in this precision and that the adapter's limits allow, not only the one that a
    /// network takes.
    pub fn all(
        client: &Client,
        convolution: &plan::Convolution,
        precision: Precision,
    ) -> Vec<Self> {
        let limits = Limits::of(client);
        if convolution.groups > 1 {
            return vec![Self::Depthwise];
        }
        let tiles = Tile::CHOICES.into_iter().filter(|tile| tile.fits(limits)).map(Self::Whole);
        let winograd = WinogradTile::CHOICES
            .into_iter()
            .filter(|tile| tile.fits(limits) && Winograd::computes(convolution))
            .filter(|tile| Winograd::sides(precision).contains(&tile.side))
            .map(Self::Winograd);
        tiles.chain(winograd).collect()
    }

    /// The one that a network takes, where the adapter's limits allow any.
    pub fn taken(
        client: &Client,
        convolution: &plan::Convolution,
        precision: Precision,
    ) -> Option<Self> {
        let limits = Limits::of(client);
        if convolution.groups > 1 {
            return Some(Self::Depthwise);
        }
        let mut sides =
            Winograd::sides(precision).iter().filter(|_| Winograd::computes(convolution));
        let winograd = sides.find_map(|side| WinogradTile::within(limits, *side));
        let whole = || Tile::within(limits, convolution.to.div_ceil(super::WIDTH));
        winograd.map(Self::Winograd).or_else(|| whole().map(Self::Whole))
    }

    fn name(self) -> String {
        match self {
            Self::Whole(Tile { lanes, rows, pixels, .. }) => {
                format!("convolution {}x{}", rows * pixels, 4 * lanes)
            }
            Self::Winograd(WinogradTile { side, tiles, lanes, vectors, .. }) => {
                format!("winograd F({side}x{side}) {tiles}x{}", 4 * lanes * vectors)
            }
            Self::Depthwise => "depthwise".into(),
        }
    }
}

/// Rounded as they are stored.
fn stored(mut values: Vec<f32>, precision: Precision) -> Vec<f32> {
    if precision == Precision::F16 {
        values.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
    }
    values
}

/// Roundings of f32 that storing a result in this precision is worth.
fn storing(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.0,
        Precision::F16 => 16384.0,
    }
}

/// Where a window's values lie, those inside the input.
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

/// Checks the maximum under a window.
///
/// # Errors
/// Where the device fails.
pub fn max_pool(
    client: &Client,
    pool: MaxPool,
    (photos, [channels, height, width]): (usize, [usize; 3]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    // Below zero, so that padding that is taken for values is seen.
    let below = |value: f32| value - 1.5;
    let input: Vec<f32> =
        values(photos * channels * height * width, 5).into_iter().map(below).collect();
    let input = stored(input, precision);
    let on_device = Map::upload(client, &input, [channels, height, width], precision);
    let [_, rows, columns] = pool.output([channels, height, width]);
    let output = Map::filled(client, f32::NAN, photos, [channels, rows, columns], precision);
    pool.run(client, &on_device, &output);
    let actual = output.read(client)?;
    let expected = Expected::of([photos, channels, rows, columns], |[photo, channel, y, x]| {
        let plane = &input[(photo * channels + channel) * height * width..][..height * width];
        let most = window([y, x], pool.kernel, pool.stride, pool.padding, [height, width])
            .map(|(_, at)| f64::from(plane[at]))
            .fold(f64::NEG_INFINITY, f64::max);
        Exact::unrounded(most)
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

/// Checks the mean over height and width.
///
/// # Errors
/// Where the device fails.
pub fn mean(
    client: &Client,
    (photos, [channels, height, width]): (usize, [usize; 3]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    let pixels = height * width;
    let input = stored(values(photos * channels * pixels, 6), precision);
    let on_device = Map::upload(client, &input, [channels, height, width], precision);
    let output = Map::filled(client, f32::NAN, photos, [channels, 1, 1], Precision::F32);
    pool::means(client, &on_device, &output);
    let actual = output.read(client)?;
    let expected = Expected::of([photos, channels], |[photo, channel]| {
        let plane = &input[(photo * channels + channel) * pixels..][..pixels];
        let sum = Exact::sum(pixels, plane.iter().map(|value| f64::from(*value))).divided();
        let (value, magnitude) = (sum.value / pixels as f64, sum.magnitude / pixels as f64);
        Exact { value, magnitude, ..sum }
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

/// Checks what turns bytes into values: the table's bits.
///
/// # Errors
/// Where the device fails.
pub fn preprocess(
    client: &Client,
    (photos, [height, width]): (usize, [usize; 2]),
    precision: Precision,
) -> Result<Finding, ServerError> {
    let mut table = [[0.0f32; 256]; 3];
    for (entry, value) in table.as_flattened_mut().iter_mut().zip(values(768, 7)) {
        *entry = value;
    }
    let pixels: Vec<u8> = values(photos * height * width * 3, 8)
        .iter()
        .map(|value| ((value + 1.0) * 127.9) as u8)
        .collect();
    let output = Map::filled(client, f32::NAN, photos, [3, height, width], precision);
    Preprocess::new(client, &table, precision).run_into(client, &pixels, &output);
    let mut actual = output.read(client)?;
    // The fourth value has to be there, and zero: a convolution reads it.
    let fourth = output.read_stored(client)?.chunks_exact(4).all(|pixel| pixel[3] == 0.0);
    if !fourth {
        actual[0] = f32::NAN;
    }
    let expected = Expected::of([photos, 3, height, width], |[photo, channel, y, x]| {
        let byte = pixels[((photo * height + y) * width + x) * 3 + channel];
        let value = f64::from(table[channel][byte as usize]);
        Exact { value, magnitude: value.abs(), roundings: storing(precision) }
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

/// A convolution to check, without the names that a plan's has.
pub fn made_up(
    [from, to]: [usize; 2],
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
        from,
        to,
        kernel,
        stride,
        padding,
        groups,
        activation,
    }
}

/// The short form: every kernel with every tile, at small shapes that do not divide evenly. What the driver refuses is
/// among what is observed.
pub fn short(client: &Client, precision: Precision, mut observe: impl FnMut(Finding)) {
    use Activation::{None, Relu, Relu6};
    let convolutions = [
        (made_up([3, 10], [7, 2, 1], Padding::Each(3), Relu), false, (3, [37, 23])),
        (made_up([20, 36], [3, 1, 1], Padding::Each(1), Relu), true, (3, [13, 7])),
        (made_up([52, 70], [3, 1, 1], Padding::Each(1), None), false, (1, [7, 7])),
        (made_up([18, 34], [3, 2, 1], Padding::Same, Relu6), false, (2, [12, 15])),
        (made_up([70, 130], [1, 1, 1], Padding::Each(0), None), true, (3, [5, 9])),
        (made_up([16, 24], [1, 2, 1], Padding::Each(0), None), false, (1, [1, 1])),
        (made_up([22, 22], [3, 1, 22], Padding::Same, Relu6), false, (3, [9, 6])),
        (made_up([30, 30], [5, 2, 30], Padding::Same, Relu6), false, (1, [14, 11])),
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
        for way in Way::all(client, &case, precision) {
            let finding = convolution(client, &case, shortcut, shape, precision, way);
            observe(finding.unwrap_or_else(|error| refused(way.name(), error)));
        }
    }
    let pool = MaxPool { kernel: 3, stride: 2, padding: Padding::Each(1) };
    let named: [(&str, Result<Finding, ServerError>); 3] = [
        ("max-pool", max_pool(client, pool, (3, [18, 13, 9]), precision)),
        ("mean", mean(client, (3, [70, 7, 5]), precision)),
        ("preprocess", preprocess(client, (3, [7, 5]), precision)),
    ];
    for (kernel, finding) in named {
        observe(finding.unwrap_or_else(|error| refused(kernel.to_owned(), error)));
    }
}
