//! `kindling devices`: the devices of the machine and the tests of their kernels.

use serde_json::Value;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, kindling, narrow, photos, run_in, stderr, stdout};

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

/// The kernels' results and the file of `--report` come from one run, because a driver on the
/// processor takes a while.
#[test]
fn devices_test_trusts_every_kernel_of_this_machine_and_reports_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/report.json");
    let args = ["devices", "--test", "--json", "--report", "new/report.json"];
    let on_one_driver = |args: &[&str]| {
        let mut command = kindling();
        // `shaders-tests` test the kernels on every driver, and one is enough for the report.
        command.env_remove("VK_ADD_DRIVER_FILES");
        let drivers = std::env::var_os("VK_DRIVER_FILES").unwrap_or_default();
        if let Some(first) = std::env::split_paths(&drivers).next()
            && !drivers.is_empty()
        {
            command.env("VK_DRIVER_FILES", first);
        }
        json(&command.current_dir(folder.path()).args(args).output().unwrap())
    };
    let tests = on_one_driver(&args);
    let tests = tests.as_array().unwrap();
    let devices = on_one_driver(&["devices", "--json"]);
    let is_tested = |device: &&Value| {
        ["wgpu", "cuda"].iter().any(|backend| device["backend"] == *backend)
            && device["kernels"] == true
    };
    let tested: Vec<&Value> = devices.as_array().unwrap().iter().filter(is_tested).collect();
    assert_eq!(tests.iter().map(|test| &test["device"]).collect::<Vec<_>>(), tested);
    for test in tests {
        let kernels = test["kernels"].as_array().unwrap();
        for kernel in ["convolution 64x64", "winograd F(4x4) 8x32", "depthwise", "preprocess"] {
            let found = kernels.iter().find(|row| row["kernel"] == kernel).unwrap();
            assert_eq!(found["trusted"], true, "{found}");
            assert!(found["worst"].as_f64().unwrap() <= 1.0, "{found}");
        }
        assert!(kernels.iter().all(|kernel| kernel["trusted"] == true), "{test:#}");
    }

    let text = std::fs::read_to_string(&file).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["kindling"], env!("CARGO_PKG_VERSION"));
    let adapters = report["adapters"].as_array().unwrap();
    let measured = adapters.iter().filter(|adapter| adapter["own_kernels"] == true);
    for (adapter, test) in measured.clone().zip(tests) {
        assert_eq!(adapter["name"], test["device"]["name"]);
        assert_eq!(adapter["software"], test["device"]["kind"] == "cpu");
        the_numbers_are_consistent(adapter, test);
    }
    assert_eq!(measured.count(), tests.len());
    // Nothing says who measured, or where.
    for name in ["USER", "LOGNAME", "HOSTNAME", "HOME"] {
        let value = std::env::var(name).unwrap_or_default();
        assert!(value.len() < 5 || !text.contains(&value), "{name}: {text}");
    }
    assert!(!text.contains(folder.path().to_str().unwrap()), "{text}");
}

/// Times differ from run to run, but the numbers that are made from them agree with each other.
fn the_numbers_are_consistent(adapter: &Value, test: &Value) {
    // Numbers are rounded to four digits.
    let agree = |one: f64, other: f64| (one / other - 1.0).abs() < 0.002;
    let positive = |value: &Value| {
        let number = value.as_f64().unwrap_or_else(|| panic!("{value} in {adapter:#}"));
        assert!(number > 0.0 && number.is_finite(), "{number} in {adapter:#}");
        number
    };
    for limit in ["units_per_group", "shared_bytes", "groups_per_dimension", "buffer_bytes"] {
        positive(&adapter["limits"][limit]);
    }
    let copied = positive(&adapter["roofline"]["copied_gb_per_s"]);
    let peak = positive(&adapter["roofline"]["peak_gflops"]);
    let kernels = adapter["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), test["kernels"].as_array().unwrap().len());
    for (kernel, tested) in kernels.iter().zip(test["kernels"].as_array().unwrap()) {
        for field in ["kernel", "precision", "shapes", "worst", "trusted"] {
            assert_eq!(kernel[field], tested[field], "{kernel:#}");
        }
        if adapter["software"] == true && kernel["precision"] == "f16" {
            assert!(kernel["speed_missing"].is_string(), "{kernel:#}");
            continue;
        }
        let speed = &kernel["speed"];
        assert!(positive(&speed["fastest_ms"]) <= positive(&speed["median_ms"]), "{kernel:#}");
        positive(&speed["gb_per_s"]);
        let is_convolution =
            !["max-pool", "mean", "preprocess"].iter().any(|name| kernel["kernel"] == *name);
        assert_eq!(speed["gflops"].is_f64(), is_convolution, "{kernel:#}");
        assert_eq!(kernel["speed_missing"], Value::Null);
    }
    let forwards = adapter["forwards"].as_array().unwrap();
    for network in ["resnet18", "efficientnet-lite0"] {
        let of_network = forwards.iter().filter(|forward| forward["network"] == network);
        let batches: Vec<&Value> =
            of_network.filter(|one| one["precision"] == "f32").map(|one| &one["photos"]).collect();
        assert_eq!(batches.len(), 3, "{adapter:#}");
        assert_eq!(batches[0], &Value::from(1));
    }
    for forward in forwards {
        let own = &forward["own"];
        assert_eq!(own["trusted"], true, "{forward:#}");
        let seconds = positive(&own["median_ms"]) / 1e3;
        let photos = positive(&forward["photos"]);
        assert!(agree(positive(&own["photos_per_s"]), photos / seconds), "{forward:#}");
        let bandwidth = positive(&own["bytes"]) / seconds / (copied * 1e9);
        assert!(agree(positive(&own["share_of_bandwidth"]), bandwidth), "{forward:#}");
        let share = 2.0 * positive(&own["multiplications"]) / seconds / (peak * 1e9);
        assert!(agree(positive(&own["share_of_peak"]), share), "{forward:#}");
        let has_burn = cfg!(feature = "burn-wgpu") && forward["precision"] == "f32";
        match has_burn {
            true => assert_eq!(forward["burn"]["trusted"], true, "{forward:#}"),
            false => assert!(forward["burn_missing"].is_string(), "{forward:#}"),
        }
    }
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), ["devices", "--report", "report.json"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("--test"), "{}", stderr(&output));
    let output = run_in(folder.path(), ["devices", "--test", "--report", "."]);
    assert_error(&output, &["not a regular file", "choose another file name"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
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
    let weights = crate::reference::fixture("narrow.pth");
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
