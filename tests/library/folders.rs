//! Folders are read in every supported layout, and clear errors report all others.

use std::fs;
use std::path::{Path, PathBuf};

use kindling::photos::{PhotoSet, labelled_as, training_split, walk};
use tempfile::TempDir;

/// A folder with empty files of these names. The layout of a folder depends on names alone.
pub fn folder_of(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }
    folder
}

fn names(root: &Path, photos: &[kindling::photos::LabelledPhoto]) -> Vec<(String, usize)> {
    photos
        .iter()
        .map(|photo| {
            let path = photo.path.strip_prefix(root).unwrap();
            (path.to_str().unwrap().replace('\\', "/"), photo.label)
        })
        .collect()
}

fn owned(list: &[(&str, usize)]) -> Vec<(String, usize)> {
    list.iter().map(|(name, label)| (name.to_string(), *label)).collect()
}

#[test]
fn train_and_val_folders_are_used_as_given() {
    let folder = folder_of(&[
        "train/dog/b.JPG",
        "train/dog/deep/down/a.jpeg",
        "train/cat/1.png",
        "train/cat/2.webp",
        "val/dog/9.bmp",
        "val/cat/8.gif",
        "train/cat/.DS_Store",
        "train/.hidden/x.jpg",
    ]);
    let split = training_split(folder.path(), None, 0).unwrap();
    assert_eq!(split.classes, ["cat", "dog"]);
    assert_eq!(
        names(folder.path(), &split.train),
        owned(&[
            ("train/cat/1.png", 0),
            ("train/cat/2.webp", 0),
            ("train/dog/b.JPG", 1),
            ("train/dog/deep/down/a.jpeg", 1),
        ])
    );
    assert_eq!(
        names(folder.path(), &split.val),
        owned(&[("val/cat/8.gif", 0), ("val/dog/9.bmp", 1)])
    );
    assert!(split.passed_over.is_empty());
}

fn many(class: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{class}/{index:03}.jpg")).collect()
}

#[test]
fn class_folders_are_split_by_class_and_seed() {
    let names: Vec<String> = [many("a", 10), many("b", 50), many("c", 1), many("d", 2)].concat();
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let split = |seed, share| training_split(folder.path(), share, seed).unwrap();
    let first = split(7, None);
    let count = |photos: &[kindling::photos::LabelledPhoto], label| {
        photos.iter().filter(|photo| photo.label == label).count()
    };
    // A fifth of each class is held out. A single photo is for training; of two, one is held out.
    assert_eq!([0, 1, 2, 3].map(|label| count(&first.val, label)), [2, 10, 0, 1]);
    assert_eq!([0, 1, 2, 3].map(|label| count(&first.train, label)), [8, 40, 1, 1]);
    assert_eq!(first, split(7, None));
    assert_ne!(first, split(8, None));
    assert_eq!([0, 1].map(|label| count(&split(7, Some(0.99)).train, label)), [1, 1]);
    let mut all: Vec<PathBuf> =
        first.train.iter().chain(&first.val).map(|photo| photo.path.clone()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 63);
}

#[test]
fn kaggles_flat_folder_is_labelled_by_the_name_up_to_the_first_dot() {
    let folder = folder_of(&["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.JPEG", "notes.txt"]);
    let set = PhotoSet::read(folder.path()).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    assert_eq!(
        names(folder.path(), &set.photos),
        owned(&[("cat.0.jpg", 0), ("cat.1.jpg", 0), ("dog.0.jpg", 1), ("dog.1.JPEG", 1)])
    );
    assert!(set.passed_over[0].path.ends_with("notes.txt"));
    // Kaggle's archive unpacks to train/cat.0.jpg.
    let folder =
        folder_of(&["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.1.jpg"]);
    assert_eq!(training_split(folder.path(), None, 0).unwrap().classes, ["cat", "dog"]);
}

#[test]
fn files_that_are_not_photos_are_skipped_and_listed() {
    let names = ["a/1.jpg", "a/notes.txt", "b/1.jpg", "b/2.heic", "loose.jpg", "table.csv"];
    let folder = folder_of(&names);
    let set = PhotoSet::read(folder.path()).unwrap();
    let mut passed: Vec<String> = set
        .passed_over
        .iter()
        .map(|file| {
            format!("{}: {}", file.path.file_name().unwrap().to_str().unwrap(), file.reason)
        })
        .collect();
    passed.sort();
    assert_eq!(passed.len(), 4);
    assert!(passed[0].starts_with("2.heic: is not a picture in a format"), "{passed:?}");
    assert_eq!(
        passed[1..],
        [
            "loose.jpg: is not in a class folder",
            "notes.txt: is not a picture",
            "table.csv: is not a picture"
        ]
    );
}

#[test]
fn a_folder_without_usable_classes_is_an_error_that_names_the_problem_and_the_folder() {
    for (files, share, expected) in [
        (vec![], None, "no photo in"),
        (vec!["a/", "b/"], None, "<class>"),
        (vec!["a/1.jpg", "b/"], None, "holds no photo"),
        (vec!["a/1.jpg", "a/2.jpg"], None, "only one class, `a`"),
        (vec!["a.1.jpg", "a.2.jpg"], None, "only one class, `a`"),
        (vec!["1.jpg", "2.jpg"], None, "photos without a class, such as `1.jpg`"),
        (vec!["a/1.jpg", "b/1.jpg"], None, "each class has only one"),
        (vec!["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg"], None, "`b` has photos in"),
        (
            vec!["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg", "val/c/1.jpg"],
            None,
            "`c` has photos in",
        ),
        (
            vec!["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg"],
            Some(0.5),
            "--val-split does not apply",
        ),
    ] {
        let folder = folder_of(&files);
        let error = training_split(folder.path(), share, 0).unwrap_err().to_string();
        assert!(error.contains(expected), "{files:?}: {error}");
        assert!(error.contains(folder.path().to_str().unwrap()), "{files:?}: {error}");
    }
    let error = training_split(Path::new("/no/such/folder"), None, 0).unwrap_err().to_string();
    assert_eq!(error, "`/no/such/folder` cannot be opened");
}

#[test]
fn evaluation_photos_get_the_models_labels() {
    let folder = folder_of(&["val/dog/1.jpg", "train/cat/1.jpg", "train/dog/1.jpg"]);
    let classes = ["cat", "cow", "dog"].map(String::from);
    let set = labelled_as(folder.path(), &classes).unwrap();
    assert_eq!(names(folder.path(), &set.photos), owned(&[("val/dog/1.jpg", 2)]));
    assert_eq!(set.classes, classes);

    let stranger = folder_of(&["horse/1.jpg", "dog/1.jpg"]);
    let error = labelled_as(stranger.path(), &classes).unwrap_err().to_string();
    assert!(error.contains("`horse`") && error.contains("cat, cow, dog"), "{error}");
}

#[test]
fn parts_are_recognised_in_any_case_and_a_class_may_have_the_name_of_one() {
    let folder = folder_of(&["Train/a/1.jpg", "Train/b/1.jpg", "Val/a/1.jpg", "Val/b/1.jpg"]);
    let split = training_split(folder.path(), None, 0).unwrap();
    assert_eq!((split.classes, split.val.len()), (vec!["a".to_owned(), "b".to_owned()], 2));
    // A classifier of trains and buses.
    let folder = folder_of(&["train/1.jpg", "train/2.jpg", "bus/1.jpg", "bus/2.jpg"]);
    assert_eq!(training_split(folder.path(), None, 0).unwrap().classes, ["bus", "train"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_dataset_folder_adds_no_photo_of_another_class() {
    let folder = folder_of(&["cat/1.jpg", "dog/1.jpg"]);
    std::os::unix::fs::symlink("..", folder.path().join("cat/up")).unwrap();
    let set = PhotoSet::read(folder.path()).unwrap();
    assert_eq!(names(folder.path(), &set.photos), owned(&[("cat/1.jpg", 0), ("dog/1.jpg", 1)]));
    assert_eq!(set.passed_over.len(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_cycle_ends_the_walk_and_is_reported() {
    let folder = folder_of(&["a/1.jpg"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/back")).unwrap();
    let walked = walk(folder.path());
    assert_eq!(walked.photos.len(), 1);
    assert!(walked.passed_over[0].reason.contains("folder above"), "{:?}", walked.passed_over);
}
