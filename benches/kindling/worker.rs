//! One forward pass per line of standard input, so that a driver can alternate several programs.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use benches::Roofline;
use kindling::device::{self, Choice, Instructions};
use kindling::engine::CpuNetwork;
use kindling::engine::cpu::Photos;
use kindling::plan::Planned;
use kindling::weights::{self, Checkpoint};

use crate::backbone::{Forward, photos};

/// Runs the worker. `words` are the weights file, the batch size, the device and, if it is `cpu`,
/// `avx2` for a processor that has more. Prints `ready`, then the seconds of one forward per line
/// of input. For the line `roofline`, prints the machine's bounds as JSON instead, and for the line
/// `steps` a table of each step's time on standard error.
pub fn run(words: &[String]) -> Result<(), Box<dyn Error>> {
    let ([file, batch, device, rest @ ..], true) = (words, words.len() <= 4) else {
        return Err("--worker takes WEIGHTS BATCH DEVICE [avx2]".into());
    };
    let instructions = match rest.first().map(String::as_str) {
        None => Instructions::Best,
        Some("avx2") => Instructions::Avx2,
        Some(other) => return Err(format!("the instructions `{other}` are unknown").into()),
    };
    let batch: usize =
        batch.parse().map_err(|error| format!("the batch size `{batch}` is invalid: {error}"))?;
    let info = device::resolve(device.parse::<Choice>()?)?;
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
        match line?.trim() {
            "steps" => {
                if let Forward::Compiled(network) = &forward {
                    steps(network, &photos, batch);
                }
                writeln!(out, "0")?;
            }
            "roofline" => writeln!(out, "{}", Roofline::of(&plan, 224).json())?,
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

/// Prints the time of each step per photo, and the total.
fn steps(network: &CpuNetwork, photos: &[f32], batch: usize) {
    const FORWARDS: usize = 20;
    network.features(Photos::Planes(photos));
    let threads = rayon::current_num_threads();
    let mut total = 0.0;
    for step in network.step_times(Photos::Planes(photos), FORWARDS) {
        let shared = if step.is_per_photo { threads } else { 1 };
        let time = step.time.as_secs_f64() * 1e6 / (FORWARDS * batch * shared) as f64;
        total += time;
        let shape = |[channels, height, width]: [usize; 3]| format!("{channels}x{height}x{width}");
        let (input, output) = (shape(step.input), shape(step.output));
        eprintln!("{:20} {input:>12} -> {output:>12} {time:9.1} µs", step.kernel);
    }
    eprintln!("total per photo on {threads} threads: {total:.1} µs");
}
