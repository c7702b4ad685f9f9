//! `kindling devices --test`

use std::io::Write;

use anyhow::Result;
use kindling::device::DeviceInfo;

/// Tests Kindling's kernels on every GPU of `devices`, prints the results, and returns the number
/// of wrong kernels.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn run(out: &mut impl Write, devices: &[DeviceInfo], json: bool) -> Result<usize> {
    let tested = devices.iter().filter(|info| info.kind.is_gpu() && info.kernels);
    let reports: Vec<Report> = tested.map(Report::of).collect::<Result<_>>()?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&reports)?)?;
    } else {
        for (at, report) in reports.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            report.print(out)?;
        }
        for info in devices.iter().filter(|info| info.kind.is_gpu() && !info.kernels) {
            let others = match info.is_usable() {
                true => "it runs Burn's, which are not tested",
                false => "Burn's are not in this build (cargo feature `burn-wgpu`)",
            };
            writeln!(out, "{info}: its limits do not allow Kindling's kernels; {others}")?;
        }
        if reports.is_empty() {
            writeln!(out, "there is no GPU or graphics driver to test")?;
        }
    }
    Ok(reports.iter().flat_map(|report| &report.kernels).filter(|kernel| !kernel.trusted).count())
}

/// Reports that this build has no kernels.
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
pub fn run(_: &mut impl Write, _: &[DeviceInfo], _: bool) -> Result<usize> {
    anyhow::bail!("this build reaches no GPU: build it with `--features wgpu`")
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use report::Report;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod report {
    use std::collections::BTreeMap;
    use std::io::Write;

    use anyhow::{Result, anyhow};
    use kindling::Precision;
    use kindling::device::{self, DeviceInfo};
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
    #[derive(Serialize)]
    pub struct Kernel {
        kernel: String,
        precision: String,
        shapes: usize,
        /// The largest error as a fraction of its bound. `None` if a value is NaN or missing.
        worst: Option<f64>,
        /// The operation and shape of that error, or why the driver refused the kernel.
        at: String,
        pub trusted: bool,
    }

    impl<'a> Report<'a> {
        pub fn of(info: &'a DeviceInfo) -> Result<Self> {
            device::open(info)?;
            let client =
                device::client(info).ok_or_else(|| anyhow!("{info} is no longer there"))?;
            let mut findings: BTreeMap<(String, String), Vec<Finding>> = BTreeMap::new();
            let precisions: &[Precision] =
                if info.f16 { &[Precision::F32, Precision::F16] } else { &[Precision::F32] };
            for precision in precisions {
                conformance::quick_suite(&client, *precision, |finding| {
                    let key = (finding.kernel.clone(), precision.to_string());
                    findings.entry(key).or_default().push(finding);
                });
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
