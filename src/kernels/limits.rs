//! What an adapter allows a kernel. The limits are queried, never assumed.

use cubecl::client::Client;
use serde::{Deserialize, Serialize};

use super::tile::Tile;

/// What an adapter allows a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Units (threads) per work-group, all of them along its first dimension.
    pub units: usize,
    /// Bytes of shared memory per work-group.
    pub shared: usize,
    /// Work-groups along each dimension of a launch.
    pub groups: usize,
    /// Bytes of the largest buffer that a kernel can read or write.
    pub buffer_bytes: u64,
    /// Buffers per kernel.
    pub buffers: usize,
}

impl Limits {
    /// The limits that every WebGPU adapter has at least:
    /// <https://www.w3.org/TR/webgpu/#limits>, `maxComputeInvocationsPerWorkgroup`,
    /// `maxComputeWorkgroupStorageSize`, `maxComputeWorkgroupsPerDimension`,
    /// `maxStorageBufferBindingSize` and `maxStorageBuffersPerShaderStage`.
    pub const WEBGPU: Self =
        Self { units: 256, shared: 16384, groups: 65535, buffer_bytes: 128 << 20, buffers: 8 };

    /// Buffers of the kernel with the most: input, weights, bias, shortcut, output, and CubeCL's
    /// buffer of sizes. WebGPU guarantees 8, but some adapters have only 4.
    pub const BUFFERS: usize = 6;

    /// The limits of the client's adapter.
    pub fn of(client: &Client) -> Self {
        let properties = client.properties();
        let hardware = &properties.hardware;
        let (across, down, deep) = hardware.max_cube_count;
        Self {
            units: hardware.max_units_per_cube.min(hardware.max_cube_dim.0) as usize,
            shared: hardware.max_shared_memory_size,
            groups: across.min(down).min(deep) as usize,
            buffer_bytes: properties.memory.max_page_size,
            // CubeCL leaves one out, for a buffer of wgpu.
            buffers: hardware.max_bindings as usize + 1,
        }
    }

    /// The lower one of each limit.
    #[must_use]
    pub fn lowest(self, other: Self) -> Self {
        Self {
            units: self.units.min(other.units),
            shared: self.shared.min(other.shared),
            groups: self.groups.min(other.groups),
            buffer_bytes: self.buffer_bytes.min(other.buffer_bytes),
            buffers: self.buffers.min(other.buffers),
        }
    }

    /// Whether every operation has a kernel that fits these limits.
    pub fn allow_kernels(self) -> bool {
        Tile::within(self, 1).is_some() && self.buffers >= Self::BUFFERS
    }
}
