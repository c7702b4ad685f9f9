//! `kindling devices`: the devices of the machine and the tests of their kernels.

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, kindling, narrow, photos, run_in, stdout};
use crate::reference::fixture;

#[test]
fn devices_tells_whose_kernels_run() {
    let folder = tempfile::tempdir().unwrap();
    let table = stdout(&run_in(folder.path(), ["devices"]));
    let line = |device: &str| {
        let line = table.lines().find(|line| line.starts_with(device));
        line.unwrap_or_else(|| panic!("{device} is not in {table}")).trim_end().to_owned()
    };
    assert!(line("DEVICE").ends_with("KERNELS"));
    assert!(line("cpu").ends_with("own"));
    assert!(line(CPU).ends_with("Burn's"));
    // JSON agrees with the table.
    let devices = json(&run_in(folder.path(), ["devices", "--json"]));
    for device in devices.as_array().unwrap() {
        let own = line(device["device"].as_str().unwrap()).ends_with("own");
        assert_eq!(device["kernels"], own, "{device}");
    }
}

/// Where there is no desktop, Mesa's device selection layer prints a line that looks like ours.
#[test]
fn no_line_of_a_driver_looks_like_an_error_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let output = kindling()
        .current_dir(folder.path())
        .arg("devices")
        .env_remove("NODEVICE_SELECT")
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn devices_test_trusts_every_kernel_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let reports = json(&run_in(folder.path(), ["devices", "--test", "--json"]));
    for report in reports.as_array().unwrap() {
        let kernels = report["kernels"].as_array().unwrap();
        for kernel in ["convolution 64x64", "winograd F(4x4) 8x32", "depthwise", "preprocess"] {
            let found = kernels.iter().find(|row| row["kernel"] == kernel).unwrap();
            assert_eq!(found["trusted"], true, "{found}");
            assert!(found["worst"].as_f64().unwrap() <= 1.0, "{found}");
        }
        assert!(kernels.iter().all(|kernel| kernel["trusted"] == true), "{report:#}");
    }
}

/// `kindling`, with every adapter opened with the limits of another one.
fn within(limits: &str, args: &[&str]) -> std::process::Output {
    let folder = photos(2);
    let mut command = kindling();
    command.current_dir(folder.path()).env("KINDLING_ADAPTER_LIMITS", limits).args(args);
    command.output().unwrap()
}

#[test]
fn adapters_are_opened_with_published_limits_that_an_environment_variable_names() {
    let unknown = within("voodoo-2", &["devices"]);
    assert_error(&unknown, &["KINDLING_ADAPTER_LIMITS", "`voodoo-2`", "apple-m1", "mali"]);
    for (limits, kernels) in [("apple-m1", true), ("vulkan", false)] {
        for device in json(&within(limits, &["devices", "--json"])).as_array().unwrap() {
            if device["backend"] == "wgpu" {
                let name = device["name"].as_str().unwrap();
                assert!(name.ends_with(&format!(" with the limits of {limits}")), "{name}");
                assert_eq!(device["kernels"], kernels, "{device}");
            }
        }
    }
}

#[test]
#[cfg(not(feature = "burn-wgpu"))]
fn an_adapter_whose_limits_are_too_low_is_refused_with_the_limit() {
    if json(&within("vulkan", &["devices", "--json"])).as_array().unwrap()[0]["backend"] != "wgpu" {
        return;
    }
    let weights = fixture("narrow.pth");
    let weights = weights.to_str().unwrap();
    let args = ["embed", weights, "photos", "--device", "wgpu", "--out", "features.npy"];
    let refused = within("vulkan", &args);
    assert_error(&refused, &["wgpu:0", "fewer than the 6 buffers", "--device"]);
}

#[test]
fn a_precision_that_a_device_does_not_compute_in_is_refused() {
    let folder = photos(2);
    let args = ["train", "photos", "--precision", "f16", "--out", "run"].map(String::from);
    let output = run_in(folder.path(), args.into_iter().chain(narrow()));
    assert_error(&output, &[CPU, "does not compute in f16", "leave --precision out"]);
    assert!(!folder.path().join("run").exists());
}
