//! The adapter that is tested.

use std::sync::OnceLock;

use burn::tensor::Device;
use cubecl::client::Client;
use kindling::device::{self, Backend, Choice, DeviceInfo};

/// Set where a missing adapter is a failure and not a reason to skip, as in CI.
const REQUIRED: &str = "KINDLING_REQUIRE_ADAPTER";

static ADAPTER: OnceLock<Option<(DeviceInfo, Device)>> = OnceLock::new();

/// The Burn device of the best adapter of this machine, which is open then, or `None` with a line that says so. In a build
/// without Burn's kernels it is the processor.
///
/// # Panics
/// If there is none and `KINDLING_REQUIRE_ADAPTER` is set, or it cannot be opened.
pub fn adapter() -> Option<Device> {
    let adapter =
        ADAPTER.get_or_init(|| match device::resolve(Choice::Named(Backend::Wgpu, None)) {
            Ok(info) => {
                println!("adapter: {info}");
                let device = device::open(&info).unwrap();
                Some((info, device))
            }
            Err(error) if std::env::var_os(REQUIRED).is_some() => panic!("{error}"),
            Err(_) => None,
        });
    if adapter.is_none() {
        println!("skipped: this machine has no Vulkan, Metal or DX12 adapter");
    }
    adapter.as_ref().map(|(_, device)| device.clone())
}

/// The same, to launch a kernel on.
pub fn client() -> Option<Client> {
    adapter()?;
    device::client(info()?)
}

/// The adapter and its driver.
pub fn described() -> String {
    info().map_or_else(|| "no adapter".to_owned(), DeviceInfo::to_string)
}

/// Whether its driver runs on the processor.
pub fn is_software() -> bool {
    info().is_some_and(|info| !info.kind.is_gpu())
}

fn info() -> Option<&'static DeviceInfo> {
    ADAPTER.get()?.as_ref().map(|(info, _)| info)
}
