//! Upper bounds for the speed of the kernels on an adapter, measured by two kernels.
//!
//! **Memory**: `advance` reads a buffer and writes another; both together are larger than the
//! caches of today's GPUs. `multiply_adds` reads a few vectors and writes one per unit.
//! **Launch**: one unit per vector of four values; a 1D launch.
//! **Arithmetic intensity**: `advance` adds one to each value, because a plain copy would not show
//! that it ran as often as it should. `multiply_adds` has [`CHAINS`] independent chains of
//! multiply-adds, each [`STEPS`] long, in the same form as the products of a convolution: a
//! multiplication and an addition, which a driver may fuse.
//!
//! Every value of both is compared with the result that it must have, to the last bit: all of them
//! are small multiples of a quarter, so that nothing is rounded.

use cubecl::prelude::*;
use cubecl::server::ServerError;

use super::failure::reason;
use super::samples::Effort;
use super::{DeviceTensor, Four, GpuClient, Hardware, Launch, Precision, WIDTH};

/// Chains of a unit, of four values each. With the factor and the term, they fit the 16 vector
/// registers of AVX2, for drivers that run on the processor.
const CHAINS: usize = 3;
/// Multiply-adds of a chain.
const STEPS: usize = UNROLLED * ROUNDS;
const UNROLLED: usize = 16;
const ROUNDS: usize = 64;

/// Bytes of each buffer that is copied. The largest cache of a GPU today is AMD's of 256 MiB
/// (<https://www.amd.com/en/products/accelerators/instinct/mi300/mi300x.html>); both buffers
/// together are as large, and neither survives there until it is read again.
const COPIED_BYTES: usize = 128 << 20;

/// Columns of the copied buffers.
const COLUMNS: usize = 1024;

/// Upper bounds for the speed of an adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// Billions of f32 additions and multiplications per second, in independent multiply-adds.
    pub peak_gflops: f64,
    /// Billions of bytes per second, each counted when it is read and when it is written, while a
    /// buffer is copied to another.
    pub copied_gb_per_s: f64,
    /// Bytes of each of these two buffers.
    pub copied_bytes: usize,
}

/// Why an adapter's bounds cannot be measured.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RooflineError {
    /// The device failed.
    #[error("the device failed while it was measured: {0}")]
    Device(String),
    /// A kernel gave a wrong result, so that its time means nothing.
    #[error(
        "the kernel that measures {measured} gives wrong numbers: {actual} instead of {expected} \
         at {at}"
    )]
    Wrong {
        /// What it measures.
        measured: &'static str,
        /// Its value.
        actual: f32,
        /// What the value must be.
        expected: f32,
        /// The value's index.
        at: usize,
    },
}

impl From<ServerError> for RooflineError {
    fn from(error: ServerError) -> Self {
        Self::Device(reason(&error))
    }
}

impl Roofline {
    /// Measures the client's adapter.
    ///
    /// # Errors
    /// If the device fails, or gives a wrong number.
    pub fn measure(client: &GpuClient, hardware: Hardware) -> Result<Self, RooflineError> {
        let effort = Effort::on(hardware);
        let (copied_gb_per_s, copied_bytes) = copied(client, effort)?;
        let peak_gflops = peak(client, effort, units(hardware))?;
        Ok(Self { peak_gflops, copied_gb_per_s, copied_bytes })
    }
}

/// Units of a launch of `multiply_adds`: several times what the largest GPU runs at a time, and
/// tens of milliseconds of work for a processor.
fn units(hardware: Hardware) -> usize {
    match hardware {
        Hardware::Gpu => 1 << 20,
        Hardware::Processor => 1 << 14,
    }
}

/// Billions of bytes copied per second, and the bytes of a buffer.
fn copied(client: &GpuClient, effort: Effort) -> Result<(f64, usize), RooflineError> {
    let row = COLUMNS * WIDTH * size_of::<f32>();
    let largest = usize::try_from(client.limits().buffer_bytes).unwrap_or(usize::MAX);
    let rows = (COPIED_BYTES.min(largest) / row).max(1);
    let shape = [WIDTH, rows, COLUMNS];
    let first: Vec<f32> = (0..rows * COLUMNS * WIDTH).map(|at| (at % 4099) as f32).collect();
    let buffers = [
        DeviceTensor::upload(client, &first, shape, Precision::F32),
        DeviceTensor::empty(client, 1, shape, Precision::F32),
    ];
    let vectors = rows * COLUMNS;
    let groups = Launch::line(client.limits(), vectors);
    let (cubes, dimension) = (groups.cubes(), groups.dimension());
    let mut copies = 0;
    let samples = effort.measure(|repeats| {
        for _ in 0..repeats {
            let [source, target] = [copies % 2, (copies + 1) % 2].map(|at| buffers[at].argument());
            advance::launch(client, cubes.clone(), dimension, source, target, vectors);
            copies += 1;
        }
        cubecl::future::block_on(client.sync())
    })?;
    let last = buffers[copies % 2].read(client)?;
    let expected = |at: usize| first[at] + copies as f32;
    checked("the bandwidth", &last, expected)?;
    let bytes = rows * row;
    Ok((2.0 * bytes as f64 / samples.fastest() / 1e9, bytes))
}

/// Billions of additions and multiplications per second.
fn peak(client: &GpuClient, effort: Effort, units: usize) -> Result<f64, RooflineError> {
    // The factor and the term of each value of a vector, and the starts of the chains. The factor
    // is one, which no compiler knows.
    let planes: Vec<f32> = (0..WIDTH)
        .flat_map(|lane| {
            let starts = (0..CHAINS).map(move |chain| start(lane, chain));
            [1.0, 0.5].into_iter().chain(starts)
        })
        .collect();
    let shape = [WIDTH, 1, 2 + CHAINS];
    let numbers = DeviceTensor::upload(client, &planes, shape, Precision::F32);
    let output = DeviceTensor::filled(client, f32::NAN, 1, [WIDTH, 1, units], Precision::F32);
    let groups = Launch::line(client.limits(), units);
    let (cubes, dimension) = (groups.cubes(), groups.dimension());
    let samples = effort.measure(|repeats| {
        for _ in 0..repeats {
            let (input, output) = (numbers.argument(), output.argument());
            multiply_adds::launch(client, cubes.clone(), dimension, input, output, units, ROUNDS);
        }
        cubecl::future::block_on(client.sync())
    })?;
    let expected = |at: usize| {
        let (lane, unit) = (at / units, at % units);
        let chain = |chain| start(lane, chain) + (unit % 64) as f32 + 0.5 * STEPS as f32;
        (0..CHAINS).map(chain).sum()
    };
    checked("the multiply rate", &output.read(client)?, expected)?;
    let operations = 2 * units * CHAINS * WIDTH * STEPS;
    Ok(operations as f64 / samples.fastest() / 1e9)
}

/// What a chain starts with: all differ, or a compiler could compute them once.
fn start(lane: usize, chain: usize) -> f32 {
    chain as f32 + lane as f32 / 4.0
}

/// Compares every value with the exact result.
fn checked(
    measured: &'static str,
    values: &[f32],
    expected: impl Fn(usize) -> f32,
) -> Result<(), RooflineError> {
    let wrong = |at: &usize| values[*at] != expected(*at);
    match (0..values.len()).find(wrong) {
        None => Ok(()),
        Some(at) => {
            Err(RooflineError::Wrong { measured, actual: values[at], expected: expected(at), at })
        }
    }
}

#[cube(launch)]
fn advance(source: &[Four<f32>], target: &mut [Four<f32>], vectors: usize) {
    if ABSOLUTE_POS < vectors {
        target[ABSOLUTE_POS] = source[ABSOLUTE_POS] + Four::<f32>::new(1.0);
    }
}

#[cube(launch)]
fn multiply_adds(numbers: &[Four<f32>], output: &mut [Four<f32>], units: usize, rounds: usize) {
    if ABSOLUTE_POS < units {
        let factor = numbers[0];
        let term = numbers[1];
        // Units differ too, because a GPU computes what is the same for all of them only once.
        let unit = Four::<f32>::new(f32::cast_from((ABSOLUTE_POS % 64) as u32));
        let mut sums = Array::<Four<f32>>::new(CHAINS);
        #[unroll]
        for chain in 0..CHAINS {
            sums[chain] = numbers[comptime!(2 + chain)] + unit;
        }
        for _ in 0..rounds {
            #[unroll]
            for _ in 0..UNROLLED {
                #[unroll]
                for chain in 0..CHAINS {
                    sums[chain] = sums[chain] * factor + term;
                }
            }
        }
        let mut sum = sums[0];
        #[unroll]
        for chain in 1..CHAINS {
            sum += sums[chain];
        }
        output[ABSOLUTE_POS] = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_wrong_value_is_found() {
        let mut values = vec![2.0; 100];
        assert!(checked("a test", &values, |_| 2.0).is_ok());
        values[71] = f32::NAN;
        let error = checked("a test", &values, |_| 2.0).unwrap_err().to_string();
        assert_eq!(
            error,
            "the kernel that measures a test gives wrong numbers: NaN instead of 2 at 71"
        );
    }

    #[test]
    fn every_result_is_exact_in_f32() {
        // Below 2^24, f32 holds every integer; below 2^22, every multiple of a quarter.
        let largest_sum =
            CHAINS as f32 * (start(WIDTH - 1, CHAINS - 1) + 63.0 + 0.5 * STEPS as f32);
        assert!(largest_sum < (1 << 22) as f32);
        // Every sample, those before it that were too short, and the first launch.
        let most = (Effort::on(Hardware::Gpu).samples + 3) * Effort::MOST_REPEATS;
        assert!(4099 + most < 1 << 24);
    }
}
