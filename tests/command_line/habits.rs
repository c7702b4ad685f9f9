//! Conventions of a command line: help, versions, completions, colours and logging.

use std::process::Output;

use kindling::device::Backend;

use crate::fixtures::{CPU, kindling, narrow, photos, run_in, stderr, stdout};

fn run(args: &[&str]) -> Output {
    kindling().args(args).output().unwrap()
}

const SUBCOMMANDS: [&[&str]; 17] = [
    &["demo"],
    &["train"],
    &["evaluate"],
    &["predict"],
    &["report"],
    &["export"],
    &["embed"],
    &["devices"],
    &["weights"],
    &["weights", "list"],
    &["weights", "fetch"],
    &["weights", "check"],
    &["weights", "path"],
    &["cache"],
    &["cache", "info"],
    &["cache", "clear"],
    &["completions"],
];

#[test]
fn every_commands_help_ends_in_examples() {
    let tour = stdout(&run(&["--help"]));
    assert!(tour.contains("A first tour:"), "{tour}");
    for command in SUBCOMMANDS {
        let help = stdout(&run(&[command, &["--help"]].concat()));
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{help}"));
        assert!(examples.contains(&format!("kindling {}", command.join(" "))), "{help}");
        assert!(tour.contains(&format!("  {} ", command[0])), "{tour}");
        // Examples are not wrapped, so they must fit into a narrow terminal.
        assert!(examples.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}

#[test]
fn the_version_names_the_backends_and_the_weights_that_are_built_in() {
    for option in ["--version", "-V"] {
        let version = stdout(&run(&[option]));
        assert!(version.starts_with(concat!("kindling ", env!("CARGO_PKG_VERSION"))), "{version}");
        for backend in Backend::ALL {
            assert_eq!(version.contains(backend.name()), backend.is_compiled_in(), "{version}");
        }
        let built_in = version.contains("efficientnet-lite0 built in");
        assert_eq!(built_in, cfg!(feature = "bundled-weights"), "{version}");
    }
}

#[test]
fn a_mistyped_option_or_command_suggests_the_nearest() {
    for (args, nearest) in [
        (&["train", "photos", "--epoch", "3"][..], "--epochs"),
        (&["trian", "photos"], "train"),
        (&["weights", "ftech", "resnet18"], "fetch"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(&format!("'{nearest}'")), "{}", stderr(&output));
    }
}

#[test]
fn completions_know_the_commands_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&run(&["completions", shell]));
        for word in ["predict", "weights", "backbone", "efficientnet-lite0", "wgpu"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let coloured = |args: &[&str]| stderr(&run(args)).contains("\x1b[");
    let wrong = ["predict", "absent", "absent.jpg", "--device", CPU];
    assert!(!coloured(&wrong));
    assert!(coloured(&[&wrong[..], &["--color", "always"]].concat()));
    assert!(coloured(&[&["--color=always"], &wrong[..]].concat()));
    assert!(coloured(&["--color=always", "train"]), "the parser's own errors too");
    let output = kindling().env("NO_COLOR", "1").args(wrong).output().unwrap();
    assert!(!stderr(&output).contains("\x1b["));
    assert_eq!(run(&["--color", "pink", "devices"]).status.code(), Some(2));
}

#[test]
fn details_are_logged_where_they_are_asked_for_and_only_there() {
    let folder = photos(3);
    let args = ["train", "photos", "--epochs", "1", "--out", "run"].map(String::from);
    let args: Vec<String> = args.into_iter().chain(narrow()).collect();
    let quiet = run_in(folder.path(), &args);
    assert_eq!(stderr(&quiet), "");
    let output = kindling()
        .current_dir(folder.path())
        .args(&args)
        .arg("--force")
        .env("RUST_LOG", "kindling=debug")
        .output()
        .unwrap();
    assert!(stderr(&output).contains("DEBUG kindling"), "{}", stderr(&output));
}
