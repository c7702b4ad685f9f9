//! The adapters under test: all that the machine has.
//!
//! `KINDLING_ADAPTERS=llvmpipe,SwiftShader` names those to test, by a part of their names; the
//! tests then fail if one of them is missing. The first adapter is tested at every shape. Others
//! run whole networks and the self-check, and `kindling devices --test` runs their kernels.

use std::sync::OnceLock;

use burn::tensor::Device;
use kindling::device::{self, Backend, DeviceInfo};
use kindling::kernels::{GpuClient, Hardware};

/// If set, as in CI, a missing adapter fails the tests instead of skipping them.
const REQUIRED: &str = "KINDLING_REQUIRE_ADAPTER";
/// The adapters to test, by a part of their names, separated by commas.
const NAMES: &str = "KINDLING_ADAPTERS";
/// If set, as before a release, every adapter is tested at every shape.
const ALL_SHAPES: &str = "KINDLING_ALL_SHAPES";

/// An adapter under test.
pub struct TestAdapter {
    /// The adapter and its driver.
    pub info: DeviceInfo,
    /// Its Burn device, which is the processor in a build without Burn's kernels.
    pub device: Device,
    client: GpuClient,
}

impl TestAdapter {
    fn open(info: DeviceInfo) -> Self {
        println!("adapter: {info}");
        let device = device::open(&info).unwrap_or_else(|error| panic!("{error}"));
        let client = device::client(&info).expect("an open adapter has a client");
        Self { info, device, client }
    }

    /// Its client, for launching kernels.
    pub fn client(&self) -> &GpuClient {
        &self.client
    }

    /// What runs its kernels.
    pub fn hardware(&self) -> Hardware {
        self.info.kind.hardware()
    }

    /// Whether it is a software driver that runs on the processor.
    pub fn is_software(&self) -> bool {
        !self.info.kind.is_gpu()
    }
}

/// The adapters under test, in the order of `kindling devices`, or of `KINDLING_ADAPTERS`. Prints a
/// line if there is none.
///
/// # Panics
/// If an adapter that `KINDLING_ADAPTERS` names is missing, if there is none and
/// `KINDLING_REQUIRE_ADAPTER` is set, or if one cannot be opened.
pub fn adapters() -> &'static [TestAdapter] {
    static ADAPTERS: OnceLock<Vec<TestAdapter>> = OnceLock::new();
    let adapters = ADAPTERS.get_or_init(|| {
        device::check_environment().unwrap_or_else(|error| panic!("{error}"));
        let infos = device::list().into_iter().filter(|info| info.backend == Backend::Wgpu);
        chosen(infos.filter(DeviceInfo::is_usable).collect(), std::env::var(NAMES).ok().as_deref())
            .into_iter()
            .map(TestAdapter::open)
            .collect()
    });
    if adapters.is_empty() {
        assert!(std::env::var_os(REQUIRED).is_none(), "no Vulkan, Metal or DX12 adapter");
        println!("skipped: this machine has no Vulkan, Metal or DX12 adapter");
    }
    adapters
}

/// The adapters of `infos` that `names` names, in the order of the names, or all of them, GPUs
/// first.
///
/// # Panics
/// If a name matches no adapter.
pub fn chosen(mut infos: Vec<DeviceInfo>, names: Option<&str>) -> Vec<DeviceInfo> {
    infos.sort_by_key(|info| !info.kind.is_gpu());
    let Some(names) = names.filter(|names| !names.is_empty()) else { return infos };
    let there = infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
    names
        .split(',')
        .map(|name| {
            let name = name.trim().to_lowercase();
            infos
                .iter()
                .find(|info| info.name.to_lowercase().contains(&name))
                .unwrap_or_else(|| panic!("no adapter is called `{name}`; there are: {there}"))
                .clone()
        })
        .collect()
}

/// The adapters that are tested at every shape: the first, or all with `KINDLING_ALL_SHAPES`.
pub fn fully_tested() -> &'static [TestAdapter] {
    let adapters = adapters();
    match all_shapes() {
        true => adapters,
        false => &adapters[..adapters.len().min(1)],
    }
}

/// The Burn device of the first adapter. Prints a line and returns `None` if there is no adapter.
///
/// # Panics
/// As [`adapters`].
pub fn adapter() -> Option<Device> {
    adapters().first().map(|adapter| adapter.device.clone())
}

/// The client of the first adapter.
///
/// # Panics
/// As [`adapters`].
pub fn client() -> Option<GpuClient> {
    adapters().first().map(|adapter| adapter.client.clone())
}

/// The first adapter and its driver.
pub fn described() -> String {
    adapters().first().map_or_else(|| "no adapter".to_owned(), |adapter| adapter.info.to_string())
}

/// Whether the first adapter is a software driver that runs on the processor.
pub fn is_software() -> bool {
    adapters().first().is_some_and(TestAdapter::is_software)
}

/// What runs the kernels of the first adapter.
///
/// # Panics
/// If there is no adapter.
pub fn hardware() -> Hardware {
    adapters().first().expect("an adapter").hardware()
}

/// Whether slow adapters are tested at every shape too.
pub fn all_shapes() -> bool {
    std::env::var_os(ALL_SHAPES).is_some()
}
