//! A real browser, where there is one: Chromium without a window.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the browser made of a page.
pub struct Shown {
    /// What it said on its console.
    pub complaints: Vec<String>,
    /// The document after loading.
    pub document: String,
    /// A PNG file of the window.
    pub screenshot: Vec<u8>,
}

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Opens a page. `None`, with a line that says so, where there is no browser, unless
/// `KINDLING_REQUIRE_BROWSER` says that there must be one.
pub fn open(page: &Path) -> Option<Shown> {
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(program) = NAMES.into_iter().find(there) else {
        assert!(
            std::env::var_os("KINDLING_REQUIRE_BROWSER").is_none(),
            "no browser: install chromium"
        );
        println!("skipped: there is no browser ({})", NAMES.join(", "));
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let screenshot = profile.path().join("screenshot.png");
    let run = |what: &str| {
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
            .args(["--enable-logging=stderr", "--window-size=1200,1600", what])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg(page)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let output = run("--dump-dom");
    let log = String::from_utf8_lossy(&output.stderr);
    // `[1234:1234:0101/000000.000:INFO:CONSOLE(1)] "what it says", source: file:///...`
    let complaints =
        log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    run(&format!("--screenshot={}", screenshot.display()));
    Some(Shown {
        complaints,
        document: String::from_utf8(output.stdout).unwrap(),
        screenshot: fs::read(screenshot).unwrap(),
    })
}
