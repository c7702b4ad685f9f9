//! The time of each step of a forward pass on the device.

use std::time::Duration;

use cubecl::future::block_on;
use cubecl::profile::TimingMethod;

use super::forward_cost::Launch;
use super::network::GpuNetwork;
use crate::engine::EngineError;
use crate::kernels::DeviceTensor;

/// A step of a forward pass, with its time in all passes that were measured.
#[derive(Clone, Debug)]
pub struct GpuStepTime {
    /// The step's name in the plan.
    pub step: String,
    /// What its launches cost in one pass.
    pub launches: Vec<Launch>,
    /// Its output, `[channels, height, width]`.
    pub output: [usize; 3],
    /// Its time.
    pub time: Duration,
    /// Whether the device's own clock measured it. Otherwise the time includes the launch.
    pub is_device_time: bool,
}

impl GpuNetwork {
    /// Runs `forwards` passes over `photos` and returns each step's time in all of them, without
    /// the preprocessing and the final mean. Each step is measured by itself, so that steps do not
    /// overlap as they do in [`features`](Self::features).
    ///
    /// # Errors
    /// If the device fails or cannot measure.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn step_times(
        &self,
        photos: &DeviceTensor,
        forwards: usize,
    ) -> Result<Vec<GpuStepTime>, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError::Device(error.to_string());
        let launches = self.forward_cost(photos.photos).launches;
        let mut steps: Vec<GpuStepTime> = Vec::new();
        for _ in 0..forwards {
            let mut at = 0;
            let mut result = Ok(());
            let client = self.client();
            let mut window = Some(client.profile_start().map_err(|error| failed(&error))?);
            self.feature_map(photos.clone(), |name, output| {
                let Some(begun) = window.take() else { return };
                let measured = client.profile_end(begun).map_err(|error| failed(&error));
                let time = measured.and_then(|time| {
                    let is_device_time = time.timing_method() == TimingMethod::Device;
                    let ticks = block_on(time.resolve());
                    let ticks = ticks.ok_or_else(|| failed(&"it measured no time"))?;
                    Ok((ticks.duration(), is_device_time))
                });
                match time {
                    Ok((time, is_device_time)) if at == steps.len() => steps.push(GpuStepTime {
                        step: name.to_owned(),
                        launches: launches
                            .iter()
                            .filter(|launch| launch.step == name)
                            .cloned()
                            .collect(),
                        output: output.shape(),
                        time,
                        is_device_time,
                    }),
                    Ok((time, _)) => steps[at].time += time,
                    Err(error) => result = Err(error),
                }
                at += 1;
                match client.profile_start() {
                    Ok(next) => window = Some(next),
                    Err(error) => result = Err(failed(&error)),
                }
            });
            if let Some(open) = window {
                client.profile_abandon(open);
            }
            result?;
        }
        Ok(steps)
    }
}
