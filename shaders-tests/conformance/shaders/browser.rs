//! Chromium's WebGPU (Tint, on SwiftShader) as a second compiler of WGSL.
//!
//! The page gets the shaders from a server in this process, and sends back what the browser says
//! of each; the browser is stopped when it has.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use serde_json::{Value, json};

use super::installed_browser;
use super::translate::Parsed;

/// How long the browser may take for all shaders.
const PATIENCE: Duration = Duration::from_secs(240);

/// WebGPU on SwiftShader, which Chromium brings along.
const OPTIONS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-gpu-sandbox",
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-webgpu-adapter=swiftshader",
];

/// Compiles each shader as CubeCL does: a module, and a pipeline with an explicit layout.
const PAGE: &str = r#"<!doctype html><script>
(async () => {
    const answer = value => fetch('/answer', { method: 'POST', body: JSON.stringify(value) });
    try {
        const adapter = await navigator.gpu.requestAdapter();
        if (!adapter) return await answer({ failed: 'the browser has no WebGPU adapter' });
        const f16 = adapter.features.has('shader-f16');
        const limits = {};
        for (const limit of ['maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX',
            'maxComputeWorkgroupStorageSize', 'maxStorageBuffersPerShaderStage'])
            limits[limit] = adapter.limits[limit];
        const device = await adapter.requestDevice(
            { requiredFeatures: f16 ? ['shader-f16'] : [], requiredLimits: limits });
        const shaders = await (await fetch('/shaders.json')).json();
        const results = [];
        for (const { wgsl, entry, bindings, needs_f16, pipeline } of shaders) {
            if (needs_f16 && !f16) { results.push(null); continue; }
            const messages = [];
            device.pushErrorScope('validation');
            const module = device.createShaderModule({ code: wgsl });
            const info = await module.getCompilationInfo();
            for (const { type, lineNum, linePos, message } of info.messages)
                messages.push(`${type}: ${lineNum}:${linePos} ${message}`);
            await device.popErrorScope();
            if (pipeline && !messages.some(message => message.startsWith('error'))) {
                const entries = bindings.map((type, binding) =>
                    ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
                const layout = device.createPipelineLayout(
                    { bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
                try {
                    await device.createComputePipelineAsync(
                        { layout, compute: { module, entryPoint: entry } });
                } catch (error) { messages.push(`error: ${error.message}`); }
            }
            results.push(messages);
        }
        const { vendor, architecture } = adapter.info;
        await answer({ adapter: `${vendor} ${architecture}`, f16, limits, results });
    } catch (error) { await answer({ failed: String(error) }); }
})();
</script>"#;

/// A shader for the browser.
pub struct Asked<'a> {
    pub wgsl: &'a str,
    pub parsed: &'a Parsed,
    pub f16: bool,
    /// Whether SwiftShader compiles it too, which takes seconds for a long shader.
    pub pipeline: bool,
}

/// What the browser says.
pub struct Verdicts {
    /// Vendor and architecture of its adapter.
    pub adapter: String,
    /// For each shader the messages of its compiler, or `None` if the adapter has no f16.
    pub messages: Vec<Option<Vec<String>>>,
}

/// Lets the browser compile shaders. `None`, after a printed line, if no browser is installed.
///
/// # Panics
/// If the browser does not answer, or if none is installed and `KINDLING_REQUIRE_BROWSER` is set.
pub fn compile(shaders: &[Asked<'_>]) -> Option<Verdicts> {
    let program = installed_browser::program()?;
    let shaders: Vec<Value> = shaders
        .iter()
        .map(|Asked { wgsl, parsed, f16, pipeline }| {
            let bindings: Vec<&str> = parsed
                .bindings()
                .iter()
                .map(|binding| if binding.writable { "storage" } else { "read-only-storage" })
                .collect();
            json!({
                "wgsl": wgsl, "entry": parsed.entry, "bindings": bindings, "needs_f16": f16,
                "pipeline": pipeline,
            })
        })
        .collect();
    let answer = ask(program, Value::from(shaders).to_string());
    assert_eq!(answer["failed"], Value::Null, "{answer}");
    let results = answer["results"].as_array().expect("results").iter();
    let messages = results
        .map(|result| {
            let lines = result.as_array()?.iter();
            Some(lines.map(|line| line.as_str().expect("a message").to_owned()).collect())
        })
        .collect();
    Some(Verdicts { adapter: answer["adapter"].as_str().expect("a name").to_owned(), messages })
}

/// A child that does not outlive the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens the page and returns what it sends.
fn ask(program: &str, shaders: String) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, answers) = mpsc::channel();
    let shaders: Arc<str> = shaders.into();
    thread::spawn(move || {
        // Each connection has a thread: the browser opens some in advance, and uses them later.
        for stream in listener.incoming().flatten() {
            let (sender, shaders) = (sender.clone(), shaders.clone());
            thread::spawn(move || {
                if let Ok(Some(answer)) = serve(stream, &shaders) {
                    let _ = sender.send(answer);
                }
            });
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let browser = Command::new(program)
        .args(OPTIONS)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let browser = Browser(browser);
    let answer = answers.recv_timeout(PATIENCE).expect("the browser answers");
    drop(browser);
    serde_json::from_str(&answer).expect("JSON")
}

/// Answers one request of the page. Returns what it posts.
fn serve(mut stream: TcpStream, shaders: &str) -> io::Result<Option<String>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (kind, content) = match request.split(' ').nth(1) {
        Some("/") => ("text/html", PAGE),
        Some("/shaders.json") => ("application/json", shaders),
        _ => ("text/plain", ""),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{content}",
        content.len()
    )?;
    let posted = request.starts_with("POST").then(|| String::from_utf8_lossy(&body).into_owned());
    Ok(posted)
}
