//! One epoch of the head on given features: 400 training and 400 validation photos, batches of 4;
//! and the whole choice of `--head auto`.

use std::hint::black_box;

use criterion::Criterion;
use kindling::device;
use kindling::head::{Examples, FitOptions, L2Options, Monitor, fit, fit_l2, select_c};

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
    // `--head auto`: 1,000 photos of ten classes, of which most are hard to tell.
    let examples = Examples {
        width: 512,
        rows: (0..1000 * 512)
            .map(|at: usize| {
                let noise = (at.wrapping_mul(2_654_435_761) >> 7) % 1009;
                let own = (at % 512) / 40 == at / 512 % 10;
                noise as f32 / 1009.0 + if own { 0.1 } else { 0.0 }
            })
            .collect(),
        labels: (0..1000).map(|at| at % 10).collect(),
    };
    let folds: Vec<usize> = (0..1000).map(|at| at / 10 % 5).collect();
    if let Some(device) = device::processor() {
        let options = L2Options::of(1.0);
        group.sample_size(10).bench_function("auto", |bencher| {
            bencher.iter(|| {
                let selection = select_c(&examples, 10, &folds, &options, Monitor::Loss, &device);
                let c = selection.expect("five folds").c;
                black_box(fit_l2(&examples, 10, &L2Options::of(c), &device))
            });
        });
    }
    group.finish();
}
