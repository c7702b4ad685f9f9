//! What a forward asks of a GPU, counted: launches, bytes, multiplications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use burn::tensor::{Device, Tensor};
use cubecl::logging::{LaunchObservation, LaunchObserver};
use kindling::Precision;
use kindling::backbone::gpu::Traffic;
use kindling::backbone::{Architecture, Backbone};
use kindling::kernels::Map;

use crate::adapter::{adapter, client};

/// Counts the launches of one thread: other tests launch meanwhile.
struct Counter {
    thread: ThreadId,
    launches: Mutex<BTreeMap<String, usize>>,
}

impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        if thread::current().id() == self.thread {
            // `a::b::Kernel<...>` to `Kernel`.
            let name = kernel.split('<').next().unwrap_or(kernel);
            let name = name.rsplit("::").next().unwrap_or(name);
            *self.launches.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
    }
}

/// The kernels that `work` launches, with how often.
fn launches(work: impl FnOnce()) -> BTreeMap<String, usize> {
    let counter = Arc::new(Counter { thread: thread::current().id(), launches: Mutex::default() });
    let observation = LaunchObservation::new(counter.clone());
    work();
    drop(observation);
    let launches = counter.launches.lock().unwrap();
    launches.clone()
}

const PHOTOS: usize = 2;

#[test]
fn each_activation_is_written_once_and_every_launch_is_counted() {
    let (Some(client), Some(device)) = (client(), adapter()) else { return };
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
            let launched = launches(|| {
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
        let backbone: Backbone = architecture.init(&device);
        let photos = Tensor::<4>::zeros([PHOTOS, 3, 224, 224], &device);
        let launched = launches(|| {
            let _ = backbone.forward(photos);
        });
        let total: usize = launched.values().sum();
        println!("| {name} | Burn's operations | {total} | | | |");
        println!("{launched:#?}");
    }
}

fn row(name: &str, executor: &str, launches: usize, traffic: &Traffic) {
    let [read, written] = traffic.bytes().map(|bytes| bytes as f64 / 32.0 / 1e6);
    let multiplications = traffic.multiplications() as f64 / 32.0 / 1e6;
    println!(
        "| {name} | {executor} | {launches} | {read:.1} MB | {written:.1} MB | {multiplications:.0} million |"
    );
}
