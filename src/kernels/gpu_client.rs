//! The connection to a GPU.

use std::ops::Deref;

use cubecl::client::Client;

use super::driver_reports::DriverReports;
use super::limits::Limits;

/// CubeCL's client of a GPU, with the limits within which kernels are launched on it.
#[derive(Clone)]
pub struct GpuClient {
    client: Client,
    limits: Limits,
    reports: DriverReports,
}

impl GpuClient {
    /// A client with the limits that CubeCL reports for its adapter.
    pub fn new(client: Client) -> Self {
        let limits = Limits::of(&client);
        Self { client, limits, reports: DriverReports::default() }
    }

    /// A client whose kernels stay within `limits` as well. The limits that CubeCL reports are
    /// those of the adapter; a device can be opened with lower ones.
    pub fn within(client: Client, limits: Limits) -> Self {
        let limits = limits.lowest(Limits::of(&client));
        Self { client, limits, reports: DriverReports::default() }
    }

    /// The same with the reports of its driver.
    #[must_use]
    pub fn with_reports(self, reports: DriverReports) -> Self {
        Self { reports, ..self }
    }

    /// What its driver reported beside the calls that failed.
    pub fn reports(&self) -> &DriverReports {
        &self.reports
    }

    /// The limits within which kernels are launched.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

impl Deref for GpuClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
