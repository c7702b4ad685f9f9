//! Feature files hold the features of all photos, in order.

use std::fs;
use std::path::Path;

use kindling::features::{FeatureTable, TableFormat, TableRow};
use kindling::output::{OutputError, OutputFile};
use kindling::photos::{FolderError, Part, every_photo};
use safetensors::SafeTensors;

/// A table of three photos with names that need quoting. If `labelled`, they have classes and
/// parts.
pub fn table(labelled: bool) -> FeatureTable {
    let row = |path: &str, label, part| TableRow {
        path: path.into(),
        label: labelled.then_some(label),
        part: labelled.then_some(part),
    };
    FeatureTable {
        backbone: "resnet18-w4".into(),
        width: 4,
        classes: if labelled { vec!["cat, \"big\"".into(), "dog".into()] } else { vec![] },
        photos: vec![
            row("a/é.jpg", 1, "train"),
            row("b,\"2\"\n.jpg", 0, "train"),
            row("c", 1, "val"),
        ],
        features: (0..12).map(|index| index as f32 * 0.1 - 0.5).collect(),
        ..FeatureTable::default()
    }
}

/// The bytes of the table. Checks that they are the same each time.
pub fn written(table: &FeatureTable, format: TableFormat) -> Vec<u8> {
    let [mut one, mut other] = [vec![], vec![]];
    table.write(format, &mut one).unwrap();
    table.write(format, &mut other).unwrap();
    assert!(one == other, "the same table gives the same bytes");
    one
}

#[test]
fn a_safetensors_table_holds_features_labels_and_paths() {
    for labelled in [true, false] {
        let table = table(labelled);
        let bytes = written(&table, TableFormat::Safetensors);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let features = file.tensor("features").unwrap();
        assert_eq!((features.dtype(), features.shape()), (safetensors::Dtype::F32, &[3, 4][..]));
        let expected: Vec<u8> =
            table.features.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(features.data(), expected);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let list = |key: &str| -> Vec<String> { serde_json::from_str(&metadata[key]).unwrap() };
        assert_eq!(list("paths"), ["a/é.jpg", "b,\"2\"\n.jpg", "c"]);
        assert_eq!((list("classes"), &metadata["backbone"]), (table.classes, &table.backbone));
        match labelled {
            true => {
                let labels = file.tensor("labels").unwrap();
                let expected: Vec<u8> = [1i64, 0, 1].iter().flat_map(|l| l.to_le_bytes()).collect();
                assert_eq!((labels.dtype(), labels.data()), (safetensors::Dtype::I64, &*expected));
                assert_eq!(list("parts"), ["train", "train", "val"]);
            }
            false => assert!(file.len() == 1 && !metadata.contains_key("parts")),
        }
    }
}

#[test]
fn an_npy_table_is_numpys_format_and_its_csv_has_the_same_rows() {
    let labelled = table(true);
    let bytes = written(&labelled, TableFormat::Npy);
    // The header that `numpy.save` of NumPy 2.4 writes for the same array.
    let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
    let header = format!("\u{93}NUMPY\u{1}\0v\0{dictionary:<117}\n");
    let header: Vec<u8> = header.chars().map(|character| character as u8).collect();
    let numbers = labelled.features.iter().flat_map(|value| value.to_le_bytes());
    assert_eq!(bytes, header.into_iter().chain(numbers).collect::<Vec<u8>>());

    let records = |table: &FeatureTable| -> Vec<Vec<String>> {
        let mut out = vec![];
        table.csv(&mut out).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&out[..]);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    assert_eq!(
        records(&labelled),
        [
            ["path", "label", "part"],
            ["a/é.jpg", "dog", "train"],
            ["b,\"2\"\n.jpg", "cat, \"big\"", "train"],
            ["c", "dog", "val"]
        ]
    );
    assert_eq!(records(&table(false))[..2], [["path", "label"], ["a/é.jpg", ""]]);
}

#[test]
fn photos_are_listed_with_their_parts_and_classes_if_any() {
    let folder = tempfile::tempdir().unwrap();
    let touch = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    let names = [
        "parts/train/dog/1.jpg",
        "parts/train/cat/1.jpg",
        "parts/val/dog/1.jpg",
        "parts/val/ape/1.jpg",
        "kaggle/cat.1.jpg",
        "kaggle/dog.1.jpg",
        "loose/b.jpg",
        "loose/a.1.jpg",
        "loose/notes.txt",
    ];
    names.into_iter().for_each(touch);
    let list = |data: &str| every_photo(&folder.path().join(data)).unwrap();
    let message = |data: &str| -> Vec<(String, Option<usize>, Option<Part>)> {
        let photos = list(data).photos.into_iter();
        photos
            .map(|photo| {
                let path = photo.path.strip_prefix(folder.path()).unwrap();
                (path.to_str().unwrap().replace('\\', "/"), photo.label, photo.part)
            })
            .collect()
    };
    assert_eq!(list("parts").classes, ["ape", "cat", "dog"]);
    assert_eq!(
        message("parts"),
        [
            ("parts/train/cat/1.jpg".into(), Some(1), Some(Part::Train)),
            ("parts/train/dog/1.jpg".into(), Some(2), Some(Part::Train)),
            ("parts/val/ape/1.jpg".into(), Some(0), Some(Part::Val)),
            ("parts/val/dog/1.jpg".into(), Some(2), Some(Part::Val)),
        ]
    );
    assert_eq!(message("parts/train")[0], ("parts/train/cat/1.jpg".into(), Some(0), None));
    assert_eq!(message("kaggle")[1], ("kaggle/dog.1.jpg".into(), Some(1), None));
    assert_eq!(
        message("loose"),
        [("loose/a.1.jpg".into(), None, None), ("loose/b.jpg".into(), None, None)]
    );
    assert_eq!((list("loose").classes.len(), list("loose").passed_over.len()), (0, 1));
    assert_eq!(message("loose/b.jpg"), [("loose/b.jpg".into(), None, None)]);
    for absent in ["absent", "parts/train/dog/1.jpg/x"] {
        let error = every_photo(&folder.path().join(absent)).unwrap_err();
        assert!(matches!(error, FolderError::Open(..)), "{error}");
    }
}

#[test]
fn an_existing_file_is_replaced_only_with_force_and_a_failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path_of = |name: &str| folder.path().join(name);
    let reserve = |name: &str, force| OutputFile::reserve(&path_of(name), force);
    assert_eq!(reserve("deep/down/a", false).unwrap().write(b"first").unwrap(), 5);
    assert!(matches!(reserve("deep/down/a", false), Err(OutputError::Exists(_))));
    reserve("deep/down/a", true).unwrap().write(b"second").unwrap();
    assert_eq!(fs::read(path_of("deep/down/a")).unwrap(), b"second");

    // A file created between `reserve` and `write` must not be replaced either.
    let reserved = reserve("b", false).unwrap();
    fs::write(path_of("b"), "another's").unwrap();
    assert!(matches!(reserved.write(b"ours"), Err(OutputError::Exists(_))));
    assert_eq!(fs::read(path_of("b")).unwrap(), b"another's");

    let fails = reserve("b", true).unwrap().stage(|_| Err(std::io::Error::other("no")));
    assert!(matches!(fails, Err(OutputError::Write(..))));
    assert_eq!(fs::read(path_of("b")).unwrap(), b"another's");
    for (folder, force) in [("deep", true), ("deep/..", true), ("new/", false)] {
        assert!(matches!(reserve(folder, force), Err(OutputError::NotAFile(_))), "{folder}");
    }
    assert!(matches!(reserve("b/c", true), Err(OutputError::Write(..))));
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!((names(folder.path()), names(&path_of("deep/down"))), (2, 1));
}

#[cfg(unix)]
#[test]
fn writing_to_a_link_keeps_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(matches!(OutputFile::reserve(&link, false), Err(OutputError::Exists(_))));
    OutputFile::reserve(&link, true).unwrap().write(b"new").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert!(matches!(
        OutputFile::reserve(Path::new("/dev/null"), true),
        Err(OutputError::NotAFile(_))
    ));
}
