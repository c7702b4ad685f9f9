//! Runs the program under a driver with faults.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::errors::assert_error;
use crate::fixtures::{kindling, photos, stderr};
use crate::reference::fixture;

/// Longer than any run here takes on a slow machine: only a program that hangs is ended by it.
const LIMIT: Duration = Duration::from_secs(120);

/// If set, as in CI, a missing adapter fails the tests instead of skipping them.
const REQUIRED: &str = "KINDLING_REQUIRE_ADAPTER";
/// If set, loops over all events of a kind leave none out.
const ALL: &str = "KINDLING_ALL_SHAPES";

/// Photos, and the manifest of the layer.
pub struct FaultyDriver {
    folder: TempDir,
    layer: TempDir,
}

/// What the program did under a driver with faults.
pub struct Run {
    pub output: Output,
    /// The layer's log: a line for each event and each fault.
    pub log: String,
    /// What `embed` wrote, if it did.
    pub features: Option<Vec<u8>>,
}

impl FaultyDriver {
    /// A driver for twelve photos: two batches, on a driver that runs on the processor. `None`,
    /// with a line, if this machine has no Vulkan adapter.
    pub fn of_this_machine() -> Option<Self> {
        let adapter = kindling::device::resolve("wgpu".parse().unwrap());
        if let Err(error) = adapter {
            assert!(std::env::var_os(REQUIRED).is_none(), "{error}");
            println!("skipped: {error}");
            return None;
        }
        let layer = tempfile::tempdir().unwrap();
        let library = faulty_vulkan::library().unwrap();
        assert!(library.exists(), "{library:?} was not built");
        fs::write(layer.path().join("faulty.json"), faulty_vulkan::manifest(&library)).unwrap();
        Some(Self { folder: photos(2), layer })
    }

    /// The folder in which the program runs, with `photos`.
    pub fn place(&self) -> &Path {
        self.folder.path()
    }

    /// Computes the features of the photos with these faults.
    pub fn embed(&self, faults: &str) -> Run {
        self.embed_with(faults, |command| command)
    }

    /// The same with other options or variables.
    pub fn embed_with(&self, faults: &str, more: impl FnOnce(&mut Command) -> &mut Command) -> Run {
        self.run(faults, |command| {
            let weights = weights();
            let args = ["embed", &weights, "photos", "--out", "features.npy", "--device", "wgpu"];
            more(command.args(args).arg("--force"))
        })
    }

    /// Asserts that what a run has left in the cache is right, and deletes it.
    #[track_caller]
    pub fn assert_cache_is_right(&self, features: &[u8]) {
        let folder = self.place().join("cache");
        if folder.exists() {
            assert!(self.embed_with("", cache).features() == features, "the cache is wrong");
            fs::remove_dir_all(folder).unwrap();
        }
    }

    /// Trains on the photos with these faults, into `run`.
    pub fn train(&self, faults: &str, more: impl FnOnce(&mut Command) -> &mut Command) -> Run {
        self.run(faults, |command| {
            let weights = weights();
            let network = ["--weights", &weights, "--backbone", "resnet18-w4", "--device", "wgpu"];
            let args = ["train", "photos", "--out", "run", "--epochs", "2", "--quiet"];
            more(command.args(args).args(network))
        })
    }

    /// Runs the program with these faults.
    pub fn run(&self, faults: &str, more: impl FnOnce(&mut Command) -> &mut Command) -> Run {
        let [log, errors, out] =
            ["layer.log", "stderr", "stdout"].map(|name| self.layer.path().join(name));
        let features = self.place().join("features.npy");
        for old in [&log, &features] {
            let _ = fs::remove_file(old);
        }
        let mut command = kindling();
        // One driver is enough, and the first of two would be the slower one.
        command.env_remove("VK_ADD_DRIVER_FILES");
        more(command.env_remove("KINDLING_GPU_TIMEOUT"))
            .current_dir(self.place())
            .env("VK_LAYER_PATH", self.layer.path())
            .env("VK_INSTANCE_LAYERS", faulty_vulkan::NAME)
            .env(faulty_vulkan::faults::FAULTS, faults)
            .env(faulty_vulkan::faults::LOG, &log)
            // Each launch is submitted by itself, so that a fault can be put at each.
            .env("CUBECL_WGPU_MAX_TASKS", "1");
        let output = ended(command, &out, &errors);
        let log = fs::read_to_string(log).unwrap_or_default();
        assert!(log.contains("instance 1"), "the layer was not loaded: {}", stderr(&output));
        Run { output, log, features: fs::read(features).ok() }
    }
}

/// The output of a program that may hang, which is then ended.
fn ended(mut command: Command, out: &PathBuf, errors: &PathBuf) -> Output {
    // Files, because a full pipe would be another reason to hang.
    let file = |path| Stdio::from(File::create(path).unwrap());
    let mut child = command.stdout(file(out)).stderr(file(errors)).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the program hangs: {}", fs::read_to_string(errors).unwrap());
        }
        thread::sleep(Duration::from_millis(2));
    };
    let [stdout, stderr] = [out, errors].map(|path| fs::read(path).unwrap());
    Output { status, stdout, stderr }
}

impl Run {
    /// Whether a fault has happened.
    pub fn is_faulty(&self) -> bool {
        self.log.lines().any(|line| line.starts_with("fault "))
    }

    /// The number of events of a kind.
    pub fn events(&self, kind: &str) -> usize {
        let is_one = |line: &&str| line.split(' ').next() == Some(kind);
        self.log.lines().filter(is_one).count()
    }

    /// Asserts that the program said what is wrong in one line of words, with `parts` in it.
    #[track_caller]
    pub fn assert_error(&self, parts: &[&str]) {
        assert_error(&self.output, parts);
        let text = stderr(&self.output);
        let has_long_line = text.lines().any(|line| line.chars().count() > 300);
        assert!(!has_long_line, "a line is too long: {text}");
        for word in ["panicked", "RUST_BACKTRACE", "unwrap", "CallError", "0x"] {
            assert!(!text.contains(word), "`{word}` is not for users: {text}");
        }
        assert!(self.features.is_none(), "features were written");
    }

    /// The features of a run that succeeded.
    #[track_caller]
    pub fn features(&self) -> &[u8] {
        let text = stderr(&self.output);
        assert!(self.output.status.success(), "{text}");
        assert!(text.lines().all(|line| line.starts_with("warning: ")), "{text}");
        self.features.as_deref().unwrap()
    }

    /// Asserts that the program either wrote these features, or said in words why not.
    #[track_caller]
    pub fn assert_right_or_error(&self, features: &[u8], parts: &[&str]) {
        match self.output.status.success() {
            true => assert!(self.features() == features, "other features\n{}", self.log),
            false => self.assert_error(parts),
        }
    }
}

/// The numbers 1 to `count`; in CI some of them, the first and the last among them.
pub fn each(count: usize) -> Vec<usize> {
    let step = if std::env::var_os(ALL).is_some() { 1 } else { count.div_ceil(5) };
    let inner = (1..count).step_by(step.max(1));
    inner.chain((count > 0).then_some(count)).collect()
}

fn weights() -> String {
    fixture("narrow.pth").to_str().unwrap().to_owned()
}

/// An argument for the cache.
pub fn cache(command: &mut Command) -> &mut Command {
    command.args(["--cache".as_ref(), OsStr::new("cache")])
}
