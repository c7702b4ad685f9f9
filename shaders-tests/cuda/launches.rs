//! Launches every kernel of both networks, with every tile, on the stand-in device.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use burn::tensor::Device;
use kindling::Precision;
use kindling::backbone::Architecture;
use kindling::device::{self, Backend, Choice};
use kindling::engine::{GpuNetwork, NetworkSpec};
use kindling::kernels::conformance::{self, Finding};
use kindling::kernels::{Algorithm, DeviceTensor, GpuClient, Hardware, MaxPool};
use kindling::plan::{self, Folded, FusedOperation, FusedPlan};

/// `[height, width]` of both networks' photos.
const PHOTO: [usize; 2] = [224, 224];

/// Launches every kernel and writes a line to the driver's log after each case: what was computed,
/// and NVRTC's message if CubeCL could not launch it. The modules that the driver logged since the
/// line before belong to it.
///
/// # Errors
/// If the stand-in device cannot be opened.
pub fn all(folder: &Path) -> Result<(), String> {
    let info = device::resolve(Choice::Named(Backend::Cuda, None)).map_err(|e| e.to_string())?;
    if !info.name.starts_with("stand-in") {
        return Err(format!("{info} is a real device, not the stand-in"));
    }
    let client = device::client(&info).ok_or("the stand-in device cannot be opened")?;
    let log = OpenOptions::new().append(true).create(true).open(folder.join("log"));
    let mut cases = Cases { client, log: log.map_err(|error| error.to_string())? };
    for precision in [Precision::F32, Precision::F16] {
        for network in ["resnet18", "efficientnet-lite0"] {
            let architecture: Architecture = network.parse().map_err(|_| network)?;
            let backbone = architecture.init(&Device::flex());
            let spec = NetworkSpec::of(&backbone).map_err(|error| error.to_string())?;
            cases.tiles(&spec.plan, precision)?;
            cases.network(network, &spec, precision, info.kind.hardware())?;
        }
        // What `kindling devices --test` runs.
        let client = cases.client.clone();
        let mut written = Ok(());
        conformance::quick_suite(&client, precision, |finding| {
            if written.is_ok() {
                written = cases.finding(&finding);
            }
        });
        written?;
    }
    Ok(())
}

struct Cases {
    client: GpuClient,
    log: File,
}

impl Cases {
    /// Each step of a network, with every algorithm and tile that computes it.
    fn tiles(&mut self, plan: &plan::Plan, precision: Precision) -> Result<(), String> {
        let fused = FusedPlan::of(plan).map_err(|error| error.to_string())?;
        let shapes = plan.shapes(PHOTO).map_err(|error| error.to_string())?;
        // Value 0 is the photos, value n + 1 the output of step n.
        let shape_of = |value: usize| match value {
            0 => [3, PHOTO[0], PHOTO[1]],
            _ => shapes[value - 1],
        };
        let mut seen = HashSet::new();
        for step in &fused.steps {
            let shapes = [step.input, step.output].map(shape_of);
            let shortcut = step.shortcut.is_some();
            match &step.operation {
                FusedOperation::Convolution(convolution)
                | FusedOperation::Depthwise(convolution) => {
                    let plan::Convolution { kernel, stride, padding, activation, .. } = convolution;
                    let key =
                        (shapes, kernel, stride, shortcut, format!("{padding:?}{activation:?}"));
                    if seen.insert(key) {
                        for algorithm in
                            Algorithm::all(self.client.limits(), convolution, precision)
                        {
                            self.convolution(convolution, algorithm, shapes, shortcut, precision)?;
                        }
                    }
                }
                FusedOperation::MaxPool { kernel, stride, padding } => {
                    let pool = MaxPool { kernel: *kernel, stride: *stride, padding: *padding };
                    let found =
                        conformance::max_pool(&self.client, pool, (1, shapes[0]), precision);
                    self.case(
                        "max-pool",
                        &format!("{kernel}x{kernel}/{stride}"),
                        precision,
                        found,
                    )?;
                }
            }
        }
        let found = conformance::mean(&self.client, (1, shape_of(fused.map)), precision);
        self.case("mean", "", precision, found)?;
        let found = conformance::preprocess(&self.client, (1, PHOTO), precision);
        self.case("preprocess", "", precision, found)
    }

    /// One convolution of one photo.
    fn convolution(
        &mut self,
        convolution: &plan::Convolution,
        algorithm: Algorithm,
        [input, output]: [[usize; 3]; 2],
        shortcut: bool,
        precision: Precision,
    ) -> Result<(), String> {
        let plan::Convolution {
            in_channels, out_channels, kernel, stride, groups, activation, ..
        } = *convolution;
        let weights = out_channels * in_channels / groups * kernel * kernel;
        let folded = Folded { weight: vec![0.0; weights], bias: vec![0.0; out_channels] };
        let client = &self.client;
        let empty = |shape| DeviceTensor::empty(client, 1, shape, precision);
        let (photos, added, result) =
            (empty(input), shortcut.then(|| empty(output)), empty(output));
        let prepared = algorithm.prepare(client, convolution, &folded, precision);
        prepared.run(client, &photos, added.as_ref(), &result);
        let mut operation = format!("{kernel}x{kernel}/{stride} {activation:?}").to_lowercase();
        if shortcut {
            operation.write_str(" + shortcut").map_err(|error| error.to_string())?;
        }
        self.case(&algorithm.to_string(), &operation, precision, result.read(&self.client))
    }

    /// A whole network, compiled as the engine compiles it.
    fn network(
        &mut self,
        name: &str,
        spec: &NetworkSpec,
        precision: Precision,
        hardware: Hardware,
    ) -> Result<(), String> {
        let network = GpuNetwork::compile(&self.client, spec, PHOTO, precision, hardware)
            .map_err(|unsupported| unsupported.to_string())?;
        let photos = DeviceTensor::empty(&self.client, 1, [3, PHOTO[0], PHOTO[1]], precision);
        self.case(name, "", precision, network.features(photos).read(&self.client))
    }

    fn finding(&mut self, finding: &Finding) -> Result<(), String> {
        let Finding { kernel, op, precision, refused, .. } = finding;
        self.case(kernel, op, *precision, refused.clone().map_or(Ok(()), Err))
    }

    /// Writes the line of a case.
    fn case<T, E: ToString>(
        &mut self,
        kernel: &str,
        operation: &str,
        precision: Precision,
        result: Result<T, E>,
    ) -> Result<(), String> {
        let reason = result.err().map(|error| first_error(&error.to_string())).unwrap_or_default();
        writeln!(self.log, "case\t{kernel}\t{operation}\t{precision}\t{reason}")
            .map_err(|error| error.to_string())
    }
}

/// The first line of NVRTC's log that has an error, or the first line of another message.
fn first_error(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or("no reason given");
    let line = lines.find(|line| line.contains("error:")).unwrap_or(first);
    line.replace('\t', " ").chars().take(200).collect()
}
