//! Every shader that Kindling launches, in the language of every API, and through a second compiler
//! of WGSL. `docs/shaders.md` has what was found.

mod browser;
mod dump;
mod findings;
mod indices;
#[path = "../../../tests/command_line/browser.rs"]
#[allow(dead_code, reason = "written for the command line's tests, which use all of it")]
mod installed_browser;
mod intervals;
mod limits;
mod rejected;
mod spirv;
mod translate;
mod uniformity;

use std::path::Path;
use std::{env, fs};

use kindling::Precision;
use kindling::kernels::Limits;
use serde_json::{Value, json};
use shaders_tests::adapter::all_shapes;

use dump::Shader;
use findings::{Finding, KNOWN, complaints};
use indices::Proved;
use limits::{FUNCTION_BYTES, Needs};
use translate::{MSL, Parsed, SPIR_V, shader_models};

/// The folder to which the shaders and their translations are written, for a look at them.
const DUMP_TO: &str = "KINDLING_DUMP_SHADERS";
/// SwiftShader compiles the shaders of more lines than these only before a release.
const SHORT: usize = 600;

#[test]
fn every_shader_compiles_in_every_language() {
    let shaders = dump::shaders();
    if shaders.is_empty() {
        return;
    }
    let parsed: Vec<Parsed> = shaders
        .iter()
        .map(|shader| {
            Parsed::of(&shader.wgsl, is_f16(shader))
                .unwrap_or_else(|error| panic!("{}: naga: {error}", shader.kernel))
        })
        .collect();
    let with_spirv_val = spirv::is_installed();
    let dump = env::var_os(DUMP_TO);
    if let Some(folder) = &dump {
        write_manifest(Path::new(folder), &shaders, &parsed);
    }
    let all = all_shapes();
    let asked: Vec<_> = shaders
        .iter()
        .zip(&parsed)
        .map(|(shader, parsed)| browser::Asked {
            wgsl: &shader.wgsl,
            parsed,
            f16: is_f16(shader),
            pipeline: all || shader.wgsl.lines().count() <= SHORT,
        })
        .collect();
    let verdicts = browser::compile(&asked);
    let mut findings = Vec::new();
    let mut rows = vec![
        [
            "kernel", "", "lines", "SPIR-V", "MSL", "HLSL", "Tint", "shared", "units", "barriers",
            "indices",
        ]
        .map(str::to_owned),
    ];
    for (at, (shader, parsed)) in shaders.iter().zip(&parsed).enumerate() {
        let mut languages = Languages { shader, findings: &mut findings, dump: dump.as_deref() };
        let spir_v = languages.spir_v(parsed, with_spirv_val);
        let msl = languages.msl(parsed);
        let hlsl = languages.hlsl(parsed);
        let tint = languages.tint(verdicts.as_ref().map(|verdicts| &verdicts.messages[at]));
        let needs = languages.limits(parsed);
        let barriers = languages.barriers(parsed);
        let indices = languages.indices(parsed);
        let (kernel, precision) = (shader.kernel.clone(), shader.precision.to_string());
        let lines = shader.wgsl.lines().count().to_string();
        let [shared, units] = [needs.shared, needs.units].map(|number| number.to_string());
        rows.push([
            kernel, precision, lines, spir_v, msl, hlsl, tint, shared, units, barriers, indices,
        ]);
    }
    if let Some(verdicts) = &verdicts {
        println!("Tint on {}", verdicts.adapter);
    }
    shaders_tests::table::print_aligned(&rows);
    let complaints = complaints(&findings, KNOWN, |tool| match tool {
        "spirv-val" => with_spirv_val,
        "Tint" => verdicts.is_some(),
        _ => true,
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn is_f16(shader: &Shader) -> bool {
    shader.precision == Precision::F16
}

/// A shader on its way into the languages.
struct Languages<'a> {
    shader: &'a Shader,
    findings: &'a mut Vec<Finding>,
    dump: Option<&'a std::ffi::OsStr>,
}

impl Languages<'_> {
    /// Notes a finding.
    fn found(&mut self, tool: &'static str, message: impl Into<String>) {
        let Shader { kernel, precision, .. } = self.shader;
        let shader = format!("{kernel} {precision} ({})", self.shader.file());
        self.findings.push(Finding { tool, shader, message: message.into() });
    }

    fn write(&self, ending: &str, content: &[u8]) {
        let Some(folder) = self.dump else { return };
        let file = Path::new(folder).join(format!("{}.{ending}", self.shader.file()));
        fs::write(&file, content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    fn spir_v(&mut self, parsed: &Parsed, validate: bool) -> String {
        let mut cells = Vec::new();
        for (version, environment) in SPIR_V {
            let words = match parsed.spir_v(version, is_f16(self.shader)) {
                Ok(words) => words,
                Err(error) => {
                    self.found("naga SPIR-V", error);
                    cells.push("refused".to_owned());
                    continue;
                }
            };
            self.write(&format!("{environment}.spv"), &spirv::bytes(&words));
            for capability in spirv::capabilities(&words) {
                if !spirv::ALLOWED.contains(&capability) {
                    self.found("SPIR-V capability", format!("{capability:?}"));
                }
            }
            cells.push(match validate.then(|| spirv::validate(&words, environment)) {
                None => "unchecked".to_owned(),
                Some(Ok(())) => environment.trim_start_matches("vulkan").to_owned(),
                Some(Err(error)) => {
                    self.found("spirv-val", format!("{environment}: {error}"));
                    format!("{environment} invalid")
                }
            });
        }
        cells.join(" ")
    }

    fn msl(&mut self, parsed: &Parsed) -> String {
        let mut cells = Vec::new();
        for version in MSL {
            let name = format!("{}.{}", version.0, version.1);
            match parsed.msl(version) {
                Ok(text) => {
                    self.write(&format!("{name}.metal"), text.as_bytes());
                    cells.push(name);
                }
                Err(error) => {
                    self.found("naga MSL", format!("{name}: {error}"));
                    cells.push(format!("{name} refused"));
                }
            }
        }
        cells.join(" ")
    }

    fn hlsl(&mut self, parsed: &Parsed) -> String {
        let mut cells = Vec::new();
        for model in shader_models(is_f16(self.shader)) {
            let name = model.to_str();
            match parsed.hlsl(*model) {
                Ok((text, _)) => {
                    self.write(&format!("{name}.hlsl"), text.as_bytes());
                    cells.push(name.replace('_', "."));
                }
                Err(error) => {
                    self.found("naga HLSL", format!("{name}: {error}"));
                    cells.push(format!("{name} refused"));
                }
            }
        }
        cells.join(" ")
    }

    fn tint(&mut self, messages: Option<&Option<Vec<String>>>) -> String {
        match messages {
            None => "no browser".to_owned(),
            Some(None) => "no f16".to_owned(),
            Some(Some(messages)) if messages.is_empty() => "yes".to_owned(),
            Some(Some(messages)) => {
                for message in messages {
                    self.found("Tint", message.clone());
                }
                format!("{} messages", messages.len())
            }
        }
    }

    fn limits(&mut self, parsed: &Parsed) -> Needs {
        let needs = Needs::of(parsed);
        match self.shader.planned {
            // The planning must know what the shader takes, or it would choose it where it fails.
            Some(planned) if planned != [needs.units, needs.shared] => {
                self.found("limits", format!("{needs:?} where {planned:?} was planned"));
            }
            None if needs.units > Limits::WEBGPU.units || needs.shared > Limits::WEBGPU.shared => {
                self.found("limits", format!("{needs:?} is more than WebGPU guarantees"));
            }
            _ => (),
        }
        if needs.buffers > Limits::BUFFERS || needs.variables > FUNCTION_BYTES {
            self.found("limits", format!("{needs:?}"));
        }
        needs
    }

    fn barriers(&mut self, parsed: &Parsed) -> String {
        match uniformity::barriers(parsed) {
            Ok(barriers) => barriers.to_string(),
            Err(fault) => {
                self.found("uniformity", fault);
                "not uniform".to_owned()
            }
        }
    }

    /// Indices of shared memory and arrays in range; of buffers, clamped and not.
    fn indices(&mut self, parsed: &Parsed) -> String {
        match indices::prove(parsed) {
            Ok(Proved { clamped, unclamped, in_range }) => {
                if unclamped > 0 {
                    self.found("CubeCL", format!("{unclamped} indices of buffers are not clamped"));
                }
                format!("{in_range} {clamped} {unclamped}")
            }
            Err(fault) => {
                self.found("indices", fault);
                "unproved".to_owned()
            }
        }
    }
}

/// Writes the texts, and a list of them with their buffers for other programs.
fn write_manifest(folder: &Path, shaders: &[Shader], parsed: &[Parsed]) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let list: Vec<Value> = shaders
        .iter()
        .zip(parsed)
        .map(|(shader, parsed)| {
            let file = format!("{}.wgsl", shader.file());
            fs::write(folder.join(&file), &shader.wgsl).unwrap();
            let writable: Vec<bool> =
                parsed.bindings().iter().map(|binding| binding.writable).collect();
            let entry = &parsed.entry;
            json!({
                "kernel": shader.kernel, "file": file, "entry": entry, "writable": writable,
                "f16": is_f16(shader),
            })
        })
        .collect();
    fs::write(folder.join("shaders.json"), Value::from(list).to_string()).unwrap();
}
