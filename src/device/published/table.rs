//! The table of published limits.
//!
//! A driver's limits are those of a report to <https://vulkan.gpuinfo.org>. The source is a copy of
//! that report: `VkPhysicalDeviceLimits`, `maxMemoryAllocationSize` for the largest buffer, and
//! `shaderFloat16` with the 16-bit storage that wgpu needs for the `f16` of WGSL. A binding is
//! never larger than the largest buffer. What a source does not say is what its API guarantees, and
//! the row's source says so. The sub-groups and f16 of Intel's GPUs are those of
//! `min_desktop_intel.as` in the same place; the f16 of AMD's and NVIDIA's GPUs is that of Mesa's
//! drivers, which have it from GCN 5 (`has_packed_math_16bit` in RADV) and from Turing on (`sm >=
//! 70` in NVK).

use super::PublishedLimits;
use crate::kernels::Limits;

/// A report that was exported from <https://vulkan.gpuinfo.org>.
macro_rules! report {
    ($file:literal) => {
        concat!(
            "https://github.com/azhirnov/as-en/blob/71fc69b61cf7de4967f9ca7d75d043a8c065504e/",
            "AE/engine/tools/device_info/",
            $file
        )
    };
    ($file:literal, $remark:literal) => {
        concat!(report!($file), "; ", $remark)
    };
}

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
        name: "vulkan",
        adapters: "the least that Vulkan 1.1 guarantees",
        limits: Limits {
            units: 128,
            shared: 16 << 10,
            groups: 65535,
            buffer_bytes: 128 << 20,
            buffers: 4,
        },
        largest_buffer: 1 << 30,
        alignment: 256,
        subgroup: [1, 128],
        f16: false,
        source: "https://registry.khronos.org/vulkan/specs/latest/html/vkspec.html#limits-minmax",
    },
    PublishedLimits {
        name: "dx12",
        adapters: "every adapter with Direct3D 12, as wgpu opens it",
        limits: Limits {
            units: 1024,
            shared: 32 << 10,
            groups: 65535,
            buffer_bytes: i32::MAX as u64,
            // Resource binding tier 1: 64 in all, which wgpu divides by two stages and two kinds.
            buffers: 16,
        },
        largest_buffer: i32::MAX as u64,
        alignment: 16,
        subgroup: [4, 128],
        f16: false,
        source: "https://github.com/gfx-rs/wgpu/blob/v30.0.1/wgpu-hal/src/dx12/adapter.rs; \
                 resource binding tier 1 with feature level 11.1",
    },
    PublishedLimits {
        name: "apple-m1",
        adapters: "Apple M1 with 8 GB",
        source: report!("desktop/Apple-M1-1.4.323.json", "work-groups and alignment: wgpu's"),
        ..apple(4 << 30)
    },
    PublishedLimits {
        name: "apple-m2",
        adapters: "Apple M2 with 16 GB",
        source: report!("desktop/Apple-M2-1.4.323.json", "work-groups and alignment: wgpu's"),
        ..apple(8 << 30)
    },
    PublishedLimits {
        name: "apple-m3",
        adapters: "Apple M3 with 16 GB",
        source: report!("desktop/Apple-M3-1.4.323.json", "work-groups and alignment: wgpu's"),
        ..apple(9_534_832_640)
    },
    PublishedLimits {
        name: "apple-m4",
        adapters: "Apple M4 with 16 GB",
        source: report!("desktop/Apple-M4-1.4.329.json", "work-groups and alignment: wgpu's"),
        ..apple(9_534_832_640)
    },
    PublishedLimits {
        name: "intel-uhd-620",
        adapters: "Intel UHD Graphics 620 and 630 (Gen 9.5), Intel's driver for Windows",
        largest_buffer: 4_121_833_472,
        source: report!("desktop/Win-Intel-Gen9.5-1.3.215.json"),
        ..INTEL
    },
    PublishedLimits {
        name: "intel-iris-xe",
        adapters: "Intel Iris Xe (Gen 12), Intel's driver for Windows",
        source: report!("desktop/Win-Intel-Gen12-1.4.318.json"),
        ..INTEL
    },
    PublishedLimits {
        name: "intel-arc",
        adapters: "Intel Arc A-series (Xe-HPG), Intel's driver for Windows",
        limits: Limits { buffers: 33_554_432, ..INTEL.limits },
        source: report!("desktop/Win-Intel-Xe1-1.4.325.json"),
        ..INTEL
    },
    PublishedLimits {
        name: "amd-vega-igpu",
        adapters: "AMD Radeon RX Vega 10 (GCN 5, in Ryzen processors), AMD's driver for Windows",
        subgroup: [64, 64],
        source: report!("desktop/Win-AMD-GCN5-RXVega10-1.3.260.json"),
        ..AMD
    },
    PublishedLimits {
        name: "amd-rdna2",
        adapters: "AMD Radeon RX 6000 (RDNA 2), AMD's driver for Windows",
        source: report!("desktop/Win-AMD-RDNA2-1.4.315.json"),
        ..AMD
    },
    PublishedLimits {
        name: "amd-rdna3",
        adapters: "AMD Radeon 780M (RDNA 3), AMD's driver for Windows",
        source: report!("desktop/Win-AMD-RDNA3-780M-1.4.329.json"),
        ..AMD
    },
    PublishedLimits {
        name: "nvidia-turing",
        adapters: "NVIDIA GeForce RTX 20 (Turing)",
        source: report!("desktop/Win-NV-RTX2000-1.4.312.json"),
        ..NVIDIA
    },
    PublishedLimits {
        name: "nvidia-ampere",
        adapters: "NVIDIA GeForce RTX 30 (Ampere)",
        source: report!("desktop/Win-NV-RTX3000-1.4.328.json"),
        ..NVIDIA
    },
    PublishedLimits {
        name: "nvidia-ada",
        adapters: "NVIDIA GeForce RTX 40 (Ada Lovelace)",
        source: report!("desktop/Win-NV-RTX4000-1.4.328.json"),
        ..NVIDIA
    },
    PublishedLimits {
        name: "nvidia-hopper",
        adapters: "NVIDIA H100 and H200 (Hopper)",
        source: "https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities; \
                 buffers and alignment: the same driver on Ada Lovelace",
        ..NVIDIA
    },
    PublishedLimits {
        name: "adreno-6xx",
        adapters: "Qualcomm Adreno 660, Qualcomm's driver",
        limits: Limits { buffers: 524_288, ..ADRENO.limits },
        subgroup: [64, 128],
        source: report!("mobile/Adreno-660-1.1.295.json", "largest buffer: guaranteed"),
        ..ADRENO
    },
    PublishedLimits {
        name: "adreno-7xx",
        adapters: "Qualcomm Adreno 740, Qualcomm's driver",
        source: report!("mobile/Adreno-740-1.3.295.json", "largest buffer: guaranteed"),
        ..ADRENO
    },
    PublishedLimits {
        name: "adreno-x1",
        adapters: "Qualcomm Adreno X1-85 (Snapdragon X laptops), Qualcomm's driver for Windows",
        source: report!("desktop/Win-Adreno-X1-85-1.3.295.json", "f16: guaranteed"),
        ..ADRENO
    },
    PublishedLimits {
        name: "mali",
        adapters: "Arm Mali-G57 (Valhall), Arm's driver",
        limits: Limits {
            units: 512,
            shared: 32 << 10,
            groups: u32::MAX as usize,
            buffer_bytes: 1 << 30,
            buffers: 500_000,
        },
        largest_buffer: 1 << 30,
        alignment: 64,
        subgroup: [16, 16],
        f16: true,
        source: report!("mobile/Mali-G57-1.3.283.json", "largest buffer: guaranteed"),
    },
    PublishedLimits {
        name: "videocore7",
        adapters: "Broadcom VideoCore VII (the GPU of Raspberry Pi 5), Broadcom's driver",
        limits: Limits {
            units: 256,
            shared: 32 << 10,
            groups: 65536,
            buffer_bytes: 128 << 20,
            buffers: 500_000,
        },
        largest_buffer: 1 << 30,
        alignment: 16,
        subgroup: [16, 16],
        f16: false,
        source: report!("mobile/Videocore7-1.3.295.json", "f16: guaranteed"),
    },
];

/// Apple's GPUs through Metal, whose largest buffer depends on the memory. Metal has 31 buffers a
/// function and no limit on work-groups and alignment; wgpu's are 65535 and 32.
const fn apple(largest_buffer: u64) -> PublishedLimits {
    PublishedLimits {
        name: "",
        adapters: "",
        limits: Limits {
            units: 1024,
            shared: 32 << 10,
            groups: 65535,
            // MoltenVK reports no more than a u32; Metal binds whole buffers.
            buffer_bytes: largest_buffer,
            buffers: 31,
        },
        largest_buffer,
        alignment: 32,
        // The SIMD groups of a kernel have 32 units. MoltenVK also reports the quad groups.
        subgroup: [4, 32],
        f16: true,
        source: "",
    }
}

/// What Intel's drivers for Windows have in common.
const INTEL: PublishedLimits = PublishedLimits {
    name: "",
    adapters: "",
    limits: Limits {
        units: 1024,
        shared: 32 << 10,
        groups: 65536,
        buffer_bytes: 1_073_741_820,
        buffers: 200,
    },
    largest_buffer: 4_294_901_760,
    alignment: 64,
    subgroup: [8, 32],
    f16: true,
    source: "",
};

/// What AMD's drivers for Windows have in common.
const AMD: PublishedLimits = PublishedLimits {
    name: "",
    adapters: "",
    limits: Limits {
        units: 1024,
        shared: 32 << 10,
        groups: 65535,
        buffer_bytes: 1 << 31,
        buffers: u32::MAX as usize,
    },
    largest_buffer: 1 << 31,
    alignment: 4,
    subgroup: [32, 64],
    f16: true,
    source: "",
};

/// What NVIDIA's driver reports on every architecture.
const NVIDIA: PublishedLimits = PublishedLimits {
    name: "",
    adapters: "",
    limits: Limits {
        units: 1024,
        shared: 48 << 10,
        groups: 65535,
        buffer_bytes: 4_292_870_144,
        buffers: 1_048_576,
    },
    largest_buffer: 4_292_870_144,
    alignment: 16,
    subgroup: [32, 32],
    f16: true,
    source: "",
};

/// What Qualcomm's drivers have in common. Shaders compute in 16 bits, but uniform buffers cannot
/// hold 16-bit values, which wgpu asks for as well.
const ADRENO: PublishedLimits = PublishedLimits {
    name: "",
    adapters: "",
    limits: Limits {
        units: 1024,
        shared: 32 << 10,
        groups: 65535,
        buffer_bytes: 128 << 20,
        buffers: 16_777_216,
    },
    largest_buffer: 1 << 30,
    alignment: 64,
    subgroup: [64, 64],
    f16: false,
    source: "",
};
