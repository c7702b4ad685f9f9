//! Decoding and preprocessing a photo.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use kindling::photos::{Preprocessing, decode};

pub fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = criterion.benchmark_group("preprocess");
    group.throughput(Throughput::Elements(1));
    for (width, height) in [(500, 375), (4000, 3000)] {
        let path = folder.path().join("photo.jpg");
        std::fs::write(&path, crate::photos::jpeg(width, height, 1)).expect("a temporary folder");
        let size = format!("{width}x{height}");
        group.bench_function(BenchmarkId::new("decode", &size), |bencher| {
            bencher.iter(|| black_box(decode(&path).expect("a photo")));
        });
        let photo = decode(&path).expect("a photo");
        group.bench_function(BenchmarkId::new("resize-crop", &size), |bencher| {
            bencher.iter(|| black_box(Preprocessing::IMAGENET.crop(&photo)));
        });
    }
    let pixels = vec![90; Preprocessing::IMAGENET.values()];
    group.bench_function("normalise", |bencher| {
        bencher.iter(|| black_box(Preprocessing::IMAGENET.normalise(&pixels)));
    });
    group.finish();
}
