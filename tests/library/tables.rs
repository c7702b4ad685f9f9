//! Features written as files hold every photo's, in order.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use kindling::features::{FeatureTable, TableFormat, TableRow};
use kindling::output::{OutputError, OutputFile};
use kindling::photos::{FolderError, Part, every_photo};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::FloatType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};
use safetensors::SafeTensors;

/// Three photos, with names that want quoting; `labelled`, in parts.
fn table(labelled: bool) -> FeatureTable {
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
    }
}

fn written(table: &FeatureTable, format: TableFormat) -> Vec<u8> {
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
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00", "version 1");
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!((npy.shape(), npy.order()), (&[3, 4][..], npyz::Order::C));
    assert_eq!(npy.dtype().descr(), "'<f4'");
    assert_eq!(npy.into_vec::<f32>().unwrap(), labelled.features);
    // Without the crate: numbers as they lie in memory behind a header that numpy aligns to 64 bytes.
    let header = bytes.len() - 4 * labelled.features.len();
    assert_eq!((header % 64, bytes[header - 1]), (0, b'\n'));

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

fn parquet_reader(table: &FeatureTable) -> SerializedFileReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&written(table, TableFormat::Parquet)).unwrap();
    SerializedFileReader::new(file).unwrap()
}

#[test]
fn a_parquet_table_has_a_row_a_photo_with_its_list_of_features() {
    for labelled in [true, false] {
        let table = table(labelled);
        let reader = parquet_reader(&table);
        let metadata = reader.metadata().file_metadata();
        let entries = metadata.key_value_metadata().unwrap();
        let value =
            |key: &str| entries.iter().find(|entry| entry.key == key).unwrap().value.clone();
        assert_eq!(value("backbone").as_deref(), Some("resnet18-w4"));
        assert_eq!(value("width").as_deref(), Some("4"));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        for (index, row) in rows.iter().enumerate() {
            let names: Vec<&str> = row.get_column_iter().map(|(name, _)| name.as_str()).collect();
            let text = |column: usize| match row.get_column_iter().nth(column).unwrap().1 {
                Field::Str(text) => Some(text.clone()),
                Field::Null => None,
                other => panic!("{other:?}"),
            };
            let photo = &table.photos[index];
            assert_eq!(text(0), Some(photo.path.clone()));
            assert_eq!(text(1), photo.label.map(|label| table.classes[label].clone()));
            let last = match labelled {
                true => {
                    assert_eq!(names, ["path", "label", "part", "features"]);
                    assert_eq!(text(2).as_deref(), photo.part);
                    3
                }
                false => {
                    assert_eq!(names, ["path", "label", "features"]);
                    2
                }
            };
            let features = row.get_list(last).unwrap();
            let features: Vec<f32> = features
                .elements()
                .iter()
                .map(|value| match value {
                    Field::Float(value) => *value,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(features, table.features[index * 4..][..4]);
        }
    }
}

#[test]
fn a_large_parquet_table_is_written_in_groups_of_bounded_size() {
    let width = (1 << 21) + 1;
    let table = FeatureTable {
        width,
        photos: vec![TableRow { path: "p".into(), ..TableRow::default() }; 3],
        features: (0..3 * width).map(|index| index as f32).collect(),
        ..FeatureTable::default()
    };
    let reader = parquet_reader(&table);
    assert_eq!(reader.num_row_groups(), 3, "two rows would be more than 2^22 features");
    let group = reader.get_row_group(2).unwrap();
    let mut column = get_typed_column_reader::<FloatType>(group.get_column_reader(2).unwrap());
    let (mut values, mut defined, mut repeated) = (vec![], vec![], vec![]);
    let (records, _, _) =
        column.read_records(1, Some(&mut defined), Some(&mut repeated), &mut values).unwrap();
    assert_eq!((records, values.len()), (1, width));
    assert!(values == table.features[2 * width..]);
}

#[test]
fn photos_are_listed_with_parts_and_classes_where_there_are_such() {
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
    let told = |data: &str| -> Vec<(String, Option<usize>, Option<Part>)> {
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
        told("parts"),
        [
            ("parts/train/cat/1.jpg".into(), Some(1), Some(Part::Train)),
            ("parts/train/dog/1.jpg".into(), Some(2), Some(Part::Train)),
            ("parts/val/ape/1.jpg".into(), Some(0), Some(Part::Val)),
            ("parts/val/dog/1.jpg".into(), Some(2), Some(Part::Val)),
        ]
    );
    assert_eq!(told("parts/train")[0], ("parts/train/cat/1.jpg".into(), Some(0), None));
    assert_eq!(told("kaggle")[1], ("kaggle/dog.1.jpg".into(), Some(1), None));
    assert_eq!(
        told("loose"),
        [("loose/a.1.jpg".into(), None, None), ("loose/b.jpg".into(), None, None)]
    );
    assert_eq!((list("loose").classes.len(), list("loose").passed_over.len()), (0, 1));
    assert_eq!(told("loose/b.jpg"), [("loose/b.jpg".into(), None, None)]);
    for absent in ["absent", "parts/train/dog/1.jpg/x"] {
        let error = every_photo(&folder.path().join(absent)).unwrap_err();
        assert!(matches!(error, FolderError::Open(..)), "{error}");
    }
}

#[test]
fn a_file_in_the_way_is_replaced_only_by_force_and_a_failed_one_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let reserve = |name: &str, force| OutputFile::reserve(&place(name), force);
    assert_eq!(reserve("deep/down/a", false).unwrap().write(b"first").unwrap(), 5);
    assert!(matches!(reserve("deep/down/a", false), Err(OutputError::Exists(_))));
    reserve("deep/down/a", true).unwrap().write(b"second").unwrap();
    assert_eq!(fs::read(place("deep/down/a")).unwrap(), b"second");

    // A file that came to be there in the meantime is nobody's to replace either.
    let reserved = reserve("b", false).unwrap();
    fs::write(place("b"), "another's").unwrap();
    assert!(matches!(reserved.write(b"ours"), Err(OutputError::Exists(_))));
    assert_eq!(fs::read(place("b")).unwrap(), b"another's");

    let fails = reserve("b", true).unwrap().stage(|_| Err(std::io::Error::other("no")));
    assert!(matches!(fails, Err(OutputError::Write(..))));
    assert_eq!(fs::read(place("b")).unwrap(), b"another's");
    for (folder, force) in [("deep", true), ("deep/..", true), ("new/", false)] {
        assert!(matches!(reserve(folder, force), Err(OutputError::NotAFile(_))), "{folder}");
    }
    assert!(matches!(reserve("b/c", true), Err(OutputError::Write(..))));
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!((names(folder.path()), names(&place("deep/down"))), (2, 1));
}

#[cfg(unix)]
#[test]
fn a_link_that_is_written_to_stays_a_link() {
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
