//! What a forward asks of a GPU, counted: launches, bytes, multiplications.

use burn::tensor::Device;
use kindling::Precision;
use kindling::backbone::gpu::Traffic;
use kindling::backbone::{Architecture, Backbone};
use kindling::kernels::Map;

use shaders_tests::adapter::client;
use shaders_tests::launches;

const PHOTOS: usize = 2;

#[test]
fn each_activation_is_written_once_and_every_launch_is_counted() {
    let Some(client) = client() else { return };
    println!(
        "| backbone | executor | launches a batch | bytes read a photo of 32 | written | multiplications a photo |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for name in ["resnet18", "efficientnet-lite0"] {
        let architecture: Architecture = name.parse().unwrap();
        let backbone: Backbone = architecture.init(&Device::flex());
        for precision in [Precision::F32, Precision::F16] {
            let network =
                backbone.compiled_for_gpu(&client, [224, 224], precision).unwrap().unwrap();
            let photos =
                Map::upload(&client, &vec![0.5; PHOTOS * 3 * 224 * 224], [3, 224, 224], precision);
            let launched = launches::of(|| {
                let _ = network.features(photos);
            });
            let traffic = network.traffic(PHOTOS);
            // The photos come from a kernel of their own, which this forward did without.
            assert_eq!(
                launched.values().sum::<usize>(),
                traffic.launches.len() - 1,
                "{launched:?}"
            );
            assert!(traffic.writes.iter().all(|writes| *writes <= 1), "{:?}", traffic.writes);
            let written = traffic.writes.iter().sum::<usize>();
            assert_eq!(written, traffic.launches.len(), "each launch writes one activation");
            row(
                name,
                &format!("own kernels, {precision}"),
                traffic.launches.len(),
                &network.traffic(32),
            );
        }
    }
}

fn row(name: &str, executor: &str, launches: usize, traffic: &Traffic) {
    let [read, written] = traffic.bytes().map(|bytes| bytes as f64 / 32.0 / 1e6);
    let multiplications = traffic.multiplications() as f64 / 32.0 / 1e6;
    println!(
        "| {name} | {executor} | {launches} | {read:.1} MB | {written:.1} MB | {multiplications:.0} million |"
    );
}
