//! Photos in archives are trained on, evaluated, predicted and reported as photos in folders are.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json_lines, narrow, run_in, stderr, stdout};
use crate::shards::shards;

fn train(place: &Path, args: &[&str]) -> Output {
    let args = ["train"].into_iter().chain(args.iter().copied()).map(str::to_owned);
    run_in(place, args.chain(narrow()))
}

/// What was printed by a program that may have failed.
fn stdout_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(output)
}

fn on_cpu(place: &Path, args: &[&str]) -> Output {
    run_in(place, [args, &["--device", CPU]].concat())
}

#[test]
fn a_model_is_trained_evaluated_reported_and_used_on_archives() {
    let folder = shards();
    let place = folder.path();
    let text = stdout(&train(place, &["a-{0..2}.tar", "--out", "run"]));
    assert!(text.contains("table     18 photos: 3 shards"), "{text}");
    assert!(text.contains("15 to train on, 3 to validate on, 3 classes"), "{text}");
    // The report shows the photos, and can be drawn again from another folder.
    let pictures = || {
        let page = fs::read_to_string(place.join("run/report.html")).unwrap();
        page.matches("data:image/jpeg").count()
    };
    let drawn = pictures();
    assert!(drawn >= 3, "{drawn}");
    fs::create_dir(place.join("elsewhere")).unwrap();
    stdout(&on_cpu(&place.join("elsewhere"), &["report", "../run"]));
    assert_eq!(pictures(), drawn);

    let evaluated = on_cpu(place, &["evaluate", "run", "a-0.tar"]);
    assert!(stderr(&evaluated).contains("the model was trained on photos of"));
    assert!(stdout(&evaluated).contains("  6 photos  ("), "{}", stdout(&evaluated));

    let predicted = |path: &str| {
        let text = stdout(&on_cpu(place, &["predict", "run", "--json", path]));
        json_lines(&text).into_iter().map(|line| line["top"].clone()).collect::<Vec<_>>()
    };
    let member = predicted("a-0.tar/train-checks-0.png");
    assert_eq!(member, predicted("photos/train/checks/000.png"));
    assert!(member[0].is_array(), "{member:?}");
    assert_eq!(predicted("a-0.tar").len(), 6);
    let absent = on_cpu(place, &["predict", "run", "a-0.tar/absent.png"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(stdout_of(&absent).contains("the archive has no such photo"), "{}", stdout_of(&absent));
}

#[test]
fn the_names_of_archives_tell_the_parts() {
    let folder = shards();
    let place = folder.path();
    for (from, to) in [("a-0", "birds-train-0"), ("a-1", "birds-val-0"), ("a-2", "birds-test-0")] {
        fs::rename(place.join(format!("{from}.tar")), place.join(format!("{to}.tar"))).unwrap();
    }
    let text = stdout(&train(place, &["birds-*.tar", "--out", "run"]));
    assert!(text.contains("6 to train on, 6 to validate on, 6 to test on"), "{text}");
    assert!(text.contains("test accuracy"), "{text}");
    // The names of folders tell them too. If one name tells none, nothing is told.
    for part in ["train", "val"] {
        fs::create_dir_all(place.join("set").join(part)).unwrap();
        let (from, to) = (format!("birds-{part}-0.tar"), format!("set/{part}/0.tar"));
        fs::copy(place.join(from), place.join(to)).unwrap();
    }
    let text = stdout(&train(place, &["set/{train,val}/0.tar", "--out", "set/run"]));
    assert!(text.contains("6 to train on, 6 to validate on"), "{text}");
    fs::copy(place.join("birds-test-0.tar"), place.join("set/0.tar")).unwrap();
    let mixed = ["{set/0,birds-train-0,birds-val-0}.tar", "--out", "set/mixed"];
    let output = train(place, &mixed);
    assert!(stderr(&output).contains("so none counts"), "{}", stderr(&output));
    assert!(stdout(&output).contains("15 to train on, 3 to validate on"));
    // One archive whose name happens to have such a word.
    let text = stdout(&train(place, &["birds-test-0.tar", "--out", "set/test"]));
    assert!(text.contains("3 to train on, 3 to validate on"), "{text}");
    // Named one by one, and the same photos twice.
    fs::copy(place.join("birds-train-0.tar"), place.join("copy.tar")).unwrap();
    let named = ["--train", "birds-train-0.tar", "--val", "copy.tar", "--out", "other"];
    let output = train(place, &named);
    assert!(stderr(&output).contains("byte-for-byte copies"), "{}", stderr(&output));
    assert!(stdout(&output).contains("6 to train on, 6 to validate on"));
}

#[test]
fn a_hard_link_is_the_member_that_it_links_to() {
    let folder = shards();
    let place = folder.path();
    let mut tar = tar::Builder::new(fs::File::create(place.join("links.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "9.png", "absent.png").unwrap();
    for (photo, class) in [("val/discs/001", "a"), ("val/checks/001", "b")] {
        tar.append_path_with_name(
            place.join(format!("photos/{photo}.png")),
            format!("{class}.png"),
        )
        .unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        tar.append_data(&mut header, format!("{class}.cls"), class.as_bytes()).unwrap();
        for file in ["png", "cls"] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            let (name, target) = (format!("{class}2.{file}"), format!("{class}.{file}"));
            tar.append_link(&mut header, name, target).unwrap();
        }
    }
    tar.finish().unwrap();
    drop(tar);
    let output = train(place, &["links.tar", "--out", "run"]);
    assert!(stdout(&output).contains("2 to train on, 2 to validate on"), "{}", stdout(&output));
    let text = stdout_of(&on_cpu(place, &["predict", "run", "links.tar"]));
    assert!(text.contains("it is a link to a file that the archive does not have"), "{text}");
}

#[test]
fn archives_that_cannot_be_used_are_errors() {
    let folder = shards();
    let place = folder.path();
    let whole = fs::read(place.join("a-0.tar")).unwrap();
    fs::write(place.join("cut.tar"), &whole[..whole.len() / 2]).unwrap();
    assert_error(&train(place, &["cut.tar"]), &["`cut.tar` is cut off after"]);
    fs::write(place.join("gzip.tar"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03").unwrap();
    assert_error(&train(place, &["gzip.tar"]), &["`gzip.tar` is compressed by gzip", "gunzip"]);
    fs::write(place.join("empty.tar"), [0; 10240]).unwrap();
    assert_error(&train(place, &["empty.tar"]), &["no photo in `empty.tar` can be used"]);
    assert_error(&train(place, &["b-*.tar"]), &["no file matches `b-*.tar`"]);
    assert_error(
        &train(place, &["a-0.tar", "--label-column", "class"]),
        &["`a-0.tar` is a shard", "leave --label-column out"],
    );
    let mut tar = tar::Builder::new(fs::File::create(place.join("bare.tar")).unwrap());
    tar.append_path_with_name(place.join("photos/val/discs/001.png"), "1.png").unwrap();
    tar.finish().unwrap();
    drop(tar);
    assert_error(&train(place, &["bare.tar"]), &["no photo in `bare.tar` has a label", ".cls"]);
    assert_eq!(fs::read_dir(place.join("runs")).unwrap().count(), 0);
}
