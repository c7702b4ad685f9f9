//! Folders that are no classes are not trained as classes, whatever they are called.

use std::path::Path;

use kindling::photos::{
    FolderError, Part, PhotoSet, Split, every_photo, labelled_as, split_of_parts, training_folder,
    training_split,
};

use crate::folders::folder_of;

/// Names of photos: two of each class in each of the folders.
fn grid(folders: &[&str], classes: &[&str]) -> Vec<String> {
    let photos = |folder: &str, class: &str| {
        ["1.jpg", "2.jpg"].map(|photo| format!("{folder}/{class}/{photo}"))
    };
    let in_folder =
        |folder: &&str| classes.iter().flat_map(|class| photos(folder, class)).collect::<Vec<_>>();
    folders.iter().flat_map(in_folder).collect()
}

fn split_of(names: &[String]) -> Result<Split, String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = folder_of(&names);
    training_split(folder.path(), None, 0)
        .map(|split| below(split, folder.path()))
        .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), "DATA"))
}

/// The split with paths below `folder`.
fn below(mut split: Split, folder: &Path) -> Split {
    for photo in split.train.iter_mut().chain(&mut split.val).chain(&mut split.test) {
        photo.path = photo.path.strip_prefix(folder).unwrap().to_owned();
    }
    split
}

fn all_in(photos: &[kindling::photos::LabelledPhoto], folder: &str) -> bool {
    !photos.is_empty() && photos.iter().all(|photo| photo.path.starts_with(folder))
}

#[test]
fn parts_of_a_data_set_are_no_classes_whatever_they_are_called() {
    for (train, other) in [
        ("seg_train", "seg_test"),
        ("training_set", "test_set"),
        ("Training", "Testing"),
        ("train", "test"),
        ("train_images", "test_images"),
        ("flowers-train", "flowers-test"),
        ("data/Train", "data/TEST"),
        ("dataset/dataset/train", "dataset/dataset/test"),
        ("a/b/trainset", "a/b/holdout"),
    ] {
        let split = split_of(&grid(&[train, other], &["forest", "sea"])).unwrap();
        assert_eq!(split.classes, ["forest", "sea"], "{train} {other}");
        assert!(all_in(&split.train, train) && all_in(&split.val, train), "{train} {other}");
        assert_eq!((split.train.len(), split.val.len()), (2, 2));
        let roles = split.roles.unwrap();
        assert!(
            roles.starts_with(&format!("trains on `{train}`, validates on a share of it"))
                && roles.ends_with(&format!(", tests on `{other}`")),
            "{roles}"
        );
        assert!(all_in(&split.test, other) && split.test.len() == 4, "{other}");
    }
    for (train, val) in [
        ("train_images", "val_images"),
        ("train", "eval"),
        ("train", "dev"),
        ("train", "validation_set"),
        ("TRAIN", "Val"),
        ("training", "valid"),
        ("data/train", "data/val"),
        ("trainA", "valA"),
        ("train2017", "val2017"),
        ("birds_train", "birds_valid"),
    ] {
        let split = split_of(&grid(&[train, val], &["a", "b", "c"])).unwrap();
        assert_eq!(split.classes, ["a", "b", "c"], "{train} {val}");
        assert!(all_in(&split.train, train) && all_in(&split.val, val), "{train} {val}");
        let roles = split.roles.unwrap();
        assert_eq!(roles, format!("trains on `{train}`, validates on `{val}`"));
    }
    // The plain layout needs no words.
    assert_eq!(split_of(&grid(&["train", "val"], &["a", "b"])).unwrap().roles, None);
}

#[test]
fn the_third_part_and_other_folders_are_named_and_not_trained_on() {
    let parts = ["train", "eval", "dev"];
    let roles = split_of(&grid(&parts, &["a", "b"])).unwrap().roles.unwrap();
    assert!(roles.contains("validates on `dev`, tests on `eval`"), "{roles}");
    // Intel's scenes: each part in a folder of its own name, and photos without classes.
    let mut names = grid(&["seg_train/seg_train", "seg_test/seg_test"], &["ice", "sea"]);
    names.extend(["seg_pred/seg_pred/1.jpg", "seg_pred/seg_pred/2.jpg"].map(String::from));
    let split = split_of(&names).unwrap();
    assert_eq!(split.classes, ["ice", "sea"]);
    assert!(all_in(&split.train, "seg_train"));
    let roles = split.roles.unwrap();
    assert!(roles.ends_with("tests on `seg_test/seg_test`; `seg_pred` is not used"), "{roles}");
    // Kaggle's names, with photos to predict beside them.
    let names = ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.1.jpg"];
    let names: Vec<String> =
        names.iter().chain(&["test1/1.jpg"]).map(ToString::to_string).collect();
    assert_eq!(split_of(&names).unwrap().classes, ["cat", "dog"]);
}

#[test]
fn a_folder_built_or_named_like_a_part_beside_classes_is_none() {
    let tumours = |more: Vec<String>| [grid(&["."], &["yes", "no"]), more].concat();
    let split = split_of(&tumours(grid(&["brain_tumor_dataset"], &["yes", "no"]))).unwrap();
    assert_eq!(split.classes, ["no", "yes"]);
    assert!(!split.train.iter().any(|photo| photo.path.starts_with("brain_tumor_dataset")));
    assert!(split.passed_over[0].reason.contains("repeats the class folders"));
    for part in ["test", "val", "valid", "Testing", "unlabeled", "unsup", "test_images", "eval"] {
        let names = [grid(&["."], &["cat", "dog"]), vec![format!("{part}/1.jpg")]].concat();
        let split = split_of(&names).unwrap();
        assert_eq!(split.classes, ["cat", "dog"], "{part}");
        assert_eq!(split.passed_over.len(), 1, "{part}");
        assert!(split.passed_over[0].reason.contains("named like a part of a data set"));
    }
    // A validation part that repeats the classes is one.
    let names = [grid(&["."], &["cat", "dog"]), grid(&["val"], &["cat", "dog"])].concat();
    let split = split_of(&names).unwrap();
    assert!(split.classes == ["cat", "dog"] && all_in(&split.val, "val"));
    assert_eq!(split.train.len(), 4);
    assert_eq!(split.roles.unwrap(), "trains on the class folders, validates on `val`");
}

#[test]
fn classes_with_folders_of_their_own_stay_classes() {
    for names in [
        // Albums with different names, and one with the same.
        vec!["cat/home/1.jpg", "cat/away/1.jpg", "dog/park/1.jpg", "dog/away/1.jpg"],
        vec!["cat/images/1.jpg", "cat/images/2.jpg", "dog/images/1.jpg", "dog/images/2.jpg"],
        // The same names beside photos of their own.
        vec![
            "cat/1.jpg",
            "cat/day/1.jpg",
            "cat/night/1.jpg",
            "dog/1.jpg",
            "dog/day/1.jpg",
            "dog/night/1.jpg",
        ],
        // One folder around all of them.
        vec![
            "archive/PetImages/cat/1.jpg",
            "archive/PetImages/cat/2.jpg",
            "archive/PetImages/dog/1.jpg",
            "archive/PetImages/dog/2.jpg",
        ],
    ] {
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        assert_eq!(split_of(&names).unwrap().classes, ["cat", "dog"], "{names:?}");
    }
    // Words of parts inside of names, and a class of trains.
    let names = grid(&["."], &["bullet train", "crash test", "train"]);
    assert_eq!(split_of(&names).unwrap().classes, ["bullet train", "crash test", "train"]);
}

#[test]
fn unclear_layouts_are_refused_with_what_was_seen_and_what_to_say() {
    for (names, seen) in [
        (
            grid(&["cat", "dog"], &["day", "night"]),
            "`cat`, `dog` hold folders of the same names (`day`, `night`)",
        ),
        (grid(&["cat", "dog", "ape", "cow"], &["train", "val"]), "`cow` and 1 more hold folders"),
        (grid(&["images", "test"], &["a", "b"]), "it holds `images`, `test`"),
        (grid(&["test", "val"], &["a", "b"]), "it holds `test`, `val`"),
        (grid(&["train", "other"], &["a", "b"]), "it holds `other`, `train`"),
        (grid(&["train", "training", "val"], &["a", "b"]), "it holds `train`, `training`, `val`"),
        // The labels are elsewhere, in a table.
        (grid(&["."], &["train", "test"]), "it holds `test`, `train`"),
        (grid(&["."], &["seg_train", "seg_test"]), "it holds `seg_test`, `seg_train`"),
    ] {
        let error = split_of(&names).unwrap_err();
        assert!(error.contains(seen), "{names:?}: {error}");
        assert!(error.contains("`--train DIR --val DIR [--test DIR]`"), "{error}");
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn parts_that_the_user_names_are_read_as_they_are() {
    let names = [
        grid(&["a"], &["test", "train"]),
        grid(&["b"], &["test", "train"]),
        grid(&["c/cat", "c/dog"], &["day", "night"]),
    ]
    .concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = folder_of(&names);
    let at = |name: &str| folder.path().join(name);
    let split = split_of_parts(&at("a"), Some(&at("b")), None, 0).unwrap();
    assert_eq!(split.classes, ["test", "train"]);
    assert!(split.train.iter().all(|photo| photo.path.starts_with(at("a"))));
    assert!(split.val.len() == 4 && split.val.iter().all(|photo| photo.path.starts_with(at("b"))));
    let split = split_of_parts(&at("c"), None, None, 0).unwrap();
    assert_eq!((split.classes.len(), split.train.len(), split.val.len()), (2, 6, 2));
    let error = split_of_parts(&at("a"), Some(&at("b")), Some(0.5), 0).unwrap_err();
    assert!(matches!(error, FolderError::SplitTwice(_)), "{error}");
    let error = split_of_parts(&at("a"), Some(&at("c")), None, 0).unwrap_err();
    assert!(matches!(error, FolderError::OneSided { .. }), "{error}");
}

#[test]
fn evaluating_and_embedding_read_the_same_layouts() {
    let names = [
        grid(&["scenes/seg_train", "scenes/seg_test"], &["ice", "sea"]),
        grid(&["pets/cat", "pets/dog"], &["day", "night"]),
        grid(&["cats"], &["cat/one", "cat/two"]),
    ]
    .concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = folder_of(&names);
    let at = |name: &str| folder.path().join(name);
    let scenes = ["ice", "sea"].map(String::from);
    // The test part, if there is no other.
    assert_eq!(labelled_as(&at("scenes"), &scenes).unwrap().folder, at("scenes/seg_test"));
    assert_eq!(training_folder(&at("scenes")).unwrap(), at("scenes/seg_train"));
    let listing = every_photo(&at("scenes")).unwrap();
    assert_eq!(listing.classes, scenes);
    assert!(listing.photos.iter().all(|photo| photo.part == Some(Part::Train)));
    assert!(listing.passed_over[0].path.ends_with("seg_test"));
    // The classes of a model make an unclear layout clear.
    let pets = ["cat", "dog"].map(String::from);
    assert_eq!(labelled_as(&at("pets"), &pets).unwrap().photos.len(), 8);
    assert_eq!(labelled_as(&at("cats"), &pets).unwrap().photos.len(), 4);
    assert!(matches!(labelled_as(&at("pets"), &scenes), Err(FolderError::Unclear { .. })));
    let listing = every_photo(&at("pets")).unwrap();
    assert_eq!((listing.classes.len(), listing.photos.len()), (0, 8));
    assert_eq!(PhotoSet::read(&at("pets")).unwrap().classes, pets);
}
