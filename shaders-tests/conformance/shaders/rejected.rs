//! Each check rejects a shader that breaks its promise.

use super::findings::{Finding, KnownFinding, complaints};
use super::limits::Needs;
use super::translate::Parsed;
use super::{browser, indices, spirv, uniformity};

/// A shader with arguments as CubeCL's, and this body.
fn shader(body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> input: array<vec4<f32>>;
         @group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;
         struct info_st {{ scalars_u32: array<u32, 2>, static_meta: array<u32, 2> }}
         @group(0) @binding(2) var<storage, read_write> unused: array<u32>;
         @group(0) @binding(3) var<storage, read> info_var: info_st;
         var<workgroup> staged: array<vec4<f32>, 64>;
         @compute @workgroup_size(32, 1, 1)
         fn main(@builtin(local_invocation_index) unit: u32) {{ {body} }}"
    )
}

fn parsed(body: &str) -> Parsed {
    Parsed::of(&shader(body), false).unwrap()
}

const CLAMPED: &str = "let n = info_var.static_meta[0]; let last = n - 1u; \
                       let at = min(info_var.scalars_u32[0], last); let value = input[at];";

#[test]
fn a_barrier_in_control_flow_that_units_do_not_share_is_rejected() {
    let barriers = |body: &str| uniformity::barriers(&parsed(body));
    const BARRIER: &str = "workgroupBarrier();";
    for wrong in [
        "if unit < 3u { BARRIER }",
        "if unit < 3u { return; } BARRIER",
        "if input[0].x < 3.0 { BARRIER }",
        "if staged[0].x < 3.0 { BARRIER }",
        "for (var i: u32 = 0u; i < unit; i += 1u) { BARRIER }",
        "for (var i: u32 = unit; i < 9u; i += 1u) { BARRIER }",
        "for (var i: u32 = 0u; i < 9u; i += unit) { BARRIER }",
        "for (var i: u32 = 0u; i < 9u; i += 1u) { if unit < i { break; } BARRIER }",
        "for (var i: u32 = 0u; i < 9u; i += 1u) { BARRIER if unit < i { break; } }",
        "var i = 0u; loop { if unit < i { break; } i += 1u; } if i < 3u { BARRIER }",
        "var n = 0u; if unit < 3u { n = 1u; } if n == 0u { BARRIER }",
    ] {
        assert!(barriers(&wrong.replace("BARRIER", BARRIER)).is_err(), "{wrong}");
    }
    for right in [
        "if unit < 3u { staged[0] = vec4<f32>(); } BARRIER",
        "if info_var.scalars_u32[0] < 3u { BARRIER }",
        "for (var i: u32 = 0u; i < info_var.scalars_u32[1]; i += 1u) { BARRIER }",
        "for (var i: u32 = 0u; i < unit; i += 1u) { staged[0] = vec4<f32>(); } BARRIER",
        "for (var i: u32 = 0u; i < 9u; i += 1u) { \
         if unit < i { staged[0] = vec4<f32>(); } BARRIER }",
    ] {
        assert_eq!(barriers(&right.replace("BARRIER", BARRIER)), Ok(1), "{right}");
    }
}

#[test]
fn f16_in_a_shader_of_f32_is_rejected() {
    let text = format!("enable f16;\n{}", shader("let half = f16(1.0);"));
    assert!(Parsed::of(&text, false).is_err());
    assert!(Parsed::of(&text, true).is_ok());
}

#[test]
fn an_index_that_may_leave_its_array_is_found() {
    let proved = |body: &str| indices::prove(&parsed(body));
    let all = proved(&format!("{CLAMPED} staged[unit * 2u + 1u] = value;")).unwrap();
    assert_eq!((all.clamped, all.in_range), (1, 1));
    for unclamped in [
        "let value = input[unit];",
        "let at = min(unit, info_var.scalars_u32[0] - 1u); let value = input[at];",
        "let at = min(unit, info_var.static_meta[0]); let value = input[at];",
    ] {
        let proved = proved(unclamped).unwrap();
        assert_eq!((proved.clamped, proved.unclamped), (0, 1), "{unclamped}");
    }
    for (wrong, says) in [
        ("staged[unit * 2u + 2u] = vec4<f32>();", "index up to 64"),
        ("staged[info_var.scalars_u32[0]] = vec4<f32>();", "index up to"),
        ("for (var i: u32 = 0u; i < 65u; i += 1u) { staged[i] = vec4<f32>(); }", "index up to 64"),
        ("let at = unit + 40u; if at < 64u { } staged[at] = vec4<f32>();", "index up to 71"),
        ("output[unit] = vec4<f32>();", "under no condition"),
        ("staged[unit - 1u] = vec4<f32>();", "index up to"),
        (
            "var i: u32 = 0u; loop { if i > 9u { break; } i = i + info_var.scalars_u32[0]; \
             staged[i] = vec4<f32>(); }",
            "index up to",
        ),
    ] {
        let fault = proved(wrong).expect_err(wrong);
        assert!(fault.contains(says), "{wrong}: {fault}");
    }
    for right in [
        "for (var i: u32 = 0u; i < 64u; i += 1u) { staged[i] = vec4<f32>(); }",
        "let at = unit + 40u; if at < 64u { staged[at] = vec4<f32>(); }",
        "let at = unit + 40u; let inside = at < 64u; if inside { staged[at] = vec4<f32>(); }",
        "var i: u32 = 0u; loop { if !(i < 64u) { break; } staged[i] = vec4<f32>(); i = i + 1u; }",
    ] {
        assert_eq!(proved(right).map(|proved| proved.in_range), Ok(1), "{right}");
    }
    let crossed = "let at = min(unit, info_var.static_meta[0] - 1u); \
                   if at < 9u { output[at] = input[at]; }";
    assert!(proved(crossed).unwrap_err().contains("another buffer's length"));
}

#[test]
fn what_a_shader_takes_is_measured() {
    let needs = Needs::of(&parsed("var many: array<u32, 10>; staged[unit] = vec4<f32>();"));
    assert_eq!(needs, Needs { units: 32, shared: 1024, buffers: 4, variables: 40 });
}

#[test]
fn spirv_val_rejects_a_damaged_module() {
    if !spirv::is_installed() {
        return;
    }
    let mut words = parsed(CLAMPED).spir_v((1, 3), false).unwrap();
    assert_eq!(spirv::validate(&words, "vulkan1.1"), Ok(()));
    assert!(spirv::validate(&parsed("").spir_v((1, 6), false).unwrap(), "vulkan1.1").is_err());
    words.truncate(words.len() - 1);
    assert!(spirv::validate(&words, "vulkan1.1").is_err());
}

#[test]
fn the_browser_reports_what_it_does_not_compile() {
    let good = shader("workgroupBarrier();");
    // naga lets a shader use more than the adapter has; a barrier after a storage buffer's value
    // that another unit may have written is not uniform.
    let uneven = shader("if input[0].x < 1.0 { return; } storageBarrier();");
    let parsed = Parsed::of(&good, false).unwrap();
    let asked = [&good, &uneven].map(|wgsl| browser::Asked {
        wgsl,
        parsed: &parsed,
        f16: false,
        pipeline: true,
    });
    let Some(verdicts) = browser::compile(&asked) else { return };
    assert_eq!(verdicts.messages[0].as_deref(), Some(&[][..]));
    let messages = verdicts.messages[1].as_ref().unwrap().join(" ");
    assert!(messages.contains("uniform control flow"), "{messages}");
}

#[test]
fn new_findings_and_those_that_no_longer_occur_are_complaints() {
    let finding = |tool, message: &str| Finding {
        tool,
        shader: "convolution".into(),
        message: message.into(),
    };
    let known =
        [KnownFinding { tool: "Tint", says: "odd", of: |shader| shader.starts_with("conv") }];
    assert!(complaints(&[finding("Tint", "an odd word")], &known, |_| true).is_empty());
    assert_eq!(complaints(&[finding("Tint", "even")], &known, |_| true).len(), 2);
    assert_eq!(complaints(&[], &known, |_| true).len(), 1);
    assert!(complaints(&[], &known, |_| false).is_empty());
}
