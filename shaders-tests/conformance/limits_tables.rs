//! The tables of docs/adapters.md are those of the code.

use std::fs;

use kindling::device::published::{PUBLISHED, PublishedLimits};
use kindling::engine::gpu::{GpuSchedule, ScheduledKernel};
use kindling::kernels::{Algorithm, Hardware, Precision};
use kindling::plan::Plan;

use crate::reference::committed;
use crate::schedules::{plans, precisions};

/// A number of bytes in the largest unit that divides it, or rounded.
fn bytes(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fits = |size: u64| bytes.is_multiple_of(size) && bytes / size < 1024;
    match units.iter().find(|(_, size)| fits(*size)) {
        Some((name, size)) => format!("{} {name}", bytes / size),
        None => format!("{:.2} GiB", bytes as f64 / (1u64 << 30) as f64),
    }
}

fn limits_row(published: &PublishedLimits) -> String {
    let PublishedLimits {
        name,
        adapters,
        limits,
        largest_buffer,
        alignment,
        subgroup,
        f16,
        source,
    } = *published;
    let subgroup = match subgroup {
        [one, other] if one == other => one.to_string(),
        [one, other] => format!("{one} to {other}"),
    };
    let buffers = match limits.buffers {
        many if many > 1000 => "over 1000".to_owned(),
        few => few.to_string(),
    };
    let (address, remark) = source.split_once("; ").unwrap_or((source, ""));
    let remark = if remark.is_empty() { String::new() } else { format!("; {remark}") };
    format!(
        "| `{name}` | {adapters} | {} | {} | {} | {} | {} | {} | {alignment} | {buffers} | {} | \
         [here]({address}){remark} |",
        limits.units,
        bytes(limits.shared as u64),
        limits.groups,
        subgroup,
        bytes(limits.buffer_bytes),
        bytes(largest_buffer),
        if f16 { "yes" } else { "no" },
    )
}

/// The kernels of a network for a GPU, or why it has none.
fn schedule(
    plan: &Plan,
    published: &PublishedLimits,
    precision: Precision,
) -> Result<GpuSchedule, String> {
    GpuSchedule::of(plan, [224, 224], precision, Hardware::Gpu, published.limits)
        .map_err(|unsupported| unsupported.reason.to_owned())
}

/// The names of the kernels that `is_asked` picks, each once, in the order of the steps.
fn names(schedules: &[GpuSchedule], is_asked: impl Fn(&ScheduledKernel) -> bool) -> String {
    let mut names: Vec<String> = Vec::new();
    let kernels = schedules.iter().flat_map(|schedule| &schedule.steps).map(|step| &step.kernel);
    for name in kernels.filter(|kernel| is_asked(kernel)).map(ToString::to_string) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn kernels_row(published: &PublishedLimits, plans: &[(&'static str, Plan); 2]) -> String {
    let of = |precision| -> Result<Vec<GpuSchedule>, String> {
        plans.iter().map(|(_, plan)| schedule(plan, published, precision)).collect()
    };
    let name = published.name;
    let singles = match of(Precision::F32) {
        Ok(schedules) => schedules,
        Err(reason) => return format!("| `{name}` | none: {reason} | | | | |"),
    };
    let is_winograd = |kernel: &ScheduledKernel| {
        matches!(kernel, ScheduledKernel::Convolution(_, Algorithm::Winograd(_)))
    };
    let is_direct = |kernel: &ScheduledKernel| {
        matches!(kernel, ScheduledKernel::Convolution(_, Algorithm::Direct(_)))
    };
    let has_f16 = precisions(published).contains(&Precision::F16);
    let halves = has_f16.then(|| of(Precision::F16).expect("halves need no more than f32"));
    let photos = |network: usize| match &halves {
        Some(halves) => format!("{}, {}", singles[network].max_batch, halves[network].max_batch),
        None => singles[network].max_batch.to_string(),
    };
    let short = |names: String| names.replace("winograd ", "").replace("convolution ", "");
    format!(
        "| `{name}` | {} | {} | {} | {} | {} |",
        short(names(&singles, is_winograd)),
        halves.as_ref().map_or("-".into(), |halves| short(names(halves, is_winograd))),
        short(names(&singles, is_direct)),
        photos(0),
        photos(1),
    )
}

#[test]
fn docs_adapters_has_the_limits_and_kernels_of_every_published_adapter() {
    let plans = plans();
    let table = |head: &str, rows: Vec<String>| {
        let columns = head.matches('|').count() - 1;
        format!("{head}\n|{}\n{}\n", " --- |".repeat(columns), rows.join("\n"))
    };
    let limits = table(
        "| name | adapters | units | shared memory | work-groups | sub-group | largest binding | \
         largest buffer | alignment | buffers | f16 | source |",
        PUBLISHED.iter().map(limits_row).collect(),
    );
    let kernels = table(
        "| name | 3x3 convolutions | in f16 | other convolutions | photos of ResNet-18 | of \
         EfficientNet-Lite0 |",
        PUBLISHED.iter().map(|published| kernels_row(published, &plans)).collect(),
    );
    let docs = fs::read_to_string(committed("docs/adapters.md")).unwrap();
    for table in [limits, kernels] {
        assert!(docs.contains(&table), "docs/adapters.md must contain:\n\n{table}");
    }
}
