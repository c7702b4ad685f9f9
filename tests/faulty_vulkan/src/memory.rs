//! Buffers and memory, which may be short or hold NaN.

use std::sync::atomic::Ordering;

use ash::vk;

use crate::device::{locked, of};
use crate::faults::{Event, Fault, PLAN, happened, note};

/// NaN in f32, and twice NaN in f16.
pub(crate) const POISON: u32 = 0x7fff_7fff;

pub(crate) unsafe extern "system" fn create_buffer(
    device: vk::Device,
    info: *const vk::BufferCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    buffer: *mut vk::Buffer,
) -> vk::Result {
    // SAFETY: the caller's own structure.
    let bytes = unsafe { (*info).size };
    let is_too_large = PLAN.largest.is_some_and(|largest| bytes > largest);
    note(&format!("bytes {bytes}"));
    if is_too_large {
        note(&format!("fault OutOfMemory for a buffer of {bytes} bytes"));
    }
    if happened(Event::Buffer) == Some(Fault::OutOfMemory) || is_too_large {
        return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
    }
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let device = of(device);
        let create = device.real.fp_v1_0().create_buffer;
        let result = create(device.real.handle(), info, allocator, buffer);
        // A buffer for nothing but copies into it is one that the processor reads.
        let is_read_back = (*info).usage == vk::BufferUsageFlags::TRANSFER_DST;
        if result == vk::Result::SUCCESS && is_read_back {
            locked(&device.read_back).push(*buffer);
        }
        result
    }
}

pub(crate) unsafe extern "system" fn destroy_buffer(
    device: vk::Device,
    buffer: vk::Buffer,
    allocator: *const vk::AllocationCallbacks<'_>,
) {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let device = of(device);
        locked(&device.read_back).retain(|known| *known != buffer);
        (device.real.fp_v1_0().destroy_buffer)(device.real.handle(), buffer, allocator);
    }
}

pub(crate) unsafe extern "system" fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    memory: *mut vk::DeviceMemory,
) -> vk::Result {
    let fault = happened(Event::Memory);
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let device = of(device);
        let bytes = (*info).allocation_size;
        let in_all = device.allocated.load(Ordering::SeqCst).saturating_add(bytes);
        let is_too_small = PLAN.memory.is_some_and(|memory| in_all > memory);
        if is_too_small {
            note(&format!("fault OutOfMemory with {in_all} bytes in all"));
        }
        if fault == Some(Fault::OutOfMemory) || is_too_small {
            return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
        }
        let allocate = device.real.fp_v1_0().allocate_memory;
        let result = allocate(device.real.handle(), info, allocator, memory);
        if result == vk::Result::SUCCESS {
            device.allocated.fetch_add(bytes, Ordering::SeqCst);
            locked(&device.sizes).insert(*memory, bytes);
            if PLAN.poison {
                poison(&device.real, *memory, bytes);
            }
        }
        result
    }
}

/// Fills new memory with NaN, if the processor can write it.
///
/// # Safety
/// Nobody else uses the memory yet, and it has this many bytes.
unsafe fn poison(real: &ash::Device, memory: vk::DeviceMemory, bytes: u64) {
    // SAFETY: see above. The mapping covers the memory, and ends before the program gets it. Memory
    // that is not for the processor cannot be mapped, and stays as it is.
    unsafe {
        let Ok(start) = real.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())
        else {
            return;
        };
        std::slice::from_raw_parts_mut(start.cast::<u32>(), bytes as usize / 4).fill(POISON);
        real.unmap_memory(memory);
    }
}

pub(crate) unsafe extern "system" fn free_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    allocator: *const vk::AllocationCallbacks<'_>,
) {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let device = of(device);
        if let Some(bytes) = locked(&device.sizes).remove(&memory) {
            device.allocated.fetch_sub(bytes, Ordering::SeqCst);
        }
        (device.real.fp_v1_0().free_memory)(device.real.handle(), memory, allocator);
    }
}
