//! `kindling devices`

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod forwards;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod report;
mod test;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::device::{self, Backend, DeviceInfo};
use kindling::engine;
use kindling::output::OutputFile;

use super::terminal::{counted, one_line, printed_afterwards, table, text};

/// List the devices that this build can use on this machine
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling devices
  kindling devices --json
  kindling devices --test                test the kernels on every GPU
  kindling devices --test --report a.json
                                         measure them too, for docs/gpus.md
  kindling train photos --device wgpu:1  train on the second GPU of the list")]
pub struct DevicesArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,

    /// Test Kindling's kernels on every GPU against f64 on the processor
    ///
    /// Each kernel runs with every tile that it may choose, in f32 and, if the adapter supports it,
    /// in f16, at small shapes that do not divide evenly. The error bound of each value is derived
    /// from its number of roundings. Fails if a kernel exceeds a bound. A driver that runs on the
    /// processor takes a minute or two.
    #[arg(long)]
    test: bool,

    /// With --test: measure the kernels and both networks too, and write FILE (JSON)
    ///
    /// The file has each adapter's name, driver and limits, each kernel's error and speed, photos
    /// per second of resnet18 and efficientnet-lite0, and the adapter's bandwidth and multiply
    /// rate. It has no name of a user, a machine or a path. An existing FILE is replaced when all
    /// is measured. A GPU takes about a minute, a driver that runs on the processor several.
    /// docs/gpus.md shows the files that people sent, and how to send one.
    #[arg(long, value_name = "FILE", requires = "test", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,
}

pub fn run(args: &DevicesArgs) -> Result<()> {
    device::check_environment()?;
    let devices = device::list();
    let mut out = io::stdout().lock();
    if args.test {
        let file = args.report.as_deref().map(|file| OutputFile::reserve(file, true));
        let wrong = test::run(&mut out, &devices, args.json, file.transpose()?)?;
        if let (Some(file), false) = (&args.report, args.json) {
            printed_afterwards(writeln!(out, "report    {}", one_line(&text(file))));
        }
        return match wrong {
            0 => Ok(()),
            _ => bail!(
                "{} wrong results: update the driver, or use --device cpu",
                match wrong {
                    1 => "a kernel gives".to_owned(),
                    _ => format!("{} give", counted(wrong, "kernel")),
                }
            ),
        };
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&devices)?)?;
        return Ok(());
    }
    let head = ["DEVICE", "KIND", "NAME", "DRIVER", "MEMORY", "F16", "KERNELS"].map(String::from);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(devices.iter().map(row)).collect();
    table(&mut out, rows)?;
    for backend in Backend::ALL {
        if !backend.is_compiled_in() {
            writeln!(out, "{backend}: not in this build (cargo feature `{}`)", backend.feature())?;
        } else if devices.iter().all(|info| info.backend != backend) {
            writeln!(out, "{backend}: no device found")?;
        }
    }
    for info in devices.iter().filter(|info| !info.is_usable()) {
        writeln!(
            out,
            "{}: cannot run Kindling's kernels, and Burn's are not in this build (cargo feature `burn-wgpu`)",
            info.device
        )?;
    }
    if let Some(processor) = device::processor() {
        for (network, unsupported) in engine::unsupported_networks(&processor) {
            writeln!(out, "{network} runs on Burn's operations on every device: {unsupported}")?;
        }
    }
    if let Ok(info) = device::resolve(device::Choice::Auto) {
        writeln!(out, "auto is {}", info.device)?;
    }
    Ok(())
}

fn row(info: &DeviceInfo) -> [String; 7] {
    let unknown = || "-".to_owned();
    [
        info.device.clone(),
        info.kind.to_string(),
        info.name.clone(),
        info.driver.clone().unwrap_or_else(unknown),
        info.memory_bytes
            .map_or_else(unknown, |bytes| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)),
        if info.f16 { "yes" } else { "no" }.to_owned(),
        match info.backend {
            _ if info.kernels => "own",
            _ if info.is_usable() => "Burn's",
            _ => "none",
        }
        .to_owned(),
    ]
}
