//! Devices, and which of their functions are this layer's own.
//!
//! After a loss every call that can report it does, as Vulkan demands. What hangs is not passed on
//! to the real driver: its fences and semaphores are never signalled, and waiting for them takes as
//! long as the program's patience.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ash::vk;

use crate::chain::{get_device_proc_addr, key};
use crate::faults::{Event, Fault, happened};
use crate::{commands, memory, queue};

type Function = unsafe extern "system" fn();

/// A device of the real driver.
pub(crate) struct Device {
    pub real: ash::Device,
    get: vk::PFN_vkGetDeviceProcAddr,
    is_lost: AtomicBool,
    pub hangs: AtomicBool,
    /// Bytes that are allocated.
    pub allocated: AtomicU64,
    /// The size of each allocation.
    pub sizes: Mutex<HashMap<vk::DeviceMemory, u64>>,
    /// Buffers that the processor reads.
    pub read_back: Mutex<Vec<vk::Buffer>>,
}

/// The devices, by their keys. The key of a destroyed device may come again; its entry is then
/// replaced.
static DEVICES: LazyLock<Mutex<HashMap<usize, Arc<Device>>>> = LazyLock::new(Mutex::default);

/// Remembers a device that was created.
///
/// # Safety
/// `device` is live, and `get` is the next layer's function for it.
pub(crate) unsafe fn opened(device: vk::Device, get: vk::PFN_vkGetDeviceProcAddr) {
    // SAFETY: see above; each name ends with zero.
    let (real, key) = unsafe {
        let load = |name: &CStr| {
            let function = get(device, name.as_ptr());
            function.map_or(ptr::null(), |function| function as *const c_void)
        };
        (ash::Device::load_with(load, device), key(device))
    };
    let device = Device {
        real,
        get,
        is_lost: AtomicBool::new(false),
        hangs: AtomicBool::new(false),
        allocated: AtomicU64::new(0),
        sizes: Mutex::default(),
        read_back: Mutex::default(),
    };
    locked(&DEVICES).insert(key, Arc::new(device));
}

/// The next layer's function of a name that this one does not have.
///
/// # Safety
/// `device` is live, and `name` ends with zero.
pub(crate) unsafe fn next(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    // SAFETY: see above.
    unsafe { (of(device).get)(device, name) }
}

/// The device that a device, queue or command buffer belongs to.
///
/// # Safety
/// The handle is live.
pub(crate) unsafe fn of(handle: impl vk::Handle) -> Arc<Device> {
    // SAFETY: see above.
    let key = unsafe { key(handle) };
    let device = locked(&DEVICES).get(&key).cloned();
    device.unwrap_or_else(|| {
        eprintln!("a handle of a device that was not created through this layer");
        std::process::abort()
    })
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This layer's own function of a name.
pub(crate) fn function(name: &CStr) -> Option<Function> {
    macro_rules! functions {
        ($($name:literal: $type:ident = $function:path,)*) => {
            match name.to_bytes() {
                $(
                    // SAFETY: the function has the signature that Vulkan declares for the name, and
                    // the caller casts it back.
                    $name => unsafe { transmute::<vk::$type, Function>($function) },
                )*
                _ => return None,
            }
        };
    }
    Some(functions! {
        b"vkGetDeviceProcAddr": PFN_vkGetDeviceProcAddr = get_device_proc_addr,
        b"vkCreateBuffer": PFN_vkCreateBuffer = memory::create_buffer,
        b"vkDestroyBuffer": PFN_vkDestroyBuffer = memory::destroy_buffer,
        b"vkAllocateMemory": PFN_vkAllocateMemory = memory::allocate_memory,
        b"vkFreeMemory": PFN_vkFreeMemory = memory::free_memory,
        b"vkCreateComputePipelines": PFN_vkCreateComputePipelines = commands::create_compute_pipelines,
        b"vkCmdDispatch": PFN_vkCmdDispatch = commands::cmd_dispatch,
        b"vkCmdFillBuffer": PFN_vkCmdFillBuffer = commands::cmd_fill_buffer,
        b"vkCmdCopyBuffer": PFN_vkCmdCopyBuffer = commands::cmd_copy_buffer,
        b"vkQueueSubmit": PFN_vkQueueSubmit = queue::queue_submit,
        b"vkQueueWaitIdle": PFN_vkQueueWaitIdle = queue::queue_wait_idle,
        b"vkDeviceWaitIdle": PFN_vkDeviceWaitIdle = queue::device_wait_idle,
        b"vkGetFenceStatus": PFN_vkGetFenceStatus = queue::get_fence_status,
        b"vkWaitForFences": PFN_vkWaitForFences = queue::wait_for_fences,
        b"vkGetSemaphoreCounterValue": PFN_vkGetSemaphoreCounterValue = queue::semaphore_counter_value,
        b"vkGetSemaphoreCounterValueKHR": PFN_vkGetSemaphoreCounterValue = queue::semaphore_counter_value,
        b"vkWaitSemaphores": PFN_vkWaitSemaphores = queue::wait_semaphores,
        b"vkWaitSemaphoresKHR": PFN_vkWaitSemaphores = queue::wait_semaphores,
    })
}

impl Device {
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// Loses the device. The real one finishes its work first: the program may free its memory now.
    pub fn lose(&self) -> vk::Result {
        if !self.is_lost.swap(true, Ordering::SeqCst) {
            // SAFETY: the device is live. What another thread submits at this moment is either
            // finished too or refused.
            let _ = unsafe { self.real.device_wait_idle() };
        }
        vk::Result::ERROR_DEVICE_LOST
    }

    /// Never returns.
    pub fn hang(&self) -> ! {
        loop {
            std::thread::park();
        }
    }

    /// Waits for work with `wait`, if the device is there and does not break while it waits.
    pub fn waited(&self, wait: impl FnOnce() -> vk::Result) -> vk::Result {
        if happened(Event::Wait) == Some(Fault::DeviceLost) || self.is_lost() {
            return self.lose();
        }
        let result = wait();
        // Another thread may have lost it meanwhile.
        if self.is_lost() { vk::Result::ERROR_DEVICE_LOST } else { result }
    }
}
