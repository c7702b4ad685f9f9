//! `kindling devices --test --report FILE`: what an adapter computes and how fast.
//!
//! docs/json.md promises these fields. Nothing here identifies a person or a machine: no host name,
//! no user name, no path.

use std::collections::HashMap;
use std::io::Write;
use std::thread;

use anyhow::Result;
use kindling::Precision;
use kindling::device::{self, Backend, DeviceInfo, Instructions, Kind};
use kindling::kernels::{self, GpuClient, LayerSpeed, Roofline, layer_speeds};
use kindling::output::OutputFile;
use serde::Serialize;

use super::forwards::{Forward, Speed, forwards};
use super::test::{Kernel, precisions};
use crate::cli::terminal::table;

/// The networks that are measured.
const NETWORKS: [&str; 2] = ["resnet18", "efficientnet-lite0"];

/// The version of the file's fields. It is raised if one of them changes its meaning.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct File<'a> {
    format: u32,
    kindling: &'static str,
    kernels_version: u32,
    date: String,
    os: &'static str,
    arch: &'static str,
    instructions: String,
    threads: usize,
    adapters: Vec<Adapter<'a>>,
}

/// Writes what was measured on `adapters` to `file`.
pub fn write(file: OutputFile, adapters: Vec<Adapter>) -> Result<()> {
    let content = File {
        format: FORMAT,
        kindling: env!("CARGO_PKG_VERSION"),
        kernels_version: kernels::VERSION,
        date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        instructions: Instructions::best().to_string(),
        threads: thread::available_parallelism().map_or(1, usize::from),
        adapters,
    };
    let mut text = serde_json::to_string_pretty(&content)?;
    text.push('\n');
    file.write(text.as_bytes())?;
    Ok(())
}

/// An adapter and what was measured on it.
#[derive(Serialize)]
pub struct Adapter<'a> {
    name: &'a str,
    backend: Backend,
    api: Option<&'a str>,
    driver: Option<&'a str>,
    kind: Kind,
    software: bool,
    f16: bool,
    own_kernels: bool,
    limits: Option<Limits>,
    roofline: Option<Bounds>,
    roofline_missing: Option<String>,
    kernels: Vec<MeasuredKernel>,
    forwards: Vec<Forward>,
    /// Why nothing of the above was measured.
    failed: Option<String>,
}

#[derive(Serialize)]
struct Limits {
    units_per_group: usize,
    shared_bytes: usize,
    groups_per_dimension: usize,
    buffer_bytes: u64,
    buffers: usize,
    subgroup_sizes: [u32; 2],
}

#[derive(Serialize)]
struct Bounds {
    copied_gb_per_s: f64,
    copied_bytes: usize,
    peak_gflops: f64,
}

/// A kernel's errors, and its speed at a layer.
#[derive(Serialize)]
struct MeasuredKernel {
    #[serde(flatten)]
    kernel: Kernel,
    speed: Option<KernelSpeed>,
    speed_missing: Option<String>,
}

#[derive(Serialize)]
struct KernelSpeed {
    layer: &'static str,
    shape: String,
    median_ms: f64,
    fastest_ms: f64,
    samples: usize,
    gflops: Option<f64>,
    gb_per_s: f64,
}

impl<'a> Adapter<'a> {
    /// Measures the adapter, whose kernels gave these results. What fails is in the fields.
    pub fn measured(info: &'a DeviceInfo, kernels: &[Kernel]) -> Self {
        let driver = info.driver.as_deref();
        let mut adapter = Self {
            name: &info.name,
            backend: info.backend,
            // `DeviceInfo` has both in one text.
            api: driver.and_then(|driver| driver.split(' ').next()),
            driver,
            kind: info.kind,
            software: !info.kind.is_gpu(),
            f16: info.f16,
            own_kernels: info.kernels,
            limits: None,
            roofline: None,
            roofline_missing: None,
            kernels: Vec::new(),
            forwards: Vec::new(),
            failed: None,
        };
        let opened = device::open(info).map_err(|error| error.to_string());
        let client = opened.and_then(|_| {
            device::client(info).ok_or_else(|| "the adapter is no longer there".to_owned())
        });
        match client {
            Ok(client) => adapter.measure(&client, info, kernels),
            Err(error) => adapter.failed = Some(error),
        }
        adapter
    }

    fn measure(&mut self, client: &GpuClient, info: &DeviceInfo, kernels: &[Kernel]) {
        self.limits = Some(Limits::of(client));
        let roofline = Roofline::measure(client, info.kind.hardware());
        self.roofline_missing = roofline.as_ref().err().map(ToString::to_string);
        let roofline = roofline.ok();
        self.roofline = roofline.map(|roofline| Bounds {
            copied_gb_per_s: digits(roofline.copied_gb_per_s),
            copied_bytes: roofline.copied_bytes,
            peak_gflops: digits(roofline.peak_gflops),
        });
        self.kernels = measured_kernels(client, info, kernels);
        for network in NETWORKS {
            self.forwards.extend(forwards(network, info, roofline.as_ref()));
        }
    }

    /// How many networks of Kindling's kernels give features that rounding does not explain.
    pub fn wrong_networks(&self) -> usize {
        let own = self.forwards.iter().filter_map(|forward| forward.own.as_ref());
        own.filter(|speed| !speed.trusted).count()
    }

    /// Prints the bounds and the speeds of the networks.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        match (&self.roofline, &self.roofline_missing, &self.failed) {
            (Some(Bounds { copied_gb_per_s, peak_gflops, .. }), ..) => {
                writeln!(out, "{copied_gb_per_s} GB/s copied, {peak_gflops} GFLOP/s multiplied")?;
            }
            (None, Some(missing), _) | (None, None, Some(missing)) => writeln!(out, "{missing}")?,
            (None, None, None) => {}
        }
        let head = ["NETWORK", "STORED", "PHOTOS", "PHOTOS/S", "WITH BURN'S OPERATIONS"];
        let rate = |speed: &Option<Speed>, missing: &Option<String>| match (speed, missing) {
            (Some(speed), _) => speed.photos_per_s.to_string(),
            (None, Some(missing)) => missing.clone(),
            (None, None) => "-".to_owned(),
        };
        let row = |forward: &Forward| {
            [
                forward.network.to_owned(),
                forward.precision.clone(),
                forward.photos.to_string(),
                rate(&forward.own, &forward.own_missing),
                rate(&forward.burn, &forward.burn_missing),
            ]
        };
        let head = std::iter::once(head.map(String::from));
        table(out, head.chain(self.forwards.iter().map(row)).collect())?;
        Ok(())
    }
}

impl Limits {
    fn of(client: &GpuClient) -> Self {
        let limits = client.limits();
        let hardware = &client.properties().hardware;
        Self {
            units_per_group: limits.units,
            shared_bytes: limits.shared,
            groups_per_dimension: limits.groups,
            buffer_bytes: limits.buffer_bytes,
            buffers: limits.buffers,
            subgroup_sizes: [hardware.plane_size_min, hardware.plane_size_max],
        }
    }
}

/// How values are stored where speed is measured. A driver on the processor emulates f16, and takes
/// long enough in f32.
pub(super) fn timed_precisions(info: &DeviceInfo) -> &'static [Precision] {
    if info.kind.is_gpu() { precisions(info) } else { &[Precision::F32] }
}

/// The kernels with their speeds.
fn measured_kernels(
    client: &GpuClient,
    info: &DeviceInfo,
    kernels: &[Kernel],
) -> Vec<MeasuredKernel> {
    let mut speeds = HashMap::new();
    if !kernels.is_empty() {
        for precision in timed_precisions(info) {
            layer_speeds(client, *precision, info.kind.hardware(), |kernel, speed| {
                speeds.insert((kernel.to_owned(), precision.to_string()), speed);
            });
        }
    }
    let measured = |kernel: &Kernel| {
        let speed = speeds.get(&(kernel.kernel.clone(), kernel.precision.clone()));
        let (speed, speed_missing) = parts(match speed {
            Some(speed) => speed.as_ref().map(KernelSpeed::of).map_err(ToString::to_string),
            None => Err("drivers on the processor are measured in f32 alone".to_owned()),
        });
        MeasuredKernel { kernel: kernel.clone(), speed, speed_missing }
    };
    kernels.iter().map(measured).collect()
}

impl KernelSpeed {
    fn of(speed: &LayerSpeed) -> Self {
        Self {
            layer: speed.layer,
            shape: speed.shape.clone(),
            median_ms: digits(speed.samples.median() * 1e3),
            fastest_ms: digits(speed.samples.fastest() * 1e3),
            samples: speed.samples.count(),
            gflops: speed.gflops().map(digits),
            gb_per_s: digits(speed.gb_per_s()),
        }
    }
}

/// The value, or why there is none.
pub(super) fn parts<T>(result: Result<T, String>) -> (Option<T>, Option<String>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(missing) => (None, Some(missing)),
    }
}

/// `value` with four significant digits: no measurement here is more precise.
pub(super) fn digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        for (value, expected) in [(1234.56, 1235.0), (0.000123456, 0.0001235), (0.0, 0.0)] {
            assert_eq!(digits(value), expected);
        }
        assert!(digits(f64::INFINITY).is_infinite());
    }
}
