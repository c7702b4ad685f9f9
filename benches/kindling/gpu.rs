//! `cargo bench -- gpu`: where the time of a forward goes on each adapter.
//!
//! For each network and batch: photos per second, launches, bytes, multiplications, and which share
//! of the adapter's own bandwidth and multiply rate that is. Then the slowest steps of the largest
//! batch, each with its share of the time and of both rates. A step with a large share of the time
//! and small shares of both rates is the one to improve.

use std::error::Error;

use kindling::Precision;
use kindling::backbone::Architecture;
use kindling::device::{self, DeviceInfo};
use kindling::engine::GpuNetwork;
use kindling::engine::gpu::{GpuStepTime, Launch};
use kindling::features::SpeedTest;
use kindling::kernels::Roofline;

/// Steps that are shown of a network.
const STEPS: usize = 8;

/// What to do after this benchmark.
pub enum Next {
    OtherBenchmarks,
    End,
}

/// Measures every GPU, unless the arguments choose other benchmarks. If they choose this one, also
/// measures software drivers, which take minutes.
pub fn run(words: &[String]) -> Result<Next, Box<dyn Error>> {
    let is_chosen = words.iter().any(|word| word == "gpu");
    let is_listing = words.iter().any(|word| ["--list", "--test"].contains(&word.as_str()));
    let is_other_chosen = !is_chosen && words.iter().any(|word| !word.starts_with('-'));
    if is_listing || is_other_chosen {
        return Ok(Next::OtherBenchmarks);
    }
    let adapters = device::list().into_iter().filter(|info| info.backend.is_for_gpus());
    let (measured, skipped): (Vec<_>, Vec<_>) =
        adapters.partition(|info| info.kernels && (is_chosen || info.kind.is_gpu()));
    for info in skipped {
        println!("skipped: {info}; `cargo bench -- gpu` measures it if it runs Kindling's kernels");
    }
    for info in measured {
        adapter(&info)?;
    }
    Ok(if is_chosen { Next::End } else { Next::OtherBenchmarks })
}

fn adapter(info: &DeviceInfo) -> Result<(), Box<dyn Error>> {
    device::open(info)?;
    let client = device::client(info).ok_or_else(|| format!("{info} is no longer there"))?;
    let roofline = Roofline::measure(&client, info.kind.hardware())?;
    println!(
        "\n{info}\nmeasured rates: {:.4} GB/s copied, {:.4} GFLOP/s multiplied and added",
        roofline.copied_gb_per_s, roofline.peak_gflops
    );
    // As in `devices --test --report`.
    let precisions: &[Precision] = match info.f16 && info.kind.is_gpu() {
        true => &[Precision::F32, Precision::F16],
        false => &[Precision::F32],
    };
    for name in ["resnet18", "efficientnet-lite0"] {
        let test = SpeedTest::new(&name.parse::<Architecture>()?, info)?;
        for precision in precisions {
            let network = test.compiled(*precision)?;
            forwards(name, info, &test, &network, &roofline)?;
            let [.., largest] = SpeedTest::batches(info.kind);
            slowest(&test, &network, largest.min(network.max_batch()), &roofline)?;
        }
    }
    Ok(())
}

/// Prints a line for each batch size.
fn forwards(
    name: &str,
    info: &DeviceInfo,
    test: &SpeedTest,
    network: &GpuNetwork,
    roofline: &Roofline,
) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<24}{:>8}{:>10}{:>10}{:>10}{:>10}{:>12}{:>11}{:>10}",
        format!("{name}, {}", network.precision()),
        "photos",
        "photos/s",
        "ms",
        "launches",
        "MB",
        "M products",
        "bandwidth",
        "products"
    );
    let is_allowed = |photos: &usize| *photos <= network.max_batch();
    for photos in SpeedTest::batches(info.kind).into_iter().filter(is_allowed) {
        let speed = test.own(network, photos)?;
        if !speed.is_right() {
            return Err(format!(
                "{name} with {photos} photos differs from the processor by {} of the largest \
                 feature, and rounding explains {}: its time means nothing",
                speed.difference, speed.bound
            )
            .into());
        }
        let cost = network.forward_cost(photos);
        println!(
            "{:<24}{photos:>8}{:>10.4}{:>10.2}{:>10}{:>10.1}{:>12.0}{:>11}{:>10}",
            "",
            speed.photos_per_s(),
            speed.samples.median() * 1e3,
            cost.launches.len(),
            cost.bytes().into_iter().sum::<usize>() as f64 / 1e6,
            cost.multiplications() as f64 / 1e6,
            percent(speed.share_of_bandwidth(roofline)),
            percent(speed.share_of_peak(roofline)),
        );
    }
    Ok(())
}

/// Prints the steps with the largest shares of the time.
fn slowest(
    test: &SpeedTest,
    network: &GpuNetwork,
    photos: usize,
    roofline: &Roofline,
) -> Result<(), Box<dyn Error>> {
    const FORWARDS: usize = 2;
    let input = test.uploaded(network, photos);
    // Kernels are compiled in the first pass.
    network.step_times(&input, 1)?;
    let mut steps = network.step_times(&input, FORWARDS)?;
    let total: f64 = steps.iter().map(seconds).sum();
    let device_time = steps.iter().all(|step| step.is_device_time);
    let clock = if device_time { "by the device's clock" } else { "with their launches" };
    println!(
        "\nslowest steps, {clock:<32}{:>10}{:>10}{:>11}{:>10}  kernels",
        "ms", "of time", "bandwidth", "products"
    );
    steps.sort_by_key(|step| std::cmp::Reverse(step.time));
    for step in steps.iter().take(STEPS) {
        let time = seconds(step) / FORWARDS as f64;
        let sum = |count: fn(&Launch) -> usize| step.launches.iter().map(count).sum::<usize>();
        let bytes = sum(|launch| launch.read + launch.weights + launch.written) as f64;
        let operations = 2.0 * sum(|launch| launch.multiplications) as f64;
        let kernels: Vec<&str> = step.launches.iter().map(|launch| launch.kernel).collect();
        println!(
            "{:<47}{:>10.3}{:>10}{:>11}{:>10}  {}",
            step.step,
            time * 1e3,
            percent(Some(seconds(step) / total)),
            percent(Some(bytes / time / (roofline.copied_gb_per_s * 1e9))),
            percent(Some(operations / time / (roofline.peak_gflops * 1e9))),
            kernels.join(", ")
        );
    }
    Ok(())
}

fn seconds(step: &GpuStepTime) -> f64 {
    step.time.as_secs_f64()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}
