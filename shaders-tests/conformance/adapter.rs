//! The adapter that is tested.

use std::sync::OnceLock;

use burn::tensor::Device;
use kindling::device::{self, Backend, Choice};

/// Set where a missing adapter is a failure and not a reason to skip, as in CI.
const REQUIRED: &str = "KINDLING_REQUIRE_ADAPTER";

/// The best adapter of this machine, or `None` with a line that says so.
pub fn adapter() -> Option<Device> {
    static ADAPTER: OnceLock<Option<Device>> = OnceLock::new();
    let device =
        ADAPTER.get_or_init(|| match device::resolve(Choice::Named(Backend::Wgpu, None)) {
            Ok(info) => {
                println!("adapter: {info}");
                Some(device::open(&info).unwrap())
            }
            Err(error) if std::env::var_os(REQUIRED).is_some() => panic!("{error}"),
            Err(_) => None,
        });
    if device.is_none() {
        println!("skipped: this machine has no Vulkan, Metal or DX12 adapter");
    }
    device.clone()
}
