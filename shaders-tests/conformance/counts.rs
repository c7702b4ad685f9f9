//! Counts the launches, bytes and multiplications of a forward pass on a GPU.

use burn::tensor::Device;
use kindling::Precision;
use kindling::backbone::{Architecture, Backbone};
use kindling::engine::gpu::ForwardCost;
use kindling::engine::{GpuNetwork, NetworkSpec};
use kindling::kernels::{DeviceTensor, GpuClient, Hardware};

use shaders_tests::adapter::client;
use shaders_tests::launches;

const PHOTOS: usize = 2;

#[test]
fn each_activation_is_written_once_and_every_launch_is_counted() {
    let Some(client) = client() else { return };
    println!(
        "| backbone | engine | launches a batch | bytes read a photo of 32 | written | multiplications a photo |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for name in ["resnet18", "efficientnet-lite0"] {
        let architecture: Architecture = name.parse().unwrap();
        let backbone: Backbone = architecture.init(&Device::flex());
        let spec = NetworkSpec::of(&backbone).unwrap();
        for hardware in [Hardware::Gpu, Hardware::Processor] {
            for precision in [Precision::F32, Precision::F16] {
                let network =
                    GpuNetwork::compile(&client, &spec, [224, 224], precision, hardware).unwrap();
                count(&client, name, &network, hardware);
            }
        }
    }
}

fn count(client: &GpuClient, name: &str, network: &GpuNetwork, hardware: Hardware) {
    let precision = network.precision();
    let values = vec![0.5; PHOTOS * 3 * 224 * 224];
    let photos = DeviceTensor::upload(client, &values, [3, 224, 224], precision);
    let launched = launches::of(|| {
        let _ = network.features(photos);
    });
    let cost = network.forward_cost(PHOTOS);
    // The cost includes the preprocessing kernel, which this forward pass did not launch.
    assert_eq!(launched.values().sum::<usize>(), cost.launches.len() - 1, "{launched:?}");
    assert!(cost.writes.iter().all(|writes| *writes <= 1), "{:?}", cost.writes);
    let written = cost.writes.iter().sum::<usize>();
    let intermediate = cost.launches.iter().filter(|launch| launch.is_intermediate()).count();
    assert_eq!(written, cost.launches.len() - intermediate, "a launch writes one activation");
    if hardware == Hardware::Gpu {
        assert_eq!(intermediate, 0, "nothing but activations passes through a GPU's memory");
    }
    let engine = format!("own kernels for a {hardware:?}, {precision}");
    row(name, &engine, cost.launches.len(), &network.forward_cost(32));
}

fn row(name: &str, engine: &str, launches: usize, cost: &ForwardCost) {
    let [read, written] = cost.bytes().map(|bytes| bytes as f64 / 32.0 / 1e6);
    let multiplications = cost.multiplications() as f64 / 32.0 / 1e6;
    println!(
        "| {name} | {engine} | {launches} | {read:.1} MB | {written:.1} MB | {multiplications:.0} million |"
    );
}
