//! Opens pages in headless Chromium, if it is installed.

use std::fs;
use std::path::Path;
use std::process::Command;

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

/// Opens a page. If no browser is installed, prints that the test is skipped and returns `None`, or
/// panics if `KINDLING_REQUIRE_BROWSER` is set.
pub fn open(page: &Path) -> Option<LoadedPage> {
    let is_installed = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(program) = NAMES.into_iter().find(is_installed) else {
        assert!(
            std::env::var_os("KINDLING_REQUIRE_BROWSER").is_none(),
            "no browser: install chromium"
        );
        println!("skipped: no browser is installed ({})", NAMES.join(", "));
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let screenshot = profile.path().join("screenshot.png");
    let run = |mode: &str| {
        let output = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--enable-logging=stderr", "--window-size=1200,1600", mode])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg(page)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
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
