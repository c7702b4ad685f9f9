//! From files to a trained head: decode 64 photos, run ResNet-18 on them, train for 15 epochs.

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, Throughput};
use kindling::backbone::Architecture;
use kindling::device::{self, DeviceInfo};
use kindling::features::Extractor;
use kindling::head::{Examples, fit};

const PHOTOS: u32 = 64;

pub fn bench(criterion: &mut Criterion, devices: &[DeviceInfo]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = crate::photos::write(folder.path(), PHOTOS);
    let options = crate::head::options(15);
    let mut group = criterion.benchmark_group("end_to_end");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(u64::from(PHOTOS)));
    for info in devices {
        let device = device::open(info).expect("a listed device");
        let architecture: Architecture = "resnet18".parse().expect("published");
        let backbone = architecture.init(&device);
        let head_device = device::processor().unwrap_or_else(|| device.clone());
        group.bench_function(info.device.as_str(), |bencher| {
            bencher.iter(|| {
                let extractor =
                    Extractor::new(&backbone, architecture.preprocessing(), &device, 16)
                        .on(info, kindling::Precision::F32)
                        .expect("every device computes in f32");
                let extraction = extractor.all(&paths, |_| ()).expect("photos");
                let examples = Examples {
                    width: architecture.features(),
                    rows: extraction.rows.into(),
                    labels: (0..PHOTOS as usize).map(|at| at % 2).collect(),
                };
                black_box(fit(&examples, &examples, 2, &options, &head_device, |_| ())).is_ok()
            });
        });
    }
    group.finish();
}
