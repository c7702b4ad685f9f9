//! Our own kernels are right at every shape of both backbones, whatever tile they run with.

use std::collections::BTreeSet;

use kindling::Precision;
use kindling::backbone::plan::{Operation, Value};
use kindling::backbone::{Architecture, Plan, Planned};
use kindling::kernels::MaxPool;
use kindling::kernels::trust::{self, Finding, Way};

use shaders_tests::BATCHES;
use shaders_tests::adapter::{client, is_software};
use shaders_tests::table::Table;

fn plans() -> [Plan; 2] {
    ["resnet18", "efficientnet-lite0"].map(|name| {
        let architecture: Architecture = name.parse().unwrap();
        architecture.init(&burn::tensor::Device::flex()).plan()
    })
}

fn add(table: &mut Table, finding: Finding) {
    let Finding { kernel, op, shape, precision, worst, refused } = finding;
    assert_eq!(refused, None, "{kernel}");
    table.row(&format!("{kernel} {precision}"), &op, &shape, worst);
}

/// An operation at a shape, and whether a sum is part of it.
struct Case {
    operation: Operation,
    shape: [usize; 3],
    shortcut: bool,
}

/// Every operation of the plan but the sums, each with the shape of what it reads.
fn cases(plan: &Plan) -> Vec<Case> {
    let shapes = plan.shapes([224, 224]);
    let of = |value: &Value| match value {
        Value::Photos => [3, 224, 224],
        Value::Output(step) => shapes[*step],
    };
    // The later one of what a sum reads adds the other.
    let adding: BTreeSet<usize> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::Add { inputs, .. } => inputs
                .iter()
                .map(|input| match input {
                    Value::Output(step) => *step,
                    Value::Photos => unreachable!("no sum reads photos"),
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
    let Some(client) = client() else { return };
    let mut table = Table::new("our own convolutions");
    let mut seen = BTreeSet::new();
    for Case { operation, shape: [_, height, width], shortcut } in plans().iter().flat_map(cases) {
        let Operation::Convolution { convolution, .. } = operation else { continue };
        let (from, to) = (convolution.from, convolution.to);
        let key = (from, to, convolution.kernel, convolution.stride, convolution.groups);
        if !seen.insert((key, height, shortcut)) {
            continue;
        }
        for photos in BATCHES {
            let at = (photos, [height, width]);
            // f16 at one size: only what is stored differs.
            let precisions: &[Precision] = match photos {
                3 => &[Precision::F32, Precision::F16],
                _ => &[Precision::F32],
            };
            for precision in precisions {
                // Where the driver runs on the processor, what a network takes, and every tile with one photo.
                let ways = match is_software() && photos > 1 {
                    true => Vec::from_iter(Way::taken(&client, &convolution, *precision)),
                    false => Way::all(&client, &convolution, *precision),
                };
                for way in ways {
                    let finding =
                        trust::convolution(&client, &convolution, shortcut, at, *precision, way);
                    add(&mut table, finding.unwrap());
                }
            }
        }
    }
    finish(table);
}

#[test]
fn our_pools_and_preprocessing_agree_with_f64_at_every_shape_of_the_networks() {
    let Some(client) = client() else { return };
    let mut table = Table::new("our own pools and preprocessing");
    for Case { operation, shape, .. } in plans().iter().flat_map(cases) {
        for photos in BATCHES {
            for precision in [Precision::F32, Precision::F16] {
                let at = (photos, shape);
                let finding = match operation {
                    Operation::MaxPool { kernel, stride, padding, .. } => {
                        let pool = MaxPool { kernel, stride, padding };
                        trust::max_pool(&client, pool, at, precision)
                    }
                    Operation::GlobalAveragePool { .. } => trust::mean(&client, at, precision),
                    _ => continue,
                };
                add(&mut table, finding.unwrap());
            }
        }
    }
    for photos in BATCHES {
        for precision in [Precision::F32, Precision::F16] {
            let finding = trust::preprocess(&client, (photos, [224, 224]), precision);
            add(&mut table, finding.unwrap());
        }
    }
    table.finish(&[]);
}

#[test]
fn our_kernels_agree_with_f64_at_awkward_shapes() {
    let Some(client) = client() else { return };
    let mut table = Table::new("our own kernels at awkward shapes");
    for precision in [Precision::F32, Precision::F16] {
        trust::short(&client, precision, |finding| add(&mut table, finding));
    }
    finish(table);
}

/// With the kernel that is broken on purpose, what is wrong must be Winograd's alone, and all of it.
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
