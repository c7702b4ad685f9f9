//! Checks Kindling's kernels with every tile at every shape of both backbones.

use std::collections::BTreeSet;

use kindling::Precision;
use kindling::backbone::Architecture;
use kindling::kernels::conformance::{self, Finding};
use kindling::kernels::{Algorithm, Hardware, MaxPool};
use kindling::plan::{Operation, Plan, Planned, Value};

use shaders_tests::adapter::{TestAdapter, fully_tested};
use shaders_tests::batches;
use shaders_tests::table::Table;

fn plans() -> [Plan; 2] {
    ["resnet18", "efficientnet-lite0"].map(|name| {
        let architecture: Architecture = name.parse().unwrap();
        architecture.init(&burn::tensor::Device::flex()).plan().unwrap()
    })
}

fn add(table: &mut Table, finding: Finding) {
    let Finding { kernel, op, shape, precision, worst, refused } = finding;
    assert_eq!(refused, None, "{kernel}");
    table.row(&format!("{kernel} {precision}"), &op, &shape, worst);
}

/// An operation at an input shape, and whether it adds a shortcut.
struct Case {
    operation: Operation,
    shape: [usize; 3],
    shortcut: bool,
}

/// Every operation of the plan except additions, each with its input shape.
fn cases(plan: &Plan) -> Vec<Case> {
    let shapes = plan.shapes([224, 224]).unwrap();
    let of = |value: &Value| match value {
        Value::Input => [3, 224, 224],
        Value::Output(step) => shapes[*step],
    };
    // An addition is fused into the later one of the two steps that it reads.
    let adding: BTreeSet<usize> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::Add { inputs, .. } => inputs
                .iter()
                .map(|input| match input {
                    Value::Output(step) => *step,
                    Value::Input => unreachable!("no sum reads photos"),
                })
                .max(),
            _ => None,
        })
        .collect();
    let mut cases = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let input = match &step.operation {
            Operation::Convolution { input, .. }
            | Operation::MaxPool { input, .. }
            | Operation::GlobalAveragePool { input } => input,
            Operation::Add { .. } => continue,
        };
        let operation = step.operation.clone();
        cases.push(Case { operation, shape: of(input), shortcut: adding.contains(&at) });
    }
    cases
}

#[test]
fn our_convolutions_agree_with_f64_at_every_shape_of_the_networks_with_every_tile() {
    for adapter in fully_tested() {
        convolutions(adapter);
    }
}

fn convolutions(adapter: &TestAdapter) {
    let client = adapter.client();
    let mut table = Table::on(adapter, "our own convolutions");
    let mut seen = BTreeSet::new();
    for Case { operation, shape: [_, height, width], shortcut } in plans().iter().flat_map(cases) {
        let Operation::Convolution { convolution, .. } = operation else { continue };
        let (in_channels, out_channels) = (convolution.in_channels, convolution.out_channels);
        let key =
            (in_channels, out_channels, convolution.kernel, convolution.stride, convolution.groups);
        if !seen.insert((key, height, shortcut)) {
            continue;
        }
        for &photos in batches() {
            let at = (photos, [height, width]);
            // Test f16 at one batch size only: it differs from f32 only in how values are stored.
            let precisions = match photos {
                3 => precisions(adapter),
                _ => &[Precision::F32],
            };
            for precision in precisions {
                // Software drivers test all tiles at batch size 1, and at 3 only the tiles that the
                // engine chooses, for a GPU and for the processor. With KINDLING_ALL_SHAPES they
                // also do so at 8.
                let chosen =
                    [Hardware::Gpu, Hardware::Processor].into_iter().filter_map(|hardware| {
                        Algorithm::chosen(hardware, client.limits(), &convolution, *precision).ok()
                    });
                let algorithms = match adapter.is_software() && photos > 1 {
                    true => {
                        let mut chosen = Vec::from_iter(chosen);
                        chosen.dedup();
                        chosen
                    }
                    false => Algorithm::all(client.limits(), &convolution, *precision),
                };
                for algorithm in algorithms {
                    let finding = conformance::convolution(
                        client,
                        &convolution,
                        shortcut,
                        at,
                        *precision,
                        algorithm,
                    );
                    add(&mut table, finding.unwrap());
                }
            }
        }
    }
    finish(table);
}

#[test]
fn our_pools_and_preprocessing_agree_with_f64_at_every_shape_of_the_networks() {
    for adapter in fully_tested() {
        pools_and_preprocessing(adapter);
    }
}

fn pools_and_preprocessing(adapter: &TestAdapter) {
    let client = adapter.client();
    let mut table = Table::on(adapter, "our own pools and preprocessing");
    for Case { operation, shape, .. } in plans().iter().flat_map(cases) {
        for &photos in batches() {
            for &precision in precisions(adapter) {
                let at = (photos, shape);
                let finding = match operation {
                    Operation::MaxPool { kernel, stride, padding, .. } => {
                        let pool = MaxPool { kernel, stride, padding };
                        conformance::max_pool(client, pool, at, precision)
                    }
                    Operation::GlobalAveragePool { .. } => conformance::mean(client, at, precision),
                    _ => continue,
                };
                add(&mut table, finding.unwrap());
            }
        }
    }
    for &photos in batches() {
        for &precision in precisions(adapter) {
            let finding = conformance::preprocess(client, (photos, [224, 224]), precision);
            add(&mut table, finding.unwrap());
        }
    }
    table.finish(&[]);
}

#[test]
fn our_kernels_agree_with_f64_at_awkward_shapes() {
    for adapter in fully_tested() {
        let mut table = Table::on(adapter, "our own kernels at awkward shapes");
        for &precision in precisions(adapter) {
            conformance::quick_suite(adapter.client(), precision, |finding| {
                add(&mut table, finding);
            });
        }
        finish(table);
    }
}

/// The precisions that the adapter computes in.
fn precisions(adapter: &TestAdapter) -> &'static [Precision] {
    match adapter.info.f16 {
        true => &[Precision::F32, Precision::F16],
        false => &[Precision::F32],
    }
}

/// Prints and checks the table. With the deliberately faulty kernel, only Winograd kernels must be
/// wrong, and those of both tile sides.
fn finish(table: Table) {
    if !cfg!(feature = "faulty-kernel") {
        return table.finish(&[]);
    }
    let wrong = table.wrong();
    println!("wrong: {wrong:?}");
    assert!(wrong.iter().all(|kernel| kernel.starts_with("winograd")), "{wrong:?}");
    for side in ["winograd F(4x4)", "winograd F(2x2)"] {
        assert!(wrong.iter().any(|kernel| kernel.starts_with(side)), "{side} was broken");
    }
}
