//! The adapter under test.

use std::sync::OnceLock;

use burn::tensor::Device;
use cubecl::client::Client;
use kindling::device::{self, Backend, Choice, DeviceInfo};
use kindling::kernels::Hardware;

/// If set, as in CI, a missing adapter fails the tests instead of skipping them.
const REQUIRED: &str = "KINDLING_REQUIRE_ADAPTER";

static ADAPTER: OnceLock<Option<(DeviceInfo, Device)>> = OnceLock::new();

/// Opens the best adapter of this machine and returns its Burn device, which is the processor in a
/// build without Burn's kernels. Prints a line and returns `None` if there is no adapter.
///
/// # Panics
/// If there is no adapter and `KINDLING_REQUIRE_ADAPTER` is set, or if the adapter cannot be
/// opened.
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

/// The CubeCL client of the same adapter, for launching kernels.
pub fn client() -> Option<Client> {
    adapter()?;
    device::client(info()?)
}

/// The adapter and its driver.
pub fn described() -> String {
    info().map_or_else(|| "no adapter".to_owned(), DeviceInfo::to_string)
}

/// Whether the adapter is a software driver that runs on the processor.
pub fn is_software() -> bool {
    info().is_some_and(|info| !info.kind.is_gpu())
}

/// What runs the adapter's kernels.
///
/// # Panics
/// If no adapter is open.
pub fn hardware() -> Hardware {
    info().expect("an open adapter").kind.hardware()
}

fn info() -> Option<&'static DeviceInfo> {
    ADAPTER.get()?.as_ref().map(|(info, _)| info)
}
