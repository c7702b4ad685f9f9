//! Instances, physical devices, and the creation of a device.

use std::collections::HashMap;
use std::ffi::{CStr, c_char};
use std::mem::transmute;
use std::sync::{LazyLock, Mutex, PoisonError};

use ash::vk;

use crate::chain::{self, DEVICE_INFO, INSTANCE_INFO, key};
use crate::device;
use crate::faults::{Event, Fault, happened};

type Function = unsafe extern "system" fn();

/// An instance, and functions of the next layer.
#[derive(Clone, Copy)]
struct Next {
    instance: vk::Instance,
    get: vk::PFN_vkGetInstanceProcAddr,
    // Looked up while the instance is created: later the loader's function finds this layer's own.
    enumerate_physical_devices: vk::PFN_vkEnumeratePhysicalDevices,
    /// Whether its devices are gone.
    is_empty: bool,
}

/// The instances, by their keys. The key of a destroyed instance may come again; its entry is then
/// replaced.
static INSTANCES: LazyLock<Mutex<HashMap<usize, Next>>> = LazyLock::new(Mutex::default);

/// This layer's own function of a name.
pub(crate) fn function(name: &CStr) -> Option<Function> {
    // SAFETY: each function has the signature that Vulkan declares for the name; the caller casts
    // it back.
    unsafe {
        Some(match name.to_bytes() {
            b"vkGetInstanceProcAddr" => {
                transmute::<vk::PFN_vkGetInstanceProcAddr, Function>(chain::get_instance_proc_addr)
            }
            b"vkCreateInstance" => transmute::<vk::PFN_vkCreateInstance, Function>(create_instance),
            b"vkEnumeratePhysicalDevices" => transmute::<
                vk::PFN_vkEnumeratePhysicalDevices,
                Function,
            >(enumerate_physical_devices),
            b"vkCreateDevice" => transmute::<vk::PFN_vkCreateDevice, Function>(create_device),
            _ => return None,
        })
    }
}

/// The next layer's function of a name that this one does not have.
///
/// # Safety
/// `instance` is null or live, and `name` ends with zero.
pub(crate) unsafe fn next(instance: vk::Instance, name: *const c_char) -> vk::PFN_vkVoidFunction {
    if instance == vk::Instance::null() {
        return None;
    }
    // SAFETY: see above.
    unsafe { (next_of(key(instance))?.get)(instance, name) }
}

/// The next layer of the instance with this key, which its physical devices share.
fn next_of(key: usize) -> Option<Next> {
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
}

/// The next layer's function of a name.
///
/// # Safety
/// `F` is the type of a pointer to the function of this name, and `instance` is null or live.
unsafe fn resolved<F: Copy>(
    get: vk::PFN_vkGetInstanceProcAddr,
    instance: vk::Instance,
    name: &CStr,
) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<Function>()) };
    // SAFETY: the name ends with zero, and both types are pointers to the same function.
    unsafe {
        let function = get(instance, name.as_ptr())?;
        Some(std::mem::transmute_copy::<Function, F>(&function))
    }
}

unsafe extern "system" fn create_instance(
    info: *const vk::InstanceCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    instance: *mut vk::Instance,
) -> vk::Result {
    let is_empty = happened(Event::Instance) == Some(Fault::Gone);
    // SAFETY: the loader passes valid arguments and a link for each layer; without an instance the
    // next layer's function is looked up with null.
    unsafe {
        let Some(link) = chain::take_link((*info).p_next, INSTANCE_INFO) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get = link.get_instance_proc_addr;
        let null = vk::Instance::null();
        let create = resolved::<vk::PFN_vkCreateInstance>(get, null, c"vkCreateInstance");
        let Some(create) = create else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let result = create(info, allocator, instance);
        if result != vk::Result::SUCCESS {
            return result;
        }
        let instance = *instance;
        let Some(enumerate_physical_devices) = resolved(get, instance, ENUMERATE) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let next = Next { instance, get, enumerate_physical_devices, is_empty };
        INSTANCES.lock().unwrap_or_else(PoisonError::into_inner).insert(key(instance), next);
        result
    }
}

/// The function that [`Next`] keeps.
const ENUMERATE: &CStr = c"vkEnumeratePhysicalDevices";

unsafe extern "system" fn enumerate_physical_devices(
    instance: vk::Instance,
    count: *mut u32,
    devices: *mut vk::PhysicalDevice,
) -> vk::Result {
    // SAFETY: the arguments are the caller's own, and `count` may be written.
    unsafe {
        match next_of(key(instance)) {
            Some(next) if next.is_empty => {
                *count = 0;
                vk::Result::SUCCESS
            }
            Some(next) => (next.enumerate_physical_devices)(instance, count, devices),
            None => vk::Result::ERROR_INITIALIZATION_FAILED,
        }
    }
}

unsafe extern "system" fn create_device(
    physical: vk::PhysicalDevice,
    info: *const vk::DeviceCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    device: *mut vk::Device,
) -> vk::Result {
    if happened(Event::Device) == Some(Fault::Refused) {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }
    // SAFETY: the loader passes valid arguments and a link for each layer.
    unsafe {
        let Some(link) = chain::take_link((*info).p_next, DEVICE_INFO) else {
            return vk::Result::ERROR_INITIALIZATION_FAILED;
        };
        let get = link.get_instance_proc_addr;
        let create = next_of(key(physical)).and_then(|next| {
            resolved::<vk::PFN_vkCreateDevice>(get, next.instance, c"vkCreateDevice")
        });
        let Some(create) = create else { return vk::Result::ERROR_INITIALIZATION_FAILED };
        let result = create(physical, info, allocator, device);
        if result == vk::Result::SUCCESS {
            device::opened(*device, link.get_device_proc_addr);
        }
        result
    }
}
