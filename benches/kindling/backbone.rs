//! The frozen network: photos per second on every backend and engine.

use std::hint::black_box;

use burn::tensor::{Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use kindling::backbone::{Architecture, Backbone};
use kindling::device::{self, Backend, DeviceInfo, Instructions};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use kindling::engine::GpuNetwork;
use kindling::engine::cpu::{Photos, Tuning};
use kindling::engine::{CpuNetwork, NetworkSpec};

/// Height and width of the photos.
pub const SIDE: usize = 224;

/// A network on one of the engines.
pub enum Forward {
    Compiled(Box<CpuNetwork>),
    /// Kindling's kernels on a GPU.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Kernels(Box<GpuNetwork>),
    Burn(Box<Backbone>, burn::tensor::Device),
}

impl Forward {
    /// The engine that Kindling uses on `info`'s backend, the CPU engine with `instructions`.
    pub fn of(
        backbone: Backbone,
        info: &DeviceInfo,
        device: burn::tensor::Device,
        batch: usize,
        instructions: Instructions,
    ) -> Self {
        match info.backend {
            Backend::Cpu => {
                // The same choice as an `Extractor` makes for few and for many photos.
                let tuning = match batch {
                    1 => Tuning::for_one_photo(),
                    _ => Tuning::default(),
                };
                let tuning = Tuning { instructions, ..tuning };
                let network = CpuNetwork::of(&spec(&backbone), [SIDE; 2], tuning)
                    .expect("a published network");
                Self::Compiled(Box::new(network))
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            _ if info.kernels => {
                let client = device::client(info).expect("an open GPU");
                let precision = kindling::Precision::F32;
                let hardware = info.kind.hardware();
                let spec = spec(&backbone);
                let network = GpuNetwork::compile(&client, &spec, [SIDE; 2], precision, hardware)
                    .expect("a published network");
                Self::Kernels(Box::new(network))
            }
            _ => Self::Burn(Box::new(backbone), device),
        }
    }

    /// Features of normalised photos `[photos, 3, 224, 224]`, read back to the CPU.
    pub fn features(&self, photos: &[f32]) -> Vec<f32> {
        match self {
            Self::Compiled(network) => network.features(Photos::Planes(photos)),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Self::Kernels(network) => {
                network.read(&network.features(uploaded(network, photos))).expect("features")
            }
            Self::Burn(backbone, device) => {
                let count = photos.len() / (3 * SIDE * SIDE);
                let data = TensorData::new(photos.to_vec(), [count, 3, SIDE, SIDE]);
                backbone.forward(Tensor::from_data(data, device)).into_data().iter().collect()
            }
        }
    }
}

/// Normalised photos in the memory of a GPU.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn uploaded(network: &GpuNetwork, photos: &[f32]) -> kindling::kernels::DeviceTensor {
    let (client, shape) = (network.client(), [3, SIDE, SIDE]);
    kindling::kernels::DeviceTensor::upload(client, photos, shape, network.precision())
}

fn spec(backbone: &Backbone) -> NetworkSpec {
    NetworkSpec::of(backbone).expect("weights on the device")
}

/// Normalised photos with arbitrary values.
pub fn photos(count: usize) -> Vec<f32> {
    (0..count * 3 * SIDE * SIDE).map(|at| ((at * 7919 % 1009) as f32 / 252.0) - 2.0).collect()
}

pub fn bench(criterion: &mut Criterion, devices: &[DeviceInfo]) {
    for name in ["resnet18", "efficientnet-lite0"] {
        let mut group = criterion.benchmark_group(format!("backbone/{name}"));
        group.sampling_mode(SamplingMode::Flat);
        // On a GPU, measure Burn's operations as well as Kindling's kernels.
        let burn =
            devices.iter().filter(|info| info.kernels && info.backend.runs_burn()).map(|info| {
                let info = DeviceInfo { kernels: false, ..info.clone() };
                (format!("{} with Burn's kernels", info.device), info)
            });
        let variants = devices.iter().map(|info| (info.device.clone(), info.clone())).chain(burn);
        for (variant, info) in &variants.collect::<Vec<_>>() {
            for batch in [1, 8, 32] {
                group.throughput(Throughput::Elements(batch as u64));
                let id = BenchmarkId::new(variant, batch);
                group.bench_function(id, |bencher| {
                    // The weights are zero, because the time does not depend on them.
                    let device = device::open(info).expect("a listed device");
                    let backbone = name.parse::<Architecture>().expect("published").init(&device);
                    let forward = Forward::of(backbone, info, device, batch, Instructions::Best);
                    let photos = photos(batch);
                    bencher.iter(|| black_box(forward.features(&photos)));
                });
            }
        }
        group.finish();
    }
}
