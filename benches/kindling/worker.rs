//! One forward pass per line of standard input, so that a driver can alternate several programs.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use std::time::Duration;
use std::time::Instant;

use benches::{Cost, Roofline};
use kindling::device::{self, Choice, Instructions};
use kindling::engine::CpuNetwork;
use kindling::engine::cpu::Photos;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use kindling::engine::{EngineError, GpuNetwork, gpu::Launch};
use kindling::plan::{Plan, Planned};
use kindling::weights::{self, Checkpoint};
use serde_json::{Value, json};

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::backbone::uploaded;
use crate::backbone::{Forward, SIDE, photos};

/// Runs the worker. `words` are the weights file, the batch size, the device and, if it is `cpu`,
/// `avx2` for a processor that has more, or, if it is a GPU, `burn` for Burn's operations. Prints `ready`, then the seconds of one forward per line
/// of input. Other lines are:
/// - `instructions`: prints the instruction set of the kernels.
/// - `features FILE`: writes the features to FILE, f32 in the machine's byte order, and prints how
///   many there are.
/// - `roofline`: prints the machine's bounds as JSON.
/// - `steps`: prints the time and the cost of each step of the network as JSON, or `null` if the
///   engine has none.
pub fn run(words: &[String]) -> Result<(), Box<dyn Error>> {
    let ([file, batch, device, rest @ ..], true) = (words, words.len() <= 4) else {
        return Err("--worker takes WEIGHTS BATCH DEVICE [avx2 | burn]".into());
    };
    let variant = rest.first().map(String::as_str);
    let instructions = match variant {
        None | Some("burn") => Instructions::Best,
        Some("avx2") => Instructions::Avx2,
        Some(other) => return Err(format!("`{other}` is unknown: avx2 or burn").into()),
    };
    let batch: usize =
        batch.parse().map_err(|error| format!("the batch size `{batch}` is invalid: {error}"))?;
    let mut info = device::resolve(device.parse::<Choice>()?)?;
    if variant == Some("burn") {
        info.kernels = false;
    }
    let device = device::open(&info)?;
    let checkpoint = Checkpoint::open(Path::new(file))?;
    let architecture = weights::architecture(&checkpoint)?;
    let backbone = weights::backbone(&checkpoint, &architecture, &device)?;
    let plan = backbone.plan()?;
    let forward = Forward::of(backbone, &info, device, batch, instructions);
    let photos = photos(batch);
    for _ in 0..2 {
        forward.features(&photos);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("instructions", _) => match (&forward, instructions) {
                (Forward::Compiled(_), Instructions::Best) => {
                    writeln!(out, "{}", Instructions::best())?;
                }
                (Forward::Compiled(_), _) => writeln!(out, "AVX2")?,
                _ => writeln!(out, "unknown")?,
            },
            ("features", path) => {
                let features = forward.features(&photos);
                std::fs::write(
                    path,
                    features.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>(),
                )?;
                writeln!(out, "{}", features.len())?;
            }
            ("steps", _) => match &forward {
                Forward::Compiled(network) => {
                    writeln!(out, "{}", steps(network, &plan, &photos, batch))?;
                }
                #[cfg(any(feature = "wgpu", feature = "cuda"))]
                Forward::Kernels(network) => {
                    writeln!(out, "{}", gpu_steps(network, &photos, batch)?)?;
                }
                Forward::Burn(..) => writeln!(out, "null")?,
            },
            ("roofline", _) => {
                writeln!(out, "{}", Roofline::of(&plan, SIDE, instructions).json())?;
            }
            _ => {
                let start = Instant::now();
                forward.features(&photos);
                writeln!(out, "{:.9}", start.elapsed().as_secs_f64())?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// The time of each step per photo, beside what it computes and moves, as one line of JSON.
fn steps(network: &CpuNetwork, plan: &Plan, photos: &[f32], batch: usize) -> Value {
    const FORWARDS: usize = 20;
    network.features(Photos::Planes(photos));
    let threads = rayon::current_num_threads();
    let steps: Vec<Value> = network
        .step_times(Photos::Planes(photos), FORWARDS)
        .iter()
        .map(|step| {
            let shared = if step.is_per_photo { threads } else { 1 };
            let cost = Cost::of(plan, SIDE, step);
            json!({
                "kernel": step.kernel,
                "windows": cost.windows,
                "input": step.input,
                "output": step.output,
                "microseconds": step.time.as_secs_f64() * 1e6 / (FORWARDS * batch * shared) as f64,
                "direct_multiplications": cost.direct_multiplications,
                "winograd_multiplications": cost.winograd_multiplications,
                "activation_bytes": cost.activation_bytes,
                "weight_bytes": cost.weight_bytes,
            })
        })
        .collect();
    json!({ "threads": threads, "batch": batch, "steps": steps })
}

/// As [`steps`], on a GPU.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn gpu_steps(network: &GpuNetwork, photos: &[f32], batch: usize) -> Result<Value, EngineError> {
    let photos = uploaded(network, photos);
    // A software driver takes seconds for a pass, and a GPU milliseconds.
    let begun = Instant::now();
    network.step_times(&photos, 1)?;
    let forwards = if begun.elapsed() < Duration::from_secs(1) { 20 } else { 2 };
    let steps = network.step_times(&photos, forwards)?;
    let is_device_time = steps.iter().all(|step| step.is_device_time);
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            let sum = |count: fn(&Launch) -> usize| {
                step.launches.iter().map(count).sum::<usize>() as f64 / batch as f64
            };
            json!({
                "step": step.step,
                "kernels": step.launches.iter().map(|launch| launch.kernel).collect::<Vec<_>>(),
                "output": step.output,
                "microseconds": step.time.as_secs_f64() * 1e6 / (forwards * batch) as f64,
                "multiplications": sum(|launch| launch.multiplications),
                "bytes_read": sum(|launch| launch.read + launch.weights),
                "bytes_written": sum(|launch| launch.written),
            })
        })
        .collect();
    Ok(json!({ "batch": batch, "device_time": is_device_time, "steps": steps }))
}
