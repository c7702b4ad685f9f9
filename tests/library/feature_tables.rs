//! Tables of features are read as they were written, and damaged ones are errors.

use std::fs;
use std::path::{Path, PathBuf};

use kindling::features::{FeatureTable, FeatureTableError, TableFormat, TableRow};
use kindling::photos::Part;
use kindling::{FeatureRows, RowWriter};
use tempfile::TempDir;

use crate::tables::{table, written};

/// The formats that this build reads.
fn formats() -> impl Iterator<Item = TableFormat> {
    TableFormat::ALL.into_iter().filter(|format| format.is_compiled_in())
}

/// Writes a table into a folder, and returns the path.
fn save(table: &FeatureTable, folder: &TempDir, name: &str, format: TableFormat) -> PathBuf {
    let path = folder.path().join(format!("{name}.{format}"));
    fs::write(&path, written(table, format)).unwrap();
    if format == TableFormat::Npy {
        let mut csv = Vec::new();
        table.csv(&mut csv).unwrap();
        fs::write(path.with_extension("csv"), csv).unwrap();
    }
    path
}

fn read_all(paths: &[PathBuf]) -> Result<FeatureTable<FeatureRows>, FeatureTableError> {
    FeatureTable::read_all(paths, RowWriter::default())
}

#[test]
fn a_table_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for labelled in [true, false] {
        let mut table = table(labelled).with_model("a5f0".into());
        if labelled {
            table.photos[1].label = None;
            table.classes = vec!["dog".into()];
            table.photos.iter_mut().for_each(|photo| photo.label = photo.label.map(|_| 0));
        }
        for format in formats() {
            let path = save(&table, &folder, &format!("{labelled}"), format);
            let mut read = FeatureTable::read(&path).unwrap();
            assert_eq!(read.model(), (format != TableFormat::Npy).then_some("a5f0"));
            // NumPy's format has no place for them.
            if format == TableFormat::Npy {
                read.backbone.clone_from(&table.backbone);
                read.metadata.clone_from(&table.metadata);
            }
            read.metadata.remove("width");
            assert_eq!(read, table, "{format}");
        }
    }
}

#[test]
fn files_of_one_model_are_one_table_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let row = |path: &str, label| TableRow { path: path.into(), label, part: None };
    let one = FeatureTable {
        backbone: "resnet18".into(),
        width: 2,
        classes: vec!["b".into(), "d".into()],
        photos: vec![row("1", Some(1)), row("2", Some(0))],
        features: vec![1.0, 2.0, 3.0, 4.0],
        ..FeatureTable::default()
    }
    .with_model("m".into());
    let other = FeatureTable {
        classes: vec!["a".into(), "d".into()],
        photos: vec![row("3", Some(0)), row("4", Some(1)), row("5", None)],
        features: vec![5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
        ..one.clone()
    };
    let files = [
        save(&one, &folder, "1", TableFormat::Safetensors),
        save(&other, &folder, "2", TableFormat::Safetensors),
    ];
    let joined = read_all(&files).unwrap();
    assert_eq!(joined.classes, ["a", "b", "d"]);
    let labels: Vec<_> = joined.photos.iter().map(|photo| photo.label).collect();
    assert_eq!(labels, [Some(2), Some(1), Some(0), Some(2), None]);
    assert_eq!(joined.features.values(), (1_u8..=10).map(f32::from).collect::<Vec<_>>());
    assert_eq!(read_all(&[folder.path().into()]).unwrap(), joined);

    let photos = joined.labelled_photos(&files[0]).unwrap();
    assert_eq!((photos.rows.len(), photos.passed_over.len()), (4, 1));
    assert_eq!(photos.rows[2].labels, [0]);

    let mut wider = other.clone();
    (wider.width, wider.features) = (1, vec![0.0; 3]);
    let mut renamed = other.clone();
    renamed.backbone = "resnet34".into();
    let different = [wider, renamed, other.clone().with_model("n".into())];
    for (wrong, what) in different.iter().zip(["width", "network", "model or preprocessing"]) {
        let file = save(wrong, &folder, "3", TableFormat::Safetensors);
        let error = read_all(&[files[0].clone(), file]).unwrap_err();
        assert!(error.to_string().contains(&format!("differ in {what}, ")), "{error}");
    }
    let twice = read_all(&[files[0].clone(), files[0].clone()]).unwrap();
    let photos = twice.labelled_photos(&files[0]).unwrap();
    assert_eq!((photos.rows.len(), photos.passed_over.len()), (2, 2));
}

#[test]
fn rows_of_one_photo_agree_and_the_first_one_counts() {
    let row = |path: &str, label| TableRow { path: path.into(), label: Some(label), part: None };
    let table = |label| FeatureTable {
        width: 1,
        classes: vec!["a".into(), "b".into()],
        photos: vec![row("x/1.jpg", 0), row("x//1.jpg", label), row("x/2.jpg", 1)],
        features: vec![1.0, 2.0, 3.0],
        ..FeatureTable::default()
    };
    // The paths are of one file.
    let photos = table(0).labelled_photos(Path::new("x.npy")).unwrap();
    assert_eq!((photos.rows.len(), photos.passed_over.len()), (2, 1));
    let error = table(1).labelled_photos(Path::new("x.npy")).unwrap_err();
    assert!(matches!(error, FeatureTableError::Twice(..)), "{error}");
}

#[test]
fn a_file_without_rows_is_passed_over_among_others() {
    let folder = tempfile::tempdir().unwrap();
    for format in formats() {
        let whole = save(&table(true), &folder, "whole", format);
        let none = FeatureTable { width: 4, backbone: "other".into(), ..FeatureTable::default() };
        let none = save(&none, &folder, "none", format);
        let joined = read_all(&[none.clone(), whole]).unwrap();
        assert_eq!(joined.photos.len(), 3, "{format}");
        let error = read_all(&[none]).unwrap_err().to_string();
        assert!(error.contains("it has no features"), "{error}");
    }
}

#[test]
fn a_part_of_a_table_is_one_of_the_photos() {
    let photos = table(true).labelled_photos(Path::new("x.npy")).unwrap();
    let parts: Vec<_> = photos.rows.iter().map(|row| row.part).collect();
    assert_eq!(parts, [Some(Part::Train), Some(Part::Train), Some(Part::Val)]);
    let error = table(false).labelled_photos(Path::new("x.npy")).unwrap_err();
    assert!(matches!(error, FeatureTableError::NoLabels(..)), "{error}");
}

#[test]
fn every_shorter_file_and_every_changed_number_of_its_header_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for format in formats() {
        let path = save(&table(true), &folder, "whole", format);
        let bytes = fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 97) {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = FeatureTable::read(&path).unwrap_err();
            assert!(matches!(error, FeatureTableError::Damaged(..)), "{format} {length}: {error}");
        }
        // What is changed may be a name or a feature; it must not panic or fill the memory.
        for place in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[place] ^= flip;
                fs::write(&path, changed).unwrap();
                if let Ok(table) = FeatureTable::read(&path) {
                    assert_eq!(table.features.len(), table.photos.len() * table.width);
                }
            }
        }
    }
}

#[test]
fn tables_that_make_no_sense_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let whole = table(true);
    let reason = |path: &Path| FeatureTable::read(path).unwrap_err().to_string();
    let mut not_finite = whole.clone();
    not_finite.features[5] = f32::NAN;
    for format in formats() {
        let error = reason(&save(&not_finite, &folder, "nan", format));
        assert!(error.contains("not all finite") && error.contains("b,"), "{error}");
    }
    let npy = save(&whole, &folder, "rows", TableFormat::Npy);
    fs::write(npy.with_extension("csv"), "path,label\na,b\n").unwrap();
    assert!(reason(&npy).contains("3 rows of features and 1 paths"), "{}", reason(&npy));
    fs::write(npy.with_extension("csv"), "label,part\nb,train\nb,dev\nb,middle\n").unwrap();
    assert!(reason(&npy).contains("the part `middle`"), "{}", reason(&npy));
    fs::write(npy.with_extension("csv"), "label,part\nb,train\nb,dev\nb,test\n").unwrap();
    let read = FeatureTable::read(&npy).unwrap();
    assert_eq!(read.photos[1].part, Some("val"));

    assert!(read.photos[1].path.ends_with("1"), "{}", read.photos[1].path);
    // As in a table of photos, an empty cell is no label, and a name is one line.
    fs::write(npy.with_extension("csv"), "label,part\n,\nb,\n\"\",train\n").unwrap();
    let read = FeatureTable::read(&npy).unwrap();
    assert_eq!((read.classes, read.photos[0].label), (vec!["b".to_owned()], None));
    fs::write(npy.with_extension("csv"), "label\nb\n\"c\nd\"\ne\n").unwrap();
    assert!(reason(&npy).contains("the label `c...` has a line break"), "{}", reason(&npy));
    let long = "x".repeat(5000);
    fs::write(npy.with_extension("csv"), format!("part\n{long}\na\nb\n")).unwrap();
    assert!(reason(&npy).len() < 300 + npy.as_os_str().len(), "{}", reason(&npy));
    fs::write(folder.path().join("a.txt"), "").unwrap();
    let empty = tempfile::tempdir().unwrap();
    for path in [folder.path().join("a.txt"), empty.path().into()] {
        let error = read_all(&[path]).unwrap_err();
        assert!(matches!(error, FeatureTableError::Unknown(..)), "{error}");
    }
}
