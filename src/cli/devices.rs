//! `kindling devices`

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use kindling::device::{self, Backend, DeviceInfo};

use super::terminal::table;

/// List what this build can compute on, on this machine
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling devices
  kindling devices --json
  kindling train photos --device wgpu:1      the second GPU of the list")]
pub struct DevicesArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DevicesArgs) -> Result<()> {
    let devices = device::list();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&devices)?)?;
        return Ok(());
    }
    let rows: Vec<[String; 6]> =
        std::iter::once(["DEVICE", "KIND", "NAME", "DRIVER", "MEMORY", "F16"].map(String::from))
            .chain(devices.iter().map(row))
            .collect();
    table(&mut out, rows)?;
    for backend in Backend::ALL {
        if !backend.is_compiled_in() {
            writeln!(out, "{backend}: not in this build (cargo feature `{}`)", backend.feature())?;
        } else if devices.iter().all(|info| info.backend != backend) {
            writeln!(out, "{backend}: no device found")?;
        }
    }
    if let Ok(info) = device::resolve(device::Choice::Auto) {
        writeln!(out, "auto is {}", info.device)?;
    }
    Ok(())
}

fn row(info: &DeviceInfo) -> [String; 6] {
    let unknown = || "-".to_owned();
    [
        info.device.clone(),
        info.kind.to_string(),
        info.name.clone(),
        info.driver.clone().unwrap_or_else(unknown),
        info.memory_bytes
            .map_or_else(unknown, |bytes| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)),
        if info.f16 { "yes" } else { "no" }.to_owned(),
    ]
}
