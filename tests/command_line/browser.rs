//! Opens pages in headless Chromium, if it is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A page as loaded by the browser.
pub struct LoadedPage {
    /// Lines that the browser logged to its console.
    pub console: Vec<String>,
    /// HTML of the document after loading.
    pub document: String,
    /// Screenshot of the window, as a PNG file.
    pub screenshot: Vec<u8>,
}

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The name of the installed browser. If there is none, prints that the test is skipped and returns
/// `None`, or panics if `KINDLING_REQUIRE_BROWSER` is set.
pub fn program() -> Option<&'static str> {
    let is_installed = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let program = NAMES.into_iter().find(is_installed);
    if program.is_none() {
        assert!(
            std::env::var_os("KINDLING_REQUIRE_BROWSER").is_none(),
            "no browser: install chromium"
        );
        println!("skipped: no browser is installed ({})", NAMES.join(", "));
    }
    program
}

/// Runs the browser on a page, with a window of 1,600 by 1,600 pixels at most.
fn run(program: &str, profile: &Path, page: &Path, more: &[&str]) -> Output {
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--hide-scrollbars", "--disable-background-networking", "--disable-sync"])
        .args(["--disable-component-update", "--enable-logging=stderr"])
        .args(more)
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .arg(page)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Opens a page in a frame of each of the `widths`, and returns what `script` returns there: the
/// body of a function of the page's document `D`. The frame is needed because the window of a
/// headless browser has a least width, and because the page itself forbids scripts.
pub fn measure(page: &Path, widths: &[u32], script: &str) -> Option<Vec<Value>> {
    let program = program()?;
    let folder = tempfile::tempdir().unwrap();
    let frames: String = widths
        .iter()
        .map(|width| {
            format!(
                "<iframe style='border:0;width:{width}px;height:900px' src='file://{}'></iframe>",
                page.display()
            )
        })
        .collect();
    let outer = folder.path().join("outer.html");
    let html = format!(
        "<body>{frames}<pre id=out></pre><script>onload = () => {{
            const measured = [...document.querySelectorAll('iframe')].map(
                frame => ((D, W) => {{ {script} }})(frame.contentDocument, frame.contentWindow));
            out.textContent = JSON.stringify(measured);
        }}</script>"
    );
    fs::write(&outer, html).unwrap();
    let more = ["--allow-file-access-from-files", "--window-size=1600,1600", "--dump-dom"];
    let output = run(program, folder.path(), &outer, &more);
    let document = String::from_utf8(output.stdout).unwrap();
    let (_, measured) = document.split_once("<pre id=\"out\">").unwrap();
    let measured = measured.split("</pre>").next().unwrap();
    let measured = measured.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&measured).expect("the script ended"))
}

/// Opens a page. Returns `None` if no browser is installed.
pub fn open(page: &Path) -> Option<LoadedPage> {
    let program = program()?;
    let profile = tempfile::tempdir().unwrap();
    let screenshot = profile.path().join("screenshot.png");
    let run = |mode: &str| run(program, profile.path(), page, &["--window-size=1200,1600", mode]);
    let output = run("--dump-dom");
    let log = String::from_utf8_lossy(&output.stderr);
    // `[1234:1234:0101/000000.000:INFO:CONSOLE(1)] "the message", source: file:///...`
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    run(&format!("--screenshot={}", screenshot.display()));
    Some(LoadedPage {
        console,
        document: String::from_utf8(output.stdout).unwrap(),
        screenshot: fs::read(screenshot).unwrap(),
    })
}
