//! The speeds of whole networks in a report.

use kindling::Precision;
use kindling::backbone::Architecture;
use kindling::device::DeviceInfo;
use kindling::features::{ForwardSpeed, SpeedTest};
use kindling::kernels::Roofline;
use serde::Serialize;

use super::report::{digits, parts, timed_precisions};

/// A network on Kindling's kernels and on Burn's operations.
#[derive(Serialize)]
pub struct Forward {
    pub network: &'static str,
    pub precision: String,
    pub photos: usize,
    pub own: Option<Speed>,
    pub own_missing: Option<String>,
    pub burn: Option<Speed>,
    pub burn_missing: Option<String>,
}

#[derive(Serialize)]
pub struct Speed {
    pub photos_per_s: f64,
    pub median_ms: f64,
    pub fastest_ms: f64,
    pub samples: usize,
    /// `None` if a feature is NaN or infinite.
    pub difference: Option<f64>,
    pub trusted: bool,
    #[serde(flatten)]
    pub cost: Option<Cost>,
}

/// Absent for Burn's operations, which do not say what they launch.
#[derive(Serialize)]
pub struct Cost {
    pub launches: usize,
    pub bytes: usize,
    pub multiplications: usize,
    pub share_of_bandwidth: Option<f64>,
    pub share_of_peak: Option<f64>,
}

/// The speeds of a network in each precision and batch size.
pub fn forwards(
    network: &'static str,
    info: &DeviceInfo,
    roofline: Option<&Roofline>,
) -> Vec<Forward> {
    let test = network.parse::<Architecture>().map_err(|error| error.to_string()).and_then(
        |architecture| SpeedTest::new(&architecture, info).map_err(|error| error.to_string()),
    );
    let mut measured = Vec::new();
    for precision in timed_precisions(info) {
        let compiled = test.as_ref().map_err(Clone::clone).and_then(|test| {
            let compiled = test.compiled(*precision).map_err(|error| error.to_string())?;
            Ok((test, compiled))
        });
        for photos in SpeedTest::batches(info.kind) {
            let own = compiled.as_ref().map_err(Clone::clone).and_then(|(test, compiled)| {
                test.own(compiled, photos).map_err(|error| error.to_string())
            });
            let burn = match (precision, &test) {
                (Precision::F16, _) => Err("Burn's operations compute in f32".to_owned()),
                (_, Ok(test)) => test.burn(photos).map_err(|error| error.to_string()),
                (_, Err(error)) => Err(error.clone()),
            };
            let speed = |speed| Speed::of(&speed, roofline);
            let (own, own_missing) = parts(own.map(speed));
            let (burn, burn_missing) = parts(burn.map(speed));
            measured.push(Forward {
                network,
                precision: precision.to_string(),
                photos,
                own,
                own_missing,
                burn,
                burn_missing,
            });
        }
    }
    measured
}

impl Speed {
    fn of(speed: &ForwardSpeed, roofline: Option<&Roofline>) -> Self {
        let cost = speed.cost.as_ref().map(|cost| Cost {
            launches: cost.launches.len(),
            bytes: cost.bytes().into_iter().sum(),
            multiplications: cost.multiplications(),
            share_of_bandwidth: roofline
                .and_then(|roofline| speed.share_of_bandwidth(roofline))
                .map(digits),
            share_of_peak: roofline.and_then(|roofline| speed.share_of_peak(roofline)).map(digits),
        });
        Self {
            photos_per_s: digits(speed.photos_per_s()),
            median_ms: digits(speed.samples.median() * 1e3),
            fastest_ms: digits(speed.samples.fastest() * 1e3),
            samples: speed.samples.count(),
            difference: Some(digits(speed.difference.into())).filter(|value| value.is_finite()),
            trusted: speed.is_right(),
            cost,
        }
    }
}
