//! The loader's interface, as `vulkan/vk_layer.h` declares it: how a layer is asked for its
//! functions, and how it finds those of the next layer or driver.
//!
//! <https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderLayerInterface.md>

use std::ffi::{CStr, c_char, c_void};
use std::sync::LazyLock;

use ash::vk::{self, Handle};

use crate::faults::PLAN;
use crate::{device, instance};

/// `VK_LAYER_LINK_INFO`.
const LINK_INFO: i32 = 0;
/// `VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO`.
pub(crate) const INSTANCE_INFO: i32 = 47;
/// `VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO`.
pub(crate) const DEVICE_INFO: i32 = 48;

/// `VkLayerInstanceLink` or `VkLayerDeviceLink`: the functions of the next layer.
#[repr(C)]
pub(crate) struct Link {
    next: *mut Self,
    pub get_instance_proc_addr: vk::PFN_vkGetInstanceProcAddr,
    /// For instances, `vkGetPhysicalDeviceProcAddr`, which is not used.
    pub get_device_proc_addr: vk::PFN_vkGetDeviceProcAddr,
}

/// `VkLayerInstanceCreateInfo` or `VkLayerDeviceCreateInfo`, with the first member of its union.
#[repr(C)]
struct LinkInfo {
    structure_type: i32,
    next: *const c_void,
    function: i32,
    link: *mut Link,
}

/// Takes this layer's link from the list of structures that begins at `next`, so that the next
/// layer finds its own.
///
/// # Safety
/// `next` is the `pNext` of a create info that the loader passes to a layer.
pub(crate) unsafe fn take_link(mut next: *const c_void, info_type: i32) -> Option<Link> {
    while !next.is_null() {
        // SAFETY: every structure in the list begins with its type and the next pointer. The loader
        // says that a structure with this type and function holds a link, which is not null, and
        // layers are to change it.
        unsafe {
            let info = next.cast_mut().cast::<LinkInfo>();
            if (*info).structure_type == info_type && (*info).function == LINK_INFO {
                let link = (*info).link;
                (*info).link = (*link).next;
                return Some(link.read());
            }
            next = (*info).next;
        }
    }
    None
}

/// `VkNegotiateLayerInterface`.
#[repr(C)]
pub struct NegotiateLayerInterface {
    structure_type: i32,
    next: *mut c_void,
    version: u32,
    get_instance_proc_addr: vk::PFN_vkGetInstanceProcAddr,
    get_device_proc_addr: vk::PFN_vkGetDeviceProcAddr,
    get_physical_device_proc_addr: Option<unsafe extern "system" fn()>,
}

/// The version of the interface between loader and layer that this one follows.
const VERSION: u32 = 2;

/// The function by which the loader gets to know the layer.
///
/// # Safety
/// The loader passes a valid, writable structure.
// SAFETY: no other function of the process has this name that the loader would look up here.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkNegotiateLoaderLayerInterfaceVersion(
    interface: *mut NegotiateLayerInterface,
) -> vk::Result {
    // SAFETY: the loader's structure, see above.
    let interface = unsafe { &mut *interface };
    if interface.version < VERSION {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }
    // A misspelt fault ends the process here.
    LazyLock::force(&PLAN);
    interface.version = VERSION;
    interface.get_instance_proc_addr = get_instance_proc_addr;
    interface.get_device_proc_addr = get_device_proc_addr;
    interface.get_physical_device_proc_addr = None;
    vk::Result::SUCCESS
}

/// `vkGetInstanceProcAddr`.
pub(crate) unsafe extern "system" fn get_instance_proc_addr(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    // SAFETY: the specification demands a string that ends with zero.
    let text = unsafe { CStr::from_ptr(name) };
    match instance::function(text).or_else(|| device::function(text)) {
        Some(function) => Some(function),
        // SAFETY: the arguments are the caller's own.
        None => unsafe { instance::next(instance, name) },
    }
}

/// `vkGetDeviceProcAddr`.
pub(crate) unsafe extern "system" fn get_device_proc_addr(
    device: vk::Device,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    // SAFETY: the specification demands a string that ends with zero.
    let text = unsafe { CStr::from_ptr(name) };
    match device::function(text) {
        Some(function) => Some(function),
        // SAFETY: the arguments are the caller's own.
        None => unsafe { device::next(device, name) },
    }
}

/// What tells the objects of one instance or device from those of another: the pointer to the
/// loader's table, with which each of them begins.
///
/// # Safety
/// `handle` is a live instance, physical device, device, queue or command buffer.
pub(crate) unsafe fn key(handle: impl Handle) -> usize {
    // SAFETY: the loader writes this pointer at the beginning of each of these objects.
    unsafe { *(handle.as_raw() as *const usize) }
}
