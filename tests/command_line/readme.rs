//! The code in README does what it says.

use std::fs;
use std::process::Command;

use kindling::backbone::Architecture;
use kindling::run::MODEL_FILE;

use crate::exports::python;
use crate::fixtures::stdout;
use crate::reference::committed;

/// README's part about PyTorch: the training command and the code.
fn pytorch() -> (Vec<String>, String) {
    let readme = fs::read_to_string(committed("README.md")).unwrap();
    let (_, part) = readme.split_once("PyTorch loads a run's model.").unwrap();
    let part = part.split("\n## ").next().unwrap();
    let command = part.split('`').find(|words| words.starts_with("kindling train ")).unwrap();
    let code: String = part
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| line.to_owned() + "\n")
        .collect();
    (command.split_whitespace().map(String::from).collect(), code)
}

#[test]
fn the_pytorch_code_of_the_readme_fits_its_training_command() {
    let (command, code) = pytorch();
    let option = |name: &str| {
        let at = command.iter().position(|word| word == name).unwrap();
        command[at + 1].as_str()
    };
    let file = format!("\"{}/{MODEL_FILE}\"", option("--out"));
    assert!(code.contains(&file), "{file} is not in {code}");
    let architecture: Architecture = option("--backbone").parse().unwrap();
    let network = architecture.pytorch_expression(2).unwrap().replace("(num_classes=2)", "");
    let network = network.trim_start_matches("torchvision.");
    assert!(code.contains(&format!("{network}(num_classes=len(classes))")), "{network}: {code}");
    // `transforms.Resize` is bilinear, as this backbone's preprocessing is.
    let preprocessing = serde_json::to_value(architecture.preprocessing()).unwrap();
    assert_eq!(preprocessing["filter"], "bilinear");
    for key in ["resize", "crop", "mean", "std"] {
        assert!(code.contains(&format!("prepare[\"{key}\"]")), "{key}: {code}");
        assert!(preprocessing.get(key).is_some(), "{key} is not in {preprocessing}");
    }
}

#[test]
fn the_readme_has_at_most_150_lines() {
    assert!(fs::read_to_string(committed("README.md")).unwrap().lines().count() <= 150);
}

#[test]
fn the_pytorch_code_of_the_readme_runs_and_gives_the_same_class() {
    let Some(python) = python("PIL, safetensors, torch, torchvision") else { return };
    let output = Command::new(&python)
        .arg(committed("tests/readme_in_python.py"))
        .arg(env!("CARGO_BIN_EXE_kindling"))
        .env("KINDLING_NO_CACHE", "1")
        .env("GOMP_SPINCOUNT", "0")
        .output()
        .unwrap();
    println!("{}", stdout(&output));
}
