//! Collects the text of every shader, as wgpu gets it.
//!
//! CubeCL logs the text of each module that it compiles, once per process and device. So the
//! shaders are collected in a process of their own, in which no other test has compiled them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use burn::tensor::Device;
use kindling::Precision;
use kindling::backbone::Architecture;
use kindling::engine::{GpuNetwork, NetworkSpec};
use kindling::kernels::conformance::{self, Finding};
use kindling::kernels::convolution;
use kindling::kernels::winograd;
use kindling::kernels::{Algorithm, GpuClient, Hardware, Limits, MaxPool, Tile, WinogradTile};
use kindling::plan::{FusedOperation, FusedPlan};
use serde_json::{Value, json};

use shaders_tests::adapter::{all_shapes, client};

/// Where the process that collects the shaders writes them.
const COLLECT_TO: &str = "KINDLING_COLLECT_SHADERS";
const NETWORKS: [&str; 2] = ["resnet18", "efficientnet-lite0"];
const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F16];
/// The sides of small photos. Sizes are arguments of the shaders, not part of their text.
const SMALL: usize = 32;

/// A shader that Kindling launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shader {
    /// The kernel with its tile, and the operation.
    pub kernel: String,
    pub precision: Precision,
    /// The text that wgpu gets.
    pub wgsl: String,
    /// Units and bytes of shared memory for which the tile was chosen; `None` without a tile.
    pub planned: Option<[usize; 2]>,
}

impl Shader {
    /// A name for files: the kernel, and a hash of the text.
    pub fn file(&self) -> String {
        let kernel: String = self
            .kernel
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
            .collect();
        // FNV-1a: the same on every machine and in every version of Rust.
        let hash = self.wgsl.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{kernel}-{}-{:08x}", self.precision, hash >> 32)
    }

    fn to_json(&self) -> Value {
        let Self { kernel, precision, wgsl, planned } = self;
        let is_f16 = *precision == Precision::F16;
        json!({ "kernel": kernel, "f16": is_f16, "wgsl": wgsl, "planned": planned })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_u64().map(|number| number as usize);
        let precision = if value["f16"].as_bool()? { Precision::F16 } else { Precision::F32 };
        Some(Self {
            kernel: value["kernel"].as_str()?.to_owned(),
            precision,
            wgsl: value["wgsl"].as_str()?.to_owned(),
            planned: number(&value["planned"][0]).zip(number(&value["planned"][1])).map(Into::into),
        })
    }
}

/// Every shader, collected on the first adapter. Empty, after a printed line, without an adapter.
///
/// # Panics
/// If the process that collects them fails.
pub fn shaders() -> Vec<Shader> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shaders.json");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "shaders::dump::collects_every_shader", "--ignored", "--nocapture"])
        .env(COLLECT_TO, &file)
        // Tiles that another adapter cannot take are collected too.
        .env_remove("KINDLING_ADAPTER_LIMITS")
        .output()
        .unwrap();
    let [printed, errors] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{printed}\n{errors}");
    for line in
        printed.lines().filter(|line| line.starts_with("shaders: ") || line.contains("skip"))
    {
        println!("{line}");
    }
    let Ok(text) = fs::read_to_string(&file) else { return Vec::new() };
    let values: Value = serde_json::from_str(&text).unwrap();
    values.as_array().unwrap().iter().map(|value| Shader::from_json(value).unwrap()).collect()
}

/// The texts that CubeCL has logged since they were last taken.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps the text of each module that CubeCL compiles.
struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("cubecl_wgpu") && metadata.level() == log::Level::Trace
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        if let Some(module) = message.strip_prefix("[cubecl-wgpu] compiling WGSL module `") {
            let (_, wgsl) = module.split_once("`\n").expect("the text follows the name");
            LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(wgsl.to_owned());
        }
    }

    fn flush(&self) {}
}

/// The shaders so far.
struct Collection {
    texts: BTreeSet<String>,
    shaders: Vec<Shader>,
}

impl Collection {
    /// Takes the texts that were logged since the last call.
    fn take(&mut self, kernel: &str, precision: Precision, planned: Option<[usize; 2]>) -> usize {
        let logged = std::mem::take(&mut *LOGGED.lock().unwrap_or_else(PoisonError::into_inner));
        let mut new = 0;
        for wgsl in logged {
            if self.texts.insert(wgsl.clone()) {
                new += 1;
                // `fn inputs_f_f32_1234abcd(`: one of the launches of a convolution in phases.
                let function = wgsl.split("\nfn ").nth(1).and_then(|rest| rest.split('_').next());
                let kernel = match function {
                    Some(phase) if kernel.contains("in phases") => format!("{kernel}, {phase}"),
                    _ => kernel.to_owned(),
                };
                self.shaders.push(Shader { kernel, precision, wgsl, planned });
            }
        }
        new
    }

    fn take_finding(&mut self, finding: Finding, planned: Option<[usize; 2]>) {
        assert!(finding.is_right(), "{finding:?}");
        self.take(&format!("{} {}", finding.kernel, finding.op), finding.precision, planned);
    }
}

/// Units and shared memory that a tile needs, as its choice assumes.
fn planned(algorithm: Algorithm) -> Option<[usize; 2]> {
    let unlimited = Limits { units: usize::MAX, shared: usize::MAX, ..Limits::WEBGPU };
    let least = |fits: &dyn Fn(Limits) -> bool| {
        let smallest = |fits: &dyn Fn(usize) -> bool| {
            let (mut low, mut high) = (0, 1 << 20);
            while low < high {
                let middle = (low + high) / 2;
                if fits(middle) { high = middle } else { low = middle + 1 }
            }
            low
        };
        let units = smallest(&|units| fits(Limits { units, ..unlimited }));
        Some([units, smallest(&|shared| fits(Limits { shared, ..unlimited }))])
    };
    match algorithm {
        Algorithm::Direct(convolution::Work::Staged(tile)) => least(&|limits| tile.fits(limits)),
        Algorithm::Winograd(winograd::Work::Fused(tile)) => least(&|limits| tile.fits(limits)),
        Algorithm::Direct(convolution::Work::Registers(block)) => Some([block.units(), 0]),
        Algorithm::Winograd(winograd::Work::Phases { .. }) | Algorithm::Depthwise => None,
    }
}

#[test]
#[ignore = "run by the tests of the shaders, in a process of its own"]
fn collects_every_shader() {
    let Some(file) = env::var_os(COLLECT_TO) else {
        return println!("skipped: {COLLECT_TO} is not set");
    };
    let Some(client) = client() else { return };
    log::set_logger(&Log).expect("the only logger");
    log::set_max_level(log::LevelFilter::Trace);
    let limits = client.limits();
    let all_fit = Tile::CHOICES.iter().all(|tile| tile.fits(limits))
        && WinogradTile::CHOICES.iter().all(|tile| tile.fits(limits));
    assert!(all_fit, "the shaders of all tiles are collected on an adapter that takes them all");
    let mut collection = Collection { texts: BTreeSet::new(), shaders: Vec::new() };
    let networks = NETWORKS.map(|name| {
        let architecture: Architecture = name.parse().unwrap();
        (name, NetworkSpec::of(&architecture.init(&Device::flex())).unwrap())
    });
    for precision in PRECISIONS {
        collect_operations(&client, &networks, precision, &mut collection);
    }
    let sides: &[usize] = if all_shapes() { &[SMALL, 224] } else { &[SMALL] };
    for side in sides {
        for (name, spec) in &networks {
            for precision in PRECISIONS {
                for hardware in [Hardware::Gpu, Hardware::Processor] {
                    run(&client, spec, *side, precision, hardware);
                    let more = collection.take(name, precision, None);
                    assert_eq!(more, 0, "{name} launches shaders that no tile's test covers");
                }
            }
        }
    }
    println!(
        "shaders: {} of {NETWORKS:?}, the same for photos of {sides:?} pixels",
        collection.shaders.len()
    );
    let values: Vec<Value> = collection.shaders.iter().map(Shader::to_json).collect();
    fs::write(Path::new(&file), Value::from(values).to_string()).unwrap();
}

/// Launches each kind of operation of the networks with every kernel and tile, which also checks
/// the results.
fn collect_operations(
    client: &GpuClient,
    networks: &[(&str, NetworkSpec)],
    precision: Precision,
    collection: &mut Collection,
) {
    let mut seen = BTreeSet::new();
    for (_, spec) in networks {
        let fused = FusedPlan::of(&spec.plan).unwrap();
        let shapes = spec.plan.shapes([SMALL; 2]).unwrap();
        let shape = |value: usize| value.checked_sub(1).map_or([3, SMALL, SMALL], |at| shapes[at]);
        for step in &fused.steps {
            let input = shape(step.input);
            let convolution = match &step.operation {
                FusedOperation::Convolution(dense) => dense,
                FusedOperation::Depthwise(depthwise) => depthwise,
                FusedOperation::MaxPool { .. } => continue,
            };
            // What the text depends on. Channels are not part of it.
            let kind = format!(
                "{} {} {:?} {:?} {} {}",
                convolution.kernel,
                convolution.stride,
                convolution.padding,
                convolution.activation,
                convolution.groups > 1,
                step.shortcut.is_some()
            );
            if !seen.insert(kind) {
                continue;
            }
            for algorithm in Algorithm::all(client.limits(), convolution, precision) {
                let shortcut = step.shortcut.is_some();
                let at = (1, [input[1], input[2]]);
                let finding = conformance::convolution(
                    client,
                    convolution,
                    shortcut,
                    at,
                    precision,
                    algorithm,
                );
                let mut finding = finding.unwrap();
                finding.op += &format!(" {:?}", convolution.activation).to_lowercase();
                collection.take_finding(finding, planned(algorithm));
            }
        }
        for step in &fused.steps {
            if let FusedOperation::MaxPool { kernel, stride, padding } = step.operation {
                let pool = MaxPool { kernel, stride, padding };
                let at = (1, shape(step.input));
                let finding = conformance::max_pool(client, pool, at, precision).unwrap();
                collection.take_finding(finding, None);
            }
        }
        let mean = conformance::mean(client, (1, shape(fused.map)), precision).unwrap();
        collection.take_finding(mean, None);
    }
    let preprocess = conformance::preprocess(client, (1, [SMALL; 2]), precision).unwrap();
    collection.take_finding(preprocess, None);
}

/// Computes a photo's features with a network.
fn run(
    client: &GpuClient,
    spec: &NetworkSpec,
    side: usize,
    precision: Precision,
    hardware: Hardware,
) {
    let network = GpuNetwork::compile(client, spec, [side; 2], precision, hardware).unwrap();
    let pixels = vec![7; 3 * side * side];
    let photos = network.preprocess(&[[0.5; 256]; 3]).run(client, &pixels, [side; 2]);
    network.features(photos).read(client).unwrap();
}
