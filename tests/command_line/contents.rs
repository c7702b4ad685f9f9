//! A folder walk finds photos by their content, and no file in it stops or blocks a command.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json_lines, narrow, run_in, stderr, stdout, trained};

/// The rows of `predict --json`: the class, or the error, by path.
fn rows(output: &Output) -> BTreeMap<String, Result<String, String>> {
    let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let row = |line: serde_json::Value| match line.get("error") {
        Some(error) => (text(&line["path"]), Err(text(error))),
        None => (text(&line["path"]), Ok(text(&line["class"]))),
    };
    lines.into_iter().map(row).collect()
}

fn predict(place: &Path, folder: &str) -> Output {
    run_in(place, ["predict", "run", folder, "--json", "--device", CPU])
}

#[test]
fn every_picture_in_a_folder_has_a_row_whatever_its_name() {
    let folder = trained(3);
    let place = folder.path();
    let odd = place.join("odd");
    fs::create_dir_all(odd.join("deep")).unwrap();
    let photo = image::open(place.join("photos/val/discs/000.png")).unwrap().into_rgb8();
    let jpeg = odd.join("deep/0");
    photo.save_with_format(&jpeg, image::ImageFormat::Jpeg).unwrap();
    for name in ["1.JPG_large", "2.pjpeg", "3.jfif", "4.mpo", "5.txt", "6.jpg.download", "7.JPE"] {
        fs::copy(&jpeg, odd.join(name)).unwrap();
    }
    for (name, format) in [("a.apng", image::ImageFormat::Png), ("b", image::ImageFormat::WebP)] {
        photo.save_with_format(odd.join(name), format).unwrap();
    }
    photo.save_with_format(odd.join("c"), image::ImageFormat::Bmp).unwrap();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat";
    fs::write(odd.join("phone"), heic).unwrap();
    fs::write(odd.join("broken.jpg"), "no image").unwrap();
    for name in ["notes.txt", "labels.csv", "best.pth", "empty"] {
        fs::write(odd.join(name), if name == "empty" { "" } else { "words, and no picture" })
            .unwrap();
    }
    let output = predict(place, "odd");
    assert_error(&output, &["2 of 13 files could not be read"]);
    let told = stderr(&output);
    assert!(
        told.contains("skipped 4 files that are not pictures, such as `odd/best.pth`"),
        "{told}"
    );
    let rows = rows(&output);
    assert_eq!(rows.len(), 13, "{rows:?}");
    for (path, row) in &rows {
        match path.as_str() {
            "odd/phone" => {
                assert!(row.as_ref().unwrap_err().starts_with("is HEIC, which is not read"))
            }
            "odd/broken.jpg" => assert!(row.as_ref().unwrap_err().starts_with("is not a")),
            _ => assert!(row.is_ok(), "{path}: {row:?}"),
        }
    }
}

#[test]
fn a_folder_of_nothing_but_heic_says_so() {
    let folder = trained(1);
    let place = folder.path();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat";
    for class in ["cat", "dog"] {
        fs::create_dir_all(place.join("phone").join(class)).unwrap();
        for name in ["1.heic", "2.HEIC"] {
            fs::write(place.join("phone").join(class).join(name), heic).unwrap();
        }
    }
    let train = |data: &str| {
        run_in(place, ["train", data, "--out", "new"].map(String::from).into_iter().chain(narrow()))
    };
    let what = ["no photo in `phone` can be used", "1.heic` is HEIC", "heif-convert", "3 more"];
    assert_error(&train("phone"), &what);
    // One such class among others.
    fs::copy(place.join("photos/val/discs/000.png"), place.join("phone/cat/1.png")).unwrap();
    assert_error(&train("phone"), &["no photo in `phone/dog` can be used", "is HEIC"]);
    assert_error(&predict(place, "phone/dog"), &["2 of 2 files could not be read"]);
}

#[cfg(unix)]
#[test]
fn links_to_nothing_pipes_and_sockets_neither_stop_training_nor_vanish() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let folder = trained(3);
    let place = folder.path();
    let discs = place.join("photos/train/discs");
    symlink("gone.jpg", discs.join("dangling.jpg")).unwrap();
    symlink("itself", discs.join("itself")).unwrap();
    symlink("/dev/zero", discs.join("zero.jpg")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(discs.join("pipe.jpg")).status().unwrap();
    assert!(made.success());
    let _socket = UnixListener::bind(discs.join("socket")).unwrap();
    let args = ["train", "photos", "--out", "new", "--epochs", "1"].map(String::from);
    let output = run_in(place, args.into_iter().chain(narrow()));
    let told = stderr(&output);
    assert!(stdout(&output).contains("skipped   5 files"), "{told}");
    assert!(told.contains("dangling.jpg`: it is a link to a file that does not exist"), "{told}");
    assert!(told.contains("zero.jpg`: it is not a regular file"), "{told}");
    assert_eq!(told.lines().count(), 5, "{told}");

    let output = predict(place, "photos/train/discs");
    assert_error(&output, &["5 of 8 files could not be read"]);
    let rows = rows(&output);
    assert_eq!(rows.values().filter(|row| row.is_ok()).count(), 3);
    let error = |name: &str| rows[&format!("photos/train/discs/{name}")].clone().unwrap_err();
    assert!(error("dangling.jpg").starts_with("cannot be read: No such file"));
    assert_eq!(error("pipe.jpg"), "is not a regular file");
    // A file of the kernel without end, and one whose read waits for a message.
    for file in ["/proc/self/pagemap", "/proc/kmsg"] {
        if Path::new(file).exists() {
            assert_error(&predict(place, file), &["1 of 1 files could not be read"]);
        }
    }
}
