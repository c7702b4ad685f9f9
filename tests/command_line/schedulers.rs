//! The examples for schedulers embed every shard, as a scheduler runs them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixtures::{isolated, kindling, run_in, stdout};
use crate::reference::fixture;
use crate::shards::shards;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The search path, with the program under test in it.
fn path() -> OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_kindling")).parent().unwrap().to_owned();
    let known = env::var_os("PATH").unwrap_or_default();
    env::join_paths([program].into_iter().chain(env::split_paths(&known))).unwrap()
}

/// Checks that `out` has the features of the three shards.
fn assert_complete(place: &Path) {
    let text = stdout(&run_in(place, ["embed", "--merge", "out"]));
    assert!(text.contains("shards    3 of 3\nphotos    18, 0 skipped"), "{text}");
}

#[test]
fn the_slurm_script_embeds_every_shard() {
    let folder = shards();
    let task = |index: &str| {
        isolated(Command::new("bash"))
            .arg(example("embed.slurm"))
            .current_dir(folder.path())
            .env("PATH", path())
            .env("MODEL", fixture("narrow.pth"))
            .envs([("SHARDS", "a-{0..2}.tar"), ("OUT", "out")])
            .envs([("SLURM_ARRAY_TASK_ID", index), ("SLURM_ARRAY_TASK_MIN", "0")])
            .env("SLURM_ARRAY_TASK_COUNT", "2")
            .output()
            .unwrap()
    };
    assert!(stdout(&task("0")).contains("shards    2 embedded"));
    assert!(stdout(&task("1")).contains("shards    1 embedded"));
    assert_complete(folder.path());
    // A task that was put back into the queue.
    assert!(stdout(&task("0")).contains("shards    0 embedded, 2 were there already"));
}

#[test]
fn the_kubernetes_job_embeds_every_shard() {
    let manifest = fs::read_to_string(example("embed-job.yaml")).unwrap();
    let lines = manifest.lines().map(str::trim).skip_while(|line| *line != "command:").skip(1);
    let words = lines.map_while(|line| line.strip_prefix("- "));
    let weights = fixture("narrow.pth").to_str().unwrap().to_owned();
    let words: Vec<String> = words
        .map(|word| match word {
            "efficientnet-lite0" => weights.clone(),
            "/data/photos-{000..099}.tar" => "a-{0..2}.tar".into(),
            "/data/features" => "out".into(),
            word => word.into(),
        })
        .collect();
    assert_eq!(words.first().map(String::as_str), Some("kindling"));
    let pods = 10;
    assert_eq!(words.last(), Some(&format!("auto/{pods}")));
    assert!(manifest.contains(&format!("  completions: {pods}\n")));
    let folder = shards();
    for index in 0..pods {
        let mut pod = kindling();
        pod.args(&words[1..]).env("JOB_COMPLETION_INDEX", index.to_string());
        stdout(&pod.current_dir(folder.path()).output().unwrap());
    }
    assert_complete(folder.path());
}
