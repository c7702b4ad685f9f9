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

    /// Work-groups along each dimension that WebGPU, Vulkan and Direct3D 12 guarantee.
    pub const GROUPS: usize = 65535;

    /// The largest alignment of a part of a buffer that an API may ask for:
    /// `minStorageBufferOffsetAlignment` of WebGPU and Vulkan is at most 256.
    pub const ALIGNMENT: usize = 256;

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

    /// Bytes of the largest buffer that kernels use, in whole [`ALIGNMENT`](Self::ALIGNMENT)s: no
    /// index into it, and no offset in bytes, exceeds an `i32`. Shaders count in `u32`, and wgpu
    /// binds no more on Vulkan and Direct3D 12, because some of their compilers compute offsets in
    /// `i32` (`MAX_I32_BINDING_SIZE` in wgpu-hal).
    pub fn buffer(self) -> usize {
        let bytes = self.buffer_bytes.min(i32::MAX as u64) as usize;
        bytes / Self::ALIGNMENT * Self::ALIGNMENT
    }

    /// Whether every operation has a kernel that fits these limits.
    pub fn allow_kernels(self) -> bool {
        self.shortage().is_none()
    }

    /// Why an operation has no kernel that fits these limits. `None` if all have one.
    pub fn shortage(self) -> Option<&'static str> {
        match self {
            _ if self.buffers < Self::BUFFERS => {
                Some("the adapter binds fewer than the 6 buffers of Kindling's kernels")
            }
            _ if self.groups < Self::GROUPS => {
                Some("the adapter launches fewer than 65535 work-groups along a dimension")
            }
            _ if Tile::within(self, 1).is_none() => Some(
                "the adapter has fewer units or less shared memory per work-group than the \
                 smallest tile of Kindling's kernels",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_webgpu_guarantees_is_enough_and_each_shortage_is_named() {
        let least = Limits::WEBGPU;
        assert_eq!(least.shortage(), None);
        for (limits, named) in [
            (Limits { buffers: 4, ..least }, "6 buffers"),
            (Limits { groups: 1024, ..least }, "65535 work-groups"),
            (Limits { units: 8, ..least }, "smallest tile"),
            (Limits { shared: 1024, ..least }, "smallest tile"),
        ] {
            let shortage = limits.shortage();
            assert!(shortage.is_some_and(|reason| reason.contains(named)), "{shortage:?}");
            assert!(!limits.allow_kernels());
        }
    }

    #[test]
    fn no_offset_into_the_largest_buffer_exceeds_an_i32() {
        let of = |buffer_bytes| Limits { buffer_bytes, ..Limits::WEBGPU }.buffer();
        assert_eq!(of(128 << 20), 128 << 20);
        assert_eq!(of((128 << 20) + 255), 128 << 20);
        for large in [i32::MAX as u64, 1 << 31, u32::MAX as u64, 1 << 32, u64::MAX] {
            assert_eq!(of(large), (1 << 31) - 256);
        }
    }
}
