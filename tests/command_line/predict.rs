//! The output of `kindling predict`.

use std::fs;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json_lines, narrow, photos, run_in, stderr, stdout, trained};

#[test]
fn a_csv_row_says_for_each_photo_what_json_says() {
    let folder = trained(3);
    let place = folder.path();
    let odd = "a, \"quoted\"\nname.png";
    fs::copy(place.join("photos/val/discs/000.png"), place.join(odd)).unwrap();
    fs::write(place.join("broken.jpg"), "no image").unwrap();
    let inputs = ["photos/val/stripes", "broken.jpg", odd, "absent.jpg", "photos/val/checks"];
    let [json, csv] = ["--json", "--csv"].map(|format| {
        let options = ["--top", "2", "--device", CPU, format];
        run_in(place, [&["predict", "run"], &inputs[..], &options].concat())
    });
    assert_error(&csv, &["2 of 9 files could not be read"]);
    assert_eq!(stderr(&csv), stderr(&json));

    let lines = json_lines(&String::from_utf8(json.stdout).unwrap());
    let mut rows = csv::Reader::from_reader(&csv.stdout[..]);
    let header = rows.headers().unwrap().iter().collect::<Vec<_>>().join(",");
    assert_eq!(header, "path,class,probability,class_2,probability_2,stranger_score,unknown,error");
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        assert_eq!(&row[0], line["path"].as_str().unwrap());
        if let Some(error) = line.get("error") {
            assert_eq!(&row[7], error.as_str().unwrap());
            assert!((1..7).all(|cell| row[cell].is_empty()));
            continue;
        }
        assert!(row[7].is_empty());
        for (rank, cell) in [(0, 1), (1, 3)] {
            let guess = &line["top"][rank];
            assert_eq!(&row[cell], guess["class"].as_str().unwrap());
            // The CSV has all digits, but serde_json may parse a number with an error in the last
            // bit.
            let [csv, json] =
                [row[cell + 1].parse::<f64>().unwrap(), guess["probability"].as_f64().unwrap()];
            assert!((csv - json).abs() <= f64::EPSILON * json, "{csv} {json}");
        }
    }
    assert!(rows.iter().any(|row| &row[0] == odd));
}

#[test]
fn the_header_has_no_more_guesses_than_there_are_classes() {
    let folder = trained(1);
    let args = ["predict", "run", "photos/val/discs", "--csv", "--device", CPU];
    let message = stdout(&run_in(folder.path(), args));
    assert!(
        message.starts_with(
            "path,class,probability,stranger_score,unknown,error\nphotos/val/discs/000.png,"
        ),
        "{message}"
    );
    let message = stdout(&run_in(folder.path(), [&args[..], &["--top", "9"]].concat()));
    let header = message.lines().next().unwrap();
    assert!(header.ends_with(",class_3,probability_3,stranger_score,unknown,error"), "{header}");
    let both = run_in(folder.path(), [&args[..], &["--json"]].concat());
    assert_eq!(both.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn paths_that_are_no_text_are_escaped_so_that_each_can_be_told_and_found() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    let folder = trained(1);
    let place = folder.path();
    let photo = place.join("photos/val/discs/000.png");
    let names: [&[u8]; 4] = [b"caf\xe9.png", b"caf\xea.png", br"caf\xe9.png", br"caf\e.png"];
    fs::create_dir(place.join("odd")).unwrap();
    for name in names {
        // Some file systems reject such names.
        if fs::copy(&photo, place.join("odd").join(OsStr::from_bytes(name))).is_err() {
            println!("skipped: the file system rejects names that are not UTF-8");
            return;
        }
    }
    let saved = if cfg!(feature = "captions") { &["--save", "out"][..] } else { &[] };
    let args = [&["predict", "run", "odd", "--csv", "--device", CPU], saved].concat();
    let message = stdout(&run_in(place, args.into_iter().map(OsString::from)));
    let rows: Vec<&str> =
        message.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    let expected = [r"odd/caf\e.png", r"odd/caf\\xe9.png", r"odd/caf\xe9.png", r"odd/caf\xea.png"];
    assert_eq!(rows, expected);
    let lines = run_in(place, ["predict", "run", "odd", "--json", "--device", CPU]);
    let lines = json_lines(&stdout(&lines));
    assert_eq!(
        lines.iter().map(|line| line["path"].as_str().unwrap()).collect::<Vec<_>>(),
        expected
    );
    if cfg!(feature = "captions") {
        let class = message.lines().nth(1).unwrap().split(',').nth(1).unwrap();
        assert_eq!(fs::read_dir(place.join("out").join(class)).unwrap().count(), 4);
        assert!(place.join("out").join(class).join("caf_xea.jpg").exists());
    }
    // A file that is not there is named alike.
    let absent = OsStr::from_bytes(b"odd/gone\xfe.png");
    let args = ["predict", "run", "--json", "--device", CPU].map(OsString::from);
    let output = run_in(place, args.into_iter().chain([absent.to_owned()]));
    let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(lines[0]["path"], r"odd/gone\xfe.png");
}

#[test]
fn columns_for_people_are_aligned_whatever_is_predicted() {
    let folder = photos(6);
    let place = folder.path();
    for part in ["train", "val"] {
        for (class, name) in
            [("checks", "x"), ("discs", "a class of more characters"), ("stripes", "k\u{1b}[31ml")]
        {
            let classes = place.join("photos").join(part);
            fs::rename(classes.join(class), classes.join(name)).unwrap();
        }
    }
    let args = ["train", "photos", "--out", "run", "--epochs", "5", "--quiet"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    let args = ["predict", "run", "photos", "--top", "2", "--device", CPU];
    let message = stdout(&run_in(place, args));
    assert!(!message.contains('\u{1b}'), "{message}");
    let mut lines = message.lines();
    assert!(lines.next().unwrap().starts_with("device    "));
    let columns: Vec<(usize, usize)> = lines
        .filter(|line| !line.starts_with("total"))
        .map(|line| {
            let percent = line.chars().position(|character| character == '%').unwrap();
            (line.find("  ").unwrap(), percent)
        })
        .collect();
    assert_eq!(columns.len(), 36);
    let widest = columns.iter().map(|(path, _)| *path).max().unwrap();
    // The path, two spaces, 26 characters for the class, two spaces, then `100.0 %`, whose `%` has
    // index 6.
    let expected = widest + 2 + 26 + 2 + 6;
    assert!(columns.iter().all(|(_, percent)| *percent == expected), "{message}");
}

#[test]
fn the_photos_of_a_folder_are_counted_by_class_at_the_end() {
    let folder = trained(3);
    let place = folder.path();
    let predict = |paths: &[&str], more: &[&str]| {
        run_in(place, [&["predict", "run", "--device", CPU], paths, more].concat())
    };
    let lines = json_lines(&stdout(&predict(&["photos/val"], &["--json"])));
    let count = |class: &str| lines.iter().filter(|line| line["class"] == class).count();
    let message = stdout(&predict(&["photos/val"], &[]));
    let total = message.lines().last().unwrap();
    assert!(total.starts_with("total     9 photos: "), "{message}");
    let listed = total.split_once(": ").unwrap().1;
    let counts: Vec<(usize, &str)> = listed
        .split(", ")
        .map(|part| part.split_once(' ').unwrap())
        .map(|(count, class)| (count.parse().unwrap(), class))
        .collect();
    assert!(counts.iter().all(|(number, class)| *number == count(class)), "{total}");
    assert!(counts.is_sorted_by(|one, next| one.0 >= next.0), "the most frequent first: {total}");
    assert_eq!(counts.iter().map(|(number, _)| number).sum::<usize>(), lines.len());
    let single = stdout(&predict(&["photos/val/discs/000.png"], &[]));
    assert!(!single.contains("total"), "{single}");
}
