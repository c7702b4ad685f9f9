//! The connection to a GPU.

use std::ops::Deref;

use cubecl::client::Client;

use super::limits::Limits;

/// CubeCL's client of a GPU, with the limits within which kernels are launched on it.
#[derive(Clone)]
pub struct GpuClient {
    client: Client,
    limits: Limits,
}

impl GpuClient {
    /// A client with the limits that CubeCL reports for its adapter.
    pub fn new(client: Client) -> Self {
        let limits = Limits::of(&client);
        Self { client, limits }
    }

    /// A client whose kernels stay within `limits` as well. The limits that CubeCL reports are those
    /// of the adapter; a device can be opened with lower ones.
    pub fn within(client: Client, limits: Limits) -> Self {
        let limits = limits.lowest(Limits::of(&client));
        Self { client, limits }
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
