//! One epoch of the head on given features: 400 training and 400 validation photos, batches of 4.

use std::hint::black_box;

use criterion::Criterion;
use kindling::device;
use kindling::head::{Examples, FitOptions, fit};

/// The reference job's options, with `epochs` epochs.
pub fn options(epochs: usize) -> FitOptions {
    FitOptions { epochs, ..FitOptions::DEFAULT }
}

pub fn bench(criterion: &mut Criterion) {
    let examples = |seed: usize| Examples {
        width: 512,
        rows: (0..400 * 512).map(|at| ((at * 7919 + seed) % 1009) as f32 / 1009.0).collect(),
        labels: (0..400).map(|at| at % 2).collect(),
    };
    let (train, val) = (examples(1), examples(2));
    let options = options(1);
    let mut group = criterion.benchmark_group("head");
    // Include Vulkan drivers that run on the CPU: a head is small.
    for info in device::list().into_iter().filter(|info| info.backend.runs_burn()) {
        group.bench_function(info.device.as_str(), |bencher| {
            let device = device::open(&info).expect("a listed device");
            bencher.iter(|| black_box(fit(&train, &val, 2, &options, &device, |_| ())).is_ok());
        });
    }
    group.finish();
}
