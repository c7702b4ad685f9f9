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
    // Named one by one, and the same photos twice.
    fs::copy(place.join("birds-train-0.tar"), place.join("copy.tar")).unwrap();
    let named = ["--train", "birds-train-0.tar", "--val", "copy.tar", "--out", "other"];
    let output = train(place, &named);
    assert!(stderr(&output).contains("byte-for-byte copies"), "{}", stderr(&output));
    assert!(stdout(&output).contains("6 to train on, 6 to validate on"));
}

#[test]
fn archives_that_cannot_be_used_are_errors() {
    let folder = shards();
    let place = folder.path();
    let whole = fs::read(place.join("a-0.tar")).unwrap();
    fs::write(place.join("cut.tar"), &whole[..whole.len() / 2]).unwrap();
    assert_error(&train(place, &["cut.tar"]), &["`cut.tar` is cut off after"]);
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
