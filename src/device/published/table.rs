//! The table of published limits.

use super::PublishedLimits;
use crate::kernels::Limits;

/// Published limits, the guaranteed minima of APIs first.
pub const PUBLISHED: &[PublishedLimits] = &[
    PublishedLimits {
        name: "webgpu",
        adapters: "the least that WebGPU guarantees",
        limits: Limits::WEBGPU,
        largest_buffer: 256 << 20,
        alignment: 256,
        subgroup: [4, 128],
        f16: false,
        source: "https://www.w3.org/TR/webgpu/#limits",
    },
    PublishedLimits {
        name: "apple-m1",
        adapters: "Apple M1 (GPU family Apple 7)",
        limits: Limits {
            units: 1024,
            shared: 32 << 10,
            groups: 65535,
            buffer_bytes: 4 << 30,
            buffers: 31,
        },
        largest_buffer: 4 << 30,
        alignment: 32,
        subgroup: [32, 32],
        f16: true,
        source: "https://developer.apple.com/metal/Metal-Feature-Set-Tables.pdf",
    },
];
