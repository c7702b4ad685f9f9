//! Kernels and networks on devices that are opened with the published limits of other adapters.
//! wgpu refuses whatever such an adapter would refuse.

use kindling::device;
use kindling::device::published::{PUBLISHED, PublishedLimits};
use kindling::engine::{Engine, GpuEngine, GpuNetwork, NetworkSpec, Workload};
use kindling::kernels::conformance::{self, Finding};
use kindling::kernels::preprocess::Preprocess;
use kindling::kernels::{GpuClient, Hardware, Limits, Precision};
use kindling::weights::{self, Checkpoint};

use crate::compiled::agrees_on;
use crate::reference::fixture;
use shaders_tests::adapter::{TestAdapter, adapters};
use shaders_tests::table::Table;

/// Rows that leave the adapter with the same limits of what kernels use.
struct SameLimits {
    limits: Limits,
    f16: bool,
    rows: Vec<&'static PublishedLimits>,
}

fn effective(adapter: &TestAdapter) -> Vec<SameLimits> {
    let mut groups: Vec<SameLimits> = Vec::new();
    for published in PUBLISHED {
        let limits = published.limits.lowest(adapter.client().limits());
        // Kernels do not see more buffers than these, nor the rest of a larger one.
        let buffers = limits.buffers.min(Limits::BUFFERS);
        let limits = Limits { buffers, buffer_bytes: limits.buffer() as u64, ..limits };
        let f16 = published.f16 && adapter.info.f16;
        match groups.iter_mut().find(|group| (group.limits, group.f16) == (limits, f16)) {
            Some(group) => group.rows.push(published),
            None => groups.push(SameLimits { limits, f16, rows: vec![published] }),
        }
    }
    groups
}

#[test]
fn kernels_and_networks_agree_within_the_limits_of_every_published_adapter() {
    let Some(adapter) = adapters().first() else { return };
    let groups = effective(adapter);
    assert_eq!(groups.iter().map(|group| group.rows.len()).sum::<usize>(), PUBLISHED.len());
    for SameLimits { limits, f16, rows } in groups {
        let names = rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        // Of rows that are the same to kernels, the one that is the strictest with offsets.
        let row = rows.iter().max_by_key(|row| row.alignment).unwrap();
        let client = device::client_within(&adapter.info, row).unwrap();
        let opened = client.limits();
        assert_eq!((opened.units, opened.shared), (limits.units, limits.shared), "{names}");
        assert_eq!(opened.buffer() as u64, limits.buffer_bytes, "{names}");
        if let Some(shortage) = opened.shortage() {
            println!("{names}: Burn's operations, because {shortage}");
            assert_eq!(refusal(&client), shortage);
            continue;
        }
        println!("{names}: own kernels within {opened:?}, f16 {f16}");
        let mut table = Table::on(adapter, &format!("the limits of {names}"));
        for (precision, hardware) in [
            (Precision::F32, Hardware::Gpu),
            (Precision::F32, Hardware::Processor),
            (Precision::F16, Hardware::Gpu),
        ] {
            if precision == Precision::F32 || f16 {
                conformance::chosen_suite(&client, precision, hardware, |finding| {
                    add(&mut table, finding);
                });
            }
        }
        table.finish(&[]);
        agrees_on(&client, f16, &names);
    }
}

fn add(table: &mut Table, finding: Finding) {
    let Finding { kernel, op, shape, precision, worst, refused } = finding;
    assert_eq!(refused, None, "{kernel}");
    table.row(&format!("{kernel} {precision}"), &op, &shape, worst);
}

/// Why the kernels cannot run a network.
fn refusal(client: &GpuClient) -> &'static str {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let processor = device::processor().unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &processor).unwrap();
    let spec = NetworkSpec::of(&backbone).unwrap();
    let network = GpuNetwork::compile(client, &spec, [64; 2], Precision::F32, Hardware::Gpu);
    network.err().expect("the limits are too low").reason
}

#[test]
fn launches_that_are_folded_compute_everything_once() {
    let Some(adapter) = adapters().first() else { return };
    let own = adapter.client().limits();
    let folded = Limits { groups: 5, ..own };
    let client = GpuClient::within((**adapter.client()).clone(), folded);
    assert_eq!(client.limits().groups, 5);
    let mut table = Table::on(adapter, "launches in folds of five work-groups");
    for hardware in [Hardware::Gpu, Hardware::Processor] {
        conformance::chosen_suite(&client, Precision::F32, hardware, |finding| {
            add(&mut table, finding);
        });
    }
    table.finish(&[]);
}

#[test]
fn a_buffer_of_128_mib_is_filled_to_its_last_photo() {
    let Some(adapter) = adapters().first() else { return };
    let webgpu = PublishedLimits::named("webgpu").unwrap();
    let client = device::client_within(&adapter.info, webgpu).unwrap();
    let [side, bytes] = [224, 224 * 224 * 4 * 4];
    let photos = client.limits().buffer() / bytes;
    assert_eq!(photos, 167, "the limits of WebGPU");
    let mut table = [[0.0; 256]; 3];
    for (at, entry) in table.as_flattened_mut().iter_mut().enumerate() {
        *entry = at as f32;
    }
    let pixels: Vec<u8> = (0..photos * side * side * 3).map(|at| (at * 7919 % 251) as u8).collect();
    let tensor = Preprocess::new(&client, &table, Precision::F32).run(&client, &pixels, [side; 2]);
    assert!(tensor.bytes() > (128 << 20) - bytes);
    let stored = tensor.read_stored(&client).unwrap();
    let wrong = pixels.chunks_exact(3).zip(stored.chunks_exact(4)).position(|(pixel, values)| {
        let expected = [0, 1, 2].map(|channel| table[channel][usize::from(pixel[channel])]);
        values != [expected[0], expected[1], expected[2], 0.0]
    });
    assert_eq!(wrong, None);
}

#[test]
fn an_engine_divides_the_batches_that_a_buffer_does_not_hold() {
    let Some(adapter) = adapters().first() else { return };
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let processor = device::processor().unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &processor).unwrap();
    let mut preprocessing = architecture.preprocessing();
    preprocessing.crop = 64;
    let engine = |client: GpuClient, most| {
        let info = adapter.info.clone();
        GpuEngine::new(&backbone, preprocessing, info, Precision::F32, Some(client), most)
    };
    // Three photos of 64 KiB of values: 64 by 64 pixels of four channels.
    let narrow = Limits { buffer_bytes: 3 << 16, ..adapter.client().limits() };
    let within = GpuClient::within((**adapter.client()).clone(), narrow);
    let [whole, divided] = [engine(adapter.client().clone(), usize::MAX), engine(within, 3)];
    assert_eq!(divided.batch_size(), 3);
    let pixels: Vec<u8> = (0..10 * 64 * 64 * 3).map(|at| (at * 7919 % 251) as u8).collect();
    let features = |engine: &GpuEngine| {
        // The next batch is launched before the first is read.
        let [first, second] = [10, 4]
            .map(|photos| &pixels[..photos * 64 * 64 * 3])
            .map(|pixels| engine.launch(pixels.to_vec(), Workload::Many).unwrap());
        [first.wait().unwrap(), second.wait().unwrap()]
    };
    assert_eq!(features(&whole), features(&divided));
    assert_eq!(
        whole.feature_map(pixels.clone()).unwrap(),
        divided.feature_map(pixels.clone()).unwrap()
    );
    assert_eq!(whole.steps(pixels.clone()).unwrap(), divided.steps(pixels).unwrap());
    // The memory was large enough: nothing to warn of.
    assert_eq!(divided.max_batch(), None);
}
