//! The queue, and waiting for its work.

use std::sync::atomic::Ordering;

use ash::vk;

use crate::device::of;
use crate::faults::{Event, Fault, happened};

pub(crate) unsafe extern "system" fn queue_submit(
    queue: vk::Queue,
    count: u32,
    submits: *const vk::SubmitInfo<'_>,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let device = of(queue);
        match happened(Event::Submit) {
            Some(Fault::DeviceLost) => return device.lose(),
            Some(Fault::OutOfMemory) => return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
            Some(Fault::Hang) => device.hangs.store(true, Ordering::SeqCst),
            _ => (),
        }
        if device.is_lost() {
            return vk::Result::ERROR_DEVICE_LOST;
        }
        if device.hangs.load(Ordering::SeqCst) {
            return vk::Result::SUCCESS;
        }
        (device.real.fp_v1_0().queue_submit)(queue, count, submits, fence)
    }
}

pub(crate) unsafe extern "system" fn queue_wait_idle(queue: vk::Queue) -> vk::Result {
    // SAFETY: the queue is the caller's own.
    unsafe {
        let device = of(queue);
        if device.hangs.load(Ordering::SeqCst) {
            device.hang();
        }
        device.waited(|| (device.real.fp_v1_0().queue_wait_idle)(queue))
    }
}

pub(crate) unsafe extern "system" fn device_wait_idle(device: vk::Device) -> vk::Result {
    // SAFETY: the device is the caller's own.
    unsafe {
        let known = of(device);
        if known.hangs.load(Ordering::SeqCst) {
            known.hang();
        }
        known.waited(|| (known.real.fp_v1_0().device_wait_idle)(device))
    }
}

pub(crate) unsafe extern "system" fn get_fence_status(
    device: vk::Device,
    fence: vk::Fence,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let known = of(device);
        match known.is_lost() {
            true => vk::Result::ERROR_DEVICE_LOST,
            false => (known.real.fp_v1_0().get_fence_status)(device, fence),
        }
    }
}

pub(crate) unsafe extern "system" fn wait_for_fences(
    device: vk::Device,
    count: u32,
    fences: *const vk::Fence,
    wait_all: vk::Bool32,
    timeout: u64,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let known = of(device);
        let wait = known.real.fp_v1_0().wait_for_fences;
        known.waited(|| wait(device, count, fences, wait_all, timeout))
    }
}

pub(crate) unsafe extern "system" fn semaphore_counter_value(
    device: vk::Device,
    semaphore: vk::Semaphore,
    value: *mut u64,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let known = of(device);
        match known.is_lost() {
            true => vk::Result::ERROR_DEVICE_LOST,
            false => (known.real.fp_v1_2().get_semaphore_counter_value)(device, semaphore, value),
        }
    }
}

pub(crate) unsafe extern "system" fn wait_semaphores(
    device: vk::Device,
    info: *const vk::SemaphoreWaitInfo<'_>,
    timeout: u64,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let known = of(device);
        known.waited(|| (known.real.fp_v1_2().wait_semaphores)(device, info, timeout))
    }
}
