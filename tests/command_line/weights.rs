//! Weights by name: how they are found, checked and downloaded, and the errors if they are absent.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kindling::weights::PublishedWeights;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, kindling, photos, run_in, stderr, stdout};
use crate::reference::{committed, fixture};
use crate::server::{Answer, Server};

/// A command that runs in `place`, has its cache there and downloads from `mirror`.
fn command(place: &Path, mirror: &str, args: &[&str]) -> Command {
    let mut command = kindling();
    command.current_dir(place).args(args);
    command.env("KINDLING_CACHE", place.join("cache")).env("KINDLING_WEIGHTS_URL", mirror);
    command
}

fn run(place: &Path, mirror: &str, args: &[&str]) -> Output {
    command(place, mirror, args).output().unwrap()
}

#[test]
fn training_without_weights_says_every_way_to_get_them() {
    let folder = photos(2);
    let place = folder.path();
    let server = Server::start(Vec::new(), [Answer::Status("404 Not Found")]);
    let mirror = format!("{}/models/", server.address);
    let args = ["train", "photos", "--backbone", "resnet18", "--out", "run", "--device", CPU];
    let output = run(place, &mirror, &args);
    let message = stderr(&output);
    // The cause on the first line, each remedy on a line of its own.
    let lines: Vec<&str> = message.lines().filter(|line| !line.starts_with("download  ")).collect();
    let [error, hints @ ..] = lines.as_slice() else { panic!("{message}") };
    for part in ["error: ", "404 Not Found", &format!("{mirror}resnet18-f37072fd.pth")] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("--"), "{error}");
    let mut remedies = vec!["--weights", "`weights`"];
    if cfg!(feature = "bundled-weights") {
        remedies.insert(0, "--backbone efficientnet-lite0");
    }
    assert_eq!(hints.len(), remedies.len(), "{message}");
    for (hint, remedy) in hints.iter().zip(remedies) {
        assert!(hint.starts_with("hint: ") && hint.contains(remedy), "{remedy}: {hint}");
    }
    assert!(hints.last().unwrap().contains("cache/weights`"), "{message}");
    assert!(lines.iter().all(|line| line.chars().count() <= 300), "{message}");
    assert_eq!(output.status.code(), Some(1));
    assert!(server.requests()[0].starts_with("get /models/resnet18-f37072fd.pth "));
    assert!(!place.join("run").exists());
}

#[cfg(feature = "bundled-weights")]
#[test]
fn the_first_command_trains_the_built_in_network_if_the_default_cannot_be_had() {
    let folder = photos(3);
    let place = folder.path();
    let refused = Server::start(Vec::new(), [Answer::Status("404 Not Found")]);
    let mirrors = [refused.address.as_str(), "http://127.0.0.1:1", "http://no-such-host.invalid"];
    for (mirror, more) in mirrors.map(|mirror| (mirror, None)).into_iter().chain([
        // Neither asks a server.
        ("http://127.0.0.1:1", Some("--offline")),
    ]) {
        let start = std::time::Instant::now();
        let args = ["train", "photos", "--out", "run", "--force", "--epochs", "1", "--device", CPU];
        let output = run(place, mirror, &args.into_iter().chain(more).collect::<Vec<_>>());
        let (message, told) = (stdout(&output), stderr(&output));
        assert!(message.contains("backbone  efficientnet-lite0 from "), "{message}");
        // The test's photos are much alike, which is another warning.
        let warnings: Vec<&str> = told
            .lines()
            .filter(|line| line.starts_with("warning: ") && !line.contains("nearly the same"))
            .collect();
        let [warning] = warnings.as_slice() else { panic!("{told}") };
        for part in ["resnet18", "efficientnet-lite0", "--backbone resnet18 insists"] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(warning.len() <= 300, "{warning}");
        assert!(start.elapsed().as_secs() < 20, "{mirror}: {:?}", start.elapsed());
    }
    // What the user asks for by name is never replaced, nor is a damaged file.
    for insisting in [&["--backbone", "resnet18"][..], &["--backbone", "resnet18", "--offline"]] {
        let args = [&["train", "photos", "--out", "run", "--force", "--quiet"], insisting];
        assert_error(&run(place, "http://127.0.0.1:1", &args.concat()), &["resnet18"]);
    }
}

#[test]
fn offline_nobody_is_asked() {
    let folder = photos(2);
    let place = folder.path();
    let server = Server::start(Vec::new(), [Answer::Whole]);
    for args in [
        &["train", "photos", "--backbone", "resnet18", "--offline", "--device", CPU][..],
        &["predict", "resnet34", "photos", "--offline", "--device", CPU],
    ] {
        let output = run(place, &server.address, args);
        assert_error(
            &output,
            &["--offline forbids", "put it into", "efficientnet-lite0, which is built in"],
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn what_a_mirror_gives_is_never_used_unless_it_is_the_published_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let other = fs::read(fixture("narrow.pth")).unwrap();
    let server = Server::start(other, [Answer::Whole]);
    let fetch = |name: &str| run(place, &server.address, &["weights", "fetch", name, "--quiet"]);
    assert_error(&fetch("resnet34"), &["is not the published file and was deleted", "b627a593..."]);
    assert_error(
        &fetch("resnet18"),
        &["is not the published file: it has 217931 bytes instead of 46830571"],
    );
    let left = fs::read_dir(place.join("cache/weights")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().ends_with(".lock")), "{left:?}");
}

#[test]
fn a_damaged_file_under_a_published_name_is_refused_and_named() {
    let folder = photos(2);
    let place = folder.path();
    for home in ["weights", "cache/weights"] {
        let file = place.join(home).join("resnet18-f37072fd.pth");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(fixture("narrow.pth"), &file).unwrap();
        let output = run(place, "http://127.0.0.1:1", &["train", "photos", "--device", CPU]);
        assert_error(&output, &["resnet18-f37072fd.pth` is damaged", "f37072fd47e8", "delete it"]);
        let listed = json(&run(place, "", &["weights", "list", "--json"]));
        assert!(listed[0]["problem"].as_str().unwrap().contains("damaged"), "{listed}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn weights_of_ones_own_are_found_beside_the_work() {
    let folder = photos(2);
    let place = folder.path();
    fs::create_dir(place.join("weights")).unwrap();
    fs::copy(fixture("narrow.pth"), place.join("weights/resnet18-w4.pth")).unwrap();
    let args = [
        "train",
        "photos",
        "--backbone",
        "resnet18-w4",
        "--epochs",
        "1",
        "--offline",
        "--device",
        CPU,
    ];
    assert!(stdout(&run_in(place, args)).contains("resnet18-w4 from weights/resnet18-w4.pth"));
}

#[test]
fn the_network_in_a_weights_file_is_recognised() {
    let folder = photos(2);
    let weights = fixture("narrow.pth");
    let args = [
        "train",
        "photos",
        "--epochs",
        "1",
        "--weights",
        weights.to_str().unwrap(),
        "--device",
        CPU,
    ];
    assert!(stdout(&run_in(folder.path(), args)).contains("backbone  resnet18-w4 from "));
}

#[test]
fn a_proxy_of_the_environment_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Server::start(Vec::new(), [Answer::Status("403 Forbidden")]);
    let fetch = ["weights", "fetch", "resnet34"];
    let mut through = command(folder.path(), "http://weights.example/models", &fetch);
    let output = through.env("HTTP_PROXY", &proxy.address).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let requests = proxy.requests();
    assert!(requests[0].contains("weights.example"), "{requests:?}");

    let mut past = command(folder.path(), &proxy.address, &fetch);
    past.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1").output().unwrap();
    assert!(proxy.requests().last().unwrap().starts_with("get /resnet34-b627a593.pth "));
}

#[test]
fn known_weights_are_listed_with_their_terms_and_places() {
    let folder = tempfile::tempdir().unwrap();
    let table = stdout(&run(folder.path(), "", &["weights", "list"]));
    for part in ["resnet18 ", "69.758 %", "46.83 MB", "BSD-3-Clause", "Apache-2.0", "not here"] {
        assert!(table.contains(part), "`{part}` is not in: {table}");
    }
    let listed = json(&run(folder.path(), "", &["weights", "list", "--json"]));
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|weights| &weights["name"]).collect();
    assert_eq!(names, ["resnet18", "resnet34", "efficientnet-lite0"]);
    assert_eq!(listed[0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(listed[1]["sha256_prefix"], "b627a593");
    assert_eq!(listed[2]["built_in"], cfg!(feature = "bundled-weights"));
}

#[test]
fn the_path_of_weights_is_where_they_are_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    assert_error(
        &run(place, "", &["weights", "path", "resnet34"]),
        &["not on this machine", "kindling weights fetch resnet34"],
    );
    let output = run(place, "", &["weights", "path", "resnet50"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("resnet50"), "{}", stderr(&output));
}

#[test]
fn a_check_tells_what_a_file_holds_and_whether_its_name_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let check = |file: &str| run(place, "", &["weights", "check", file]);
    let committed = committed("weights/efficientnet-lite0.safetensors");
    let message = stdout(&check(committed.to_str().unwrap()));
    assert!(message.contains("published  efficientnet-lite0"), "{message}");
    assert!(
        message.contains("efficientnet-lite0, 245 tensors, and an fc layer for 1000 classes"),
        "{message}"
    );

    let message = stdout(&check(fixture("narrow.pth").to_str().unwrap()));
    assert!(message.contains("published  no: "), "{message}");
    assert!(
        message.contains("holds      resnet18-w4, 100 tensors, and an fc layer for 10 classes"),
        "{message}"
    );
    assert!(
        message.contains("photos     short side 256 (bilinear), centre 224 x 224\n"),
        "{message}"
    );

    fs::copy(fixture("narrow.pth"), place.join("resnet18-f37072fd.pth")).unwrap();
    assert_error(
        &check("resnet18-f37072fd.pth"),
        &["is damaged or not the file that its name says"],
    );
    assert_error(&check(fixture("mismatched.pth").to_str().unwrap()), &["surprise [7]"]);
    assert_error(&check("absent.pth"), &["`absent.pth` cannot be read"]);
}

#[test]
fn the_built_in_weights_are_the_committed_file() {
    let file = fs::read(committed("weights/efficientnet-lite0.safetensors")).unwrap();
    let published = PublishedWeights::of("efficientnet-lite0").unwrap();
    assert_eq!(published.size, Some(file.len() as u64));
    let sha256 =
        kindling::weights::sha256_of_file(&committed("weights/efficientnet-lite0.safetensors"));
    assert!(published.digest.admits(&sha256.unwrap()));
    assert_eq!(published.built_in.is_some(), cfg!(feature = "bundled-weights"));
    if let Some(built_in) = published.built_in {
        assert!(built_in == file);
    }
}
