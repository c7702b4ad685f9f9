//! One forward pass per line of standard input, so that a driver can alternate several programs.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use benches::Roofline;
use kindling::device::{self, Choice};
use kindling::plan::Planned;
use kindling::weights::{self, Checkpoint};

use crate::backbone::{Forward, photos};

/// Runs the worker. `words` are the weights file, the batch size and the device. Prints `ready`,
/// then the seconds of one forward per line of input. For the line `roofline`, prints the machine's
/// bounds as JSON instead.
pub fn run(words: &[String]) -> Result<(), Box<dyn Error>> {
    let [file, batch, device] = words else {
        return Err("--worker takes WEIGHTS BATCH DEVICE".into());
    };
    let batch: usize =
        batch.parse().map_err(|error| format!("the batch size `{batch}` is invalid: {error}"))?;
    let info = device::resolve(device.parse::<Choice>()?)?;
    let device = device::open(&info)?;
    let checkpoint = Checkpoint::open(Path::new(file))?;
    let architecture = weights::architecture(&checkpoint)?;
    let backbone = weights::backbone(&checkpoint, &architecture, &device)?;
    let plan = backbone.plan()?;
    let forward = Forward::of(backbone, &info, device, batch);
    let photos = photos(batch);
    for _ in 0..2 {
        forward.features(&photos);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        match line?.trim() {
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
