//! Kindling's benchmarks.
//!
//! `cargo bench` runs all benchmarks, `cargo bench -- backbone` those with `backbone` in their
//! names. With `--worker WEIGHTS BATCH DEVICE` the program measures one forward pass per line of
//! input, and with `--decode-worker FOLDER [bytes|tensor]` one pass over a folder's photos, so that
//! `compare/compare.py` can alternate it with other programs.
//!
//! `cargo bench -- gpu` measures every GPU, and software drivers too, which all others skip.

mod backbone;
mod decode_worker;
mod end_to_end;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod head;
mod photos;
mod preprocess;
mod worker;

use std::time::Duration;

use criterion::Criterion;
use kindling::device::{self, Backend, DeviceInfo};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let after = |option| words.iter().position(|word| word == option).map(|at| &words[at + 1..]);
    let served = match (after("--worker"), after("--decode-worker")) {
        (Some(words), _) => Some(worker::run(words)),
        (None, Some(words)) => Some(decode_worker::run(words)),
        (None, None) => None,
    };
    match served {
        Some(Ok(())) => return,
        Some(Err(error)) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
        None => {}
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    match gpu::run(&words) {
        Ok(gpu::Next::End) => return,
        Ok(gpu::Next::OtherBenchmarks) => {}
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
    // Only 10 samples, because a forward of 32 photos takes a second on a slow backend.
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let devices = devices();
    backbone::bench(&mut criterion, &devices);
    head::bench(&mut criterion);
    preprocess::bench(&mut criterion);
    end_to_end::bench(&mut criterion, &devices);
    criterion.final_summary();
}

/// The devices to measure. Prints a line for each backend or device that is skipped.
fn devices() -> Vec<DeviceInfo> {
    let devices = device::list();
    for backend in Backend::ALL {
        if !backend.is_compiled_in() {
            println!(
                "skipped: {backend} is not in this build (cargo feature `{}`)",
                backend.feature()
            );
        } else if devices.iter().all(|info| info.backend != backend) {
            println!("skipped: no {backend} device on this machine");
        }
    }
    let (measured, software): (Vec<_>, Vec<_>) = devices
        .into_iter()
        .partition(|info| info.kind.is_gpu() || !matches!(info.backend, Backend::Wgpu));
    for info in software {
        println!("skipped: {info} is a graphics driver on the CPU, about 50 times slower");
    }
    measured
}
