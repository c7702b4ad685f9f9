//! The adapters under test are chosen by name.

use kindling::device::{Backend, DeviceInfo, Kind};
use shaders_tests::adapter::chosen;

fn info(index: usize, name: &str, kind: Kind) -> DeviceInfo {
    DeviceInfo {
        device: format!("wgpu:{index}"),
        backend: Backend::Wgpu,
        index,
        name: name.into(),
        kind,
        driver: None,
        memory_bytes: None,
        f16: true,
        kernels: true,
    }
}

fn infos() -> Vec<DeviceInfo> {
    vec![
        info(0, "SwiftShader Device", Kind::Cpu),
        info(1, "llvmpipe (256 bits)", Kind::Cpu),
        info(2, "A GPU", Kind::IntegratedGpu),
    ]
}

#[test]
fn adapters_are_chosen_by_a_part_of_their_names_in_the_order_of_the_names() {
    let names =
        |names| -> Vec<usize> { chosen(infos(), names).iter().map(|info| info.index).collect() };
    assert_eq!(names(Some("LLVMpipe, swiftshader")), [1, 0]);
    assert_eq!(names(None), [2, 0, 1]);
    assert_eq!(names(Some("")), [2, 0, 1]);
}

#[test]
#[should_panic = "no adapter is called `swiftshader 2`; there are: A GPU, SwiftShader Device, llvm"]
fn a_missing_adapter_is_named() {
    chosen(infos(), Some("llvmpipe,SwiftShader 2"));
}
