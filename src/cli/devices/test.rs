//! `kindling devices --test`

use std::io::Write;

use anyhow::Result;
use kindling::device::DeviceInfo;
use kindling::output::OutputFile;

/// Tests Kindling's kernels on every adapter of `devices` that is a GPU or presents itself as one,
/// prints the results, measures speeds for `file` if there is one, and returns the number of wrong
/// results.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn run(
    out: &mut impl Write,
    devices: &[DeviceInfo],
    json: bool,
    file: Option<OutputFile>,
) -> Result<usize> {
    let adapters = || devices.iter().filter(|info| info.backend.is_for_gpus());
    let (mut reports, mut measured, mut wrong) = (Vec::new(), Vec::new(), 0);
    for info in adapters().filter(|info| info.kernels) {
        let report = Report::of(info)?;
        wrong += report.kernels.iter().filter(|kernel| !kernel.trusted).count();
        if !json {
            if !reports.is_empty() {
                writeln!(out)?;
            }
            report.print(out)?;
        }
        if file.is_some() {
            let adapter = Adapter::measured(info, &report.kernels);
            wrong += adapter.wrong_networks();
            if !json {
                adapter.print(out)?;
            }
            measured.push(adapter);
        }
        reports.push(report);
    }
    for info in adapters().filter(|info| !info.kernels) {
        if file.is_some() {
            measured.push(Adapter::measured(info, &[]));
        }
        let others = match info.is_usable() {
            true => "it runs Burn's, which are not tested",
            false => "Burn's are not in this build (cargo feature `burn-wgpu`)",
        };
        if !json {
            writeln!(out, "{info}: its limits do not allow Kindling's kernels; {others}")?;
        }
    }
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?;
    } else if reports.is_empty() {
        writeln!(out, "there is no GPU or graphics driver to test")?;
    }
    if let Some(file) = file {
        super::report::write(file, measured)?;
    }
    Ok(wrong)
}

/// Reports that this build has no kernels.
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
pub fn run(_: &mut impl Write, _: &[DeviceInfo], _: bool, _: Option<OutputFile>) -> Result<usize> {
    anyhow::bail!("this build reaches no GPU: build it with `--features wgpu`")
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::report::Adapter;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use kernels::{Kernel, Report, precisions};

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels {
    use std::collections::BTreeMap;
    use std::io::Write;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;

    use anyhow::{Result, anyhow, bail};
    use kindling::Precision;
    use kindling::device::{self, DeviceInfo};
    use kindling::engine::EngineError;
    use kindling::engine::gpu::first_patience;
    use kindling::kernels::conformance::{self, Finding};
    use serde::Serialize;

    use crate::cli::terminal::table;

    /// A device's results.
    #[derive(Serialize)]
    pub struct Report<'a> {
        device: &'a DeviceInfo,
        pub kernels: Vec<Kernel>,
    }

    /// A kernel's results.
    #[derive(Clone, Serialize)]
    pub struct Kernel {
        pub kernel: String,
        pub precision: String,
        shapes: usize,
        /// The largest error as a fraction of its bound. `None` if a value is NaN or missing.
        worst: Option<f64>,
        /// The operation and shape of that error, or why the driver refused the kernel.
        at: String,
        pub trusted: bool,
    }

    /// How values are stored in the tests of a device.
    pub fn precisions(info: &DeviceInfo) -> &'static [Precision] {
        if info.f16 { &[Precision::F32, Precision::F16] } else { &[Precision::F32] }
    }

    impl<'a> Report<'a> {
        pub fn of(info: &'a DeviceInfo) -> Result<Self> {
            device::open(info)?;
            let client =
                device::client(info).ok_or_else(|| anyhow!("{info} is no longer there"))?;
            let mut findings: BTreeMap<(String, String), Vec<Finding>> = BTreeMap::new();
            let precisions = precisions(info);
            // The thread that waits for the driver may wait for ever.
            let patience = first_patience(info.kind)?;
            let (found, received) = channel();
            let suites = move || {
                for precision in precisions {
                    conformance::quick_suite(&client, *precision, |finding| {
                        // A send fails only if nobody waits any more.
                        let _ = found.send((*precision, finding));
                    });
                }
            };
            let thread = thread::spawn(suites);
            loop {
                let (precision, finding) = match received.recv_timeout(patience) {
                    Ok(result) => result,
                    Err(RecvTimeoutError::Timeout) => {
                        bail!("{info}: {}", EngineError::Hangs(patience.as_secs()))
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                let key = (finding.kernel.clone(), precision.to_string());
                findings.entry(key).or_default().push(finding);
            }
            if thread.join().is_err() {
                bail!("{info}: its driver or a kernel panicked: update the driver");
            }
            Ok(Self { device: info, kernels: findings.into_iter().map(Kernel::of).collect() })
        }

        pub fn print(&self, out: &mut impl Write) -> Result<()> {
            writeln!(out, "{}", self.device)?;
            let head = ["KERNEL", "STORED", "SHAPES", "WORST", "AT", "TRUSTED"].map(String::from);
            let rows = std::iter::once(head).chain(self.kernels.iter().map(Kernel::row)).collect();
            table(out, rows)?;
            Ok(())
        }
    }

    impl Kernel {
        fn of(((kernel, precision), findings): ((String, String), Vec<Finding>)) -> Self {
            let worst = findings
                .iter()
                .max_by(|one, other| one.worst.share().total_cmp(&other.worst.share()))
                .expect("each kernel has at least one finding");
            Self {
                kernel,
                precision,
                shapes: findings.len(),
                worst: Some(worst.worst.share()).filter(|share| share.is_finite()),
                at: match &worst.refused {
                    Some(reason) => reason.clone(),
                    None => format!("{} {}", worst.op, worst.shape),
                },
                trusted: findings.iter().all(Finding::is_right),
            }
        }

        fn row(&self) -> [String; 6] {
            [
                self.kernel.clone(),
                self.precision.clone(),
                self.shapes.to_string(),
                match self.worst {
                    Some(share) => format!("{share:.3} of its bound"),
                    None => "no value".into(),
                },
                self.at.clone(),
                if self.trusted { "yes" } else { "NO" }.to_owned(),
            ]
        }
    }
}
