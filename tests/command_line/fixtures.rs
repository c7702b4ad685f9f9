//! Runs the program, and creates photos and runs to use it on.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::reference::fixture;

/// The CPU backend of this build.
pub const CPU: &str = if cfg!(feature = "flex") { "flex" } else { "ndarray" };

/// A command of the program under test.
pub fn kindling() -> Command {
    isolated(Command::new(env!("CARGO_BIN_EXE_kindling")))
}

/// A command that runs the program, which then uses nothing of the user's.
pub fn isolated(mut command: Command) -> Command {
    // Disables Mesa's device selection layer, which writes to stderr on some machines.
    command.env("NODEVICE_SELECT", "1").env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
    // Tests do not read the user's cache, share cached features or access the network.
    command
        .env("KINDLING_CACHE", "there-is-no-cache")
        .env("KINDLING_NO_CACHE", "1")
        .env("KINDLING_WEIGHTS_URL", "http://127.0.0.1:1");
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
}

/// Runs the program in `folder`.
pub fn run_in<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Output {
    kindling().current_dir(folder).args(args).output().unwrap()
}

/// The program's stdout.
///
/// # Panics
/// If the program failed.
pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}\n{}", stderr(output));
    text
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

/// Parses one JSON value per line.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The options of `train` that select the narrow network, its weights and the CPU.
pub fn narrow() -> [String; 6] {
    let weights = fixture("narrow.pth").to_str().unwrap().to_owned();
    ["--weights", &weights, "--backbone", "resnet18-w4", "--device", CPU].map(String::from)
}

/// A temporary folder with a data set `photos` of checks, discs and stripes: `each` photos per
/// class in `train` and in `val`.
pub fn photos(each: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["train", "val"] {
        for (class, name) in ["checks", "discs", "stripes"].iter().enumerate() {
            let place = folder.path().join("photos").join(part).join(name);
            fs::create_dir_all(&place).unwrap();
            for index in 0..each {
                let seed = index + if part == "val" { 1000 } else { 0 };
                draw(class, seed).save(place.join(format!("{index:03}.png"))).unwrap();
            }
        }
    }
    folder
}

/// A temporary folder with `photos` and a run `run` trained on them for 5 epochs.
pub fn trained(each: usize) -> TempDir {
    let folder = photos(each);
    let args = ["train", "photos", "--out", "run", "--epochs", "5", "--lr", "0.03", "--quiet"];
    stdout(&run_in(folder.path(), args.map(String::from).into_iter().chain(narrow())));
    folder
}

/// Draws a photo of checks (class 0), a disc (1) or stripes (2).
fn draw(class: usize, seed: usize) -> RgbImage {
    let (width, height) = (60 + (seed * 7 % 40) as u32, 60 + (seed * 11 % 40) as u32);
    let (period, tint) = (6 + (seed % 5) as u32, (seed * 37 % 90) as u8);
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x.abs_diff(width / 2), y.abs_diff(height / 2));
        let on = match class {
            0 => (x / period + y / period) % 2 == 0,
            1 => dx * dx + dy * dy < (14 + period).pow(2),
            _ => (x / period) % 2 == 0,
        };
        if on { Rgb([220, 200 - tint, 60]) } else { Rgb([30, 40 + tint, 90]) }
    })
}
