//! Pipelines, and what command buffers hold: dispatches, fills and copies.

use ash::vk;

use crate::device::{locked, of};
use crate::faults::{Event, Fault, PLAN, happened};
use crate::memory::POISON;

pub(crate) unsafe extern "system" fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    count: u32,
    infos: *const vk::ComputePipelineCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    pipelines: *mut vk::Pipeline,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own, and `pipelines` has room for `count`.
    unsafe {
        let device = of(device);
        let result = match happened(Event::Pipeline) {
            Some(Fault::Hang) => device.hang(),
            // What drivers return if their compiler fails.
            Some(Fault::Refused) => vk::Result::ERROR_UNKNOWN,
            Some(_) => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            None => {
                let create = device.real.fp_v1_0().create_compute_pipelines;
                return create(device.real.handle(), cache, count, infos, allocator, pipelines);
            }
        };
        for at in 0..count as usize {
            pipelines.add(at).write(vk::Pipeline::null());
        }
        result
    }
}

pub(crate) unsafe extern "system" fn cmd_dispatch(
    commands: vk::CommandBuffer,
    x: u32,
    y: u32,
    z: u32,
) {
    let [x, y, z] = match happened(Event::Dispatch) {
        Some(_) => without_the_last([x, y, z]),
        None => [x, y, z],
    };
    // SAFETY: the commands are the caller's own, and the counts are no larger than the caller's.
    unsafe { of(commands).real.cmd_dispatch(commands, x, y, z) }
}

/// As many work-groups without those that are last in the first direction that has several.
fn without_the_last(mut counts: [u32; 3]) -> [u32; 3] {
    let longest = counts.iter().position(|count| *count > 1).unwrap_or(0);
    counts[longest] = counts[longest].saturating_sub(1);
    counts
}

pub(crate) unsafe extern "system" fn cmd_fill_buffer(
    commands: vk::CommandBuffer,
    buffer: vk::Buffer,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    data: u32,
) {
    let data = if PLAN.poison && data == 0 { POISON } else { data };
    // SAFETY: the arguments are the caller's own.
    unsafe { of(commands).real.cmd_fill_buffer(commands, buffer, offset, size, data) }
}

pub(crate) unsafe extern "system" fn cmd_copy_buffer(
    commands: vk::CommandBuffer,
    source: vk::Buffer,
    target: vk::Buffer,
    count: u32,
    regions: *const vk::BufferCopy,
) {
    // SAFETY: the arguments are the caller's own, and there are `count` regions. Each of them is
    // within the target and, for wgpu, has a size and an offset that four divides.
    unsafe {
        let device = of(commands);
        let is_read_back = locked(&device.read_back).contains(&target);
        let fault = if is_read_back { happened(Event::Read) } else { None };
        let regions = std::slice::from_raw_parts(regions, count as usize);
        match fault {
            None => device.real.cmd_copy_buffer(commands, source, target, regions),
            Some(Fault::Zeros) => {
                for region in regions {
                    let (at, bytes) = (region.dst_offset, region.size);
                    device.real.cmd_fill_buffer(commands, target, at, bytes, 0);
                }
            }
            Some(_) => (),
        }
    }
}
