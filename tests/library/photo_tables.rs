//! Tables of photos: which columns hold what, and what becomes of faulty rows.

use std::fs;
use std::path::Path;

use kindling::photos::{Part, Table, TableOptions};
use tempfile::TempDir;

/// A folder with empty files of these names, and a table.
fn folder(photos: &[&str], table: &str, content: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for photo in photos {
        let path = folder.path().join(photo);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"\xff\xd8\xff").unwrap();
    }
    fs::write(folder.path().join(table), content).unwrap();
    folder
}

fn read_with(folder: &TempDir, options: &TableOptions) -> Result<Table, String> {
    let read = Table::read(&folder.path().join("labels.csv"), options);
    let shown = |text: String| text.replace(&*folder.path().to_string_lossy(), "DIR");
    let short = |text: String| {
        assert!(text.chars().count() <= 300, "{text}");
        text
    };
    let read = read.map_err(|error| short(shown(error.to_string())));
    read.map(|table| Table {
        warnings: table.warnings.into_iter().map(shown).map(short).collect(),
        ..table
    })
}

fn read(photos: &[&str], content: impl AsRef<[u8]>) -> Result<Table, String> {
    read_with(&folder(photos, "labels.csv", content), &TableOptions::default())
}

/// File name and label names of each row.
fn labels(table: &Table) -> Vec<(String, String)> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let row = |row: &kindling::photos::TableRow| {
        let labels: Vec<&str> =
            row.labels.iter().map(|label| table.classes[*label].as_str()).collect();
        (name(&row.path), labels.join("+"))
    };
    table.rows.iter().map(row).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

const AB: [&str; 2] = ["a.jpg", "b.jpg"];

#[test]
fn usual_columns_are_found_whatever_their_order_case_and_delimiter() {
    for content in [
        "path,label\na.jpg,cat\nb.jpg,dog\n",
        "Label;Image Path\r\ncat;a.jpg\r\ndog;b.jpg\r\n",
        "\u{feff}\"filename\",\"class\"\n\"a.jpg\",\"cat\"\n\"b.jpg\",\"dog\"\n",
        "id\ttarget\na\tcat\nb\tdog\n",
        "a.jpg,cat\nb.jpg,dog\n",
        "a,cat\nb,dog\n",
        "cat,a.jpg\ndog,b.jpg",
        "id,breed\na,cat\nb,dog\n",
        "Datei;Tierart\na.jpg;cat\nb.jpg;dog\n",
        ",image,category\n0,a.jpg,cat\n1,b.jpg,dog\n",
        "path, label\n a.jpg, \"cat\"\nb.jpg , dog\n\n,\n",
        ".\\a.jpg,cat\n./b.JPG,dog\n",
    ] {
        let table = read(&AB, content).unwrap();
        assert_eq!(labels(&table), pairs(&[("a.jpg", "cat"), ("b.jpg", "dog")]), "{content}");
        assert!(!table.is_multi_label && table.warnings.is_empty(), "{:?}", table.warnings);
    }
}

#[test]
fn named_columns_come_before_usual_ones() {
    let content = "path,label,foto,art\nx,1,a.jpg,cat\ny,2,b.jpg,dog\n";
    let options = |path: &str, label: &str| TableOptions {
        path_column: Some(path.into()),
        label_column: Some(label.into()),
        ..TableOptions::default()
    };
    let folder = folder(&AB, "labels.csv", content);
    let table = read_with(&folder, &options("foto", "ART")).unwrap();
    assert_eq!(labels(&table), pairs(&[("a.jpg", "cat"), ("b.jpg", "dog")]));
    let error = read_with(&folder, &options("foto", "kind")).unwrap_err();
    assert!(error.contains("no column `kind`") && error.contains("`foto`"), "{error}");
}

#[test]
fn a_table_without_a_header_has_numbered_columns() {
    let folder = folder(&AB, "labels.csv", "7,a.jpg,x,cat\n8,b.jpg,y,dog\n");
    let options = TableOptions { label_column: Some("4".into()), ..TableOptions::default() };
    let table = read_with(&folder, &options).unwrap();
    assert_eq!(labels(&table), pairs(&[("a.jpg", "cat"), ("b.jpg", "dog")]));
}

#[test]
fn kaggles_ids_are_found_in_the_folder_beside_the_table() {
    let photos = ["train/0a1.jpg", "train/0a2.png", "test/0b1.jpg", "train/0a3.txt"];
    let table = read(&photos, "id,breed\n0a1,pug\n0a2,husky\n0a3,pug\n").unwrap();
    assert_eq!(labels(&table), pairs(&[("0a1.jpg", "pug"), ("0a2.png", "husky")]));
    assert_eq!(
        table.warnings,
        ["`DIR/labels.csv`: 1 of 3 rows is not used, because there is no such file: line 4 \
          (`0a3`); correct it, or give --photo-folder"]
    );
    let both = ["train/0a1.jpg", "images/0a1.jpg"];
    let error = read(&both, "id,breed\n0a1,pug\n").unwrap_err();
    assert!(error.contains("--photo-folder"), "{error}");
    let table = read(&["a.jpg", "a.png"], "id,breed\na,pug\na.png,pug\n").unwrap();
    assert!(table.warnings[0].contains("several files"), "{:?}", table.warnings);
}

#[test]
fn paths_are_relative_to_the_photo_folder_or_absolute_or_go_up() {
    let folder = folder(&["photos/a.jpg", "other/b.jpg"], "labels.csv", "");
    let dir = folder.path().display();
    let content = format!("path,label\na.jpg,cat\n../other/b.jpg,dog\n{dir}/other/b.jpg,dog\n");
    fs::write(folder.path().join("labels.csv"), content).unwrap();
    let options = TableOptions {
        photo_folder: Some(folder.path().join("photos")),
        ..TableOptions::default()
    };
    let table = read_with(&folder, &options).unwrap();
    // The last row is the same photo under another name.
    assert_eq!(labels(&table), pairs(&[("a.jpg", "cat"), ("b.jpg", "dog")]));
    assert_eq!(
        table.warnings,
        ["`DIR/labels.csv`: 1 row is repeated, and used once: line 4 (as line 3)"]
    );
}

#[test]
fn parts_and_groups_are_read_and_an_unknown_part_is_an_error() {
    let photos = ["a.jpg", "b.jpg", "c.jpg"];
    let content = "path,label,split,group\na.jpg,x,Train,p1\nb.jpg,y,valid,p2\nc.jpg,x,TEST,\n";
    let table = read(&photos, content).unwrap();
    let parts: Vec<_> = table.rows.iter().map(|row| (row.part, row.group)).collect();
    let expected =
        [(Some(Part::Train), Some(0)), (Some(Part::Val), Some(1)), (Some(Part::Test), None)];
    assert_eq!(parts, expected);
    let error = read(&photos, content.replace("valid", "fold 3")).unwrap_err();
    assert!(error.contains("`fold 3` in line 3 is no part"), "{error}");
}

#[test]
fn rows_that_contradict_each_other_are_an_error_with_both_lines() {
    let error = read(&AB, "path,label\na.jpg,cat\nb.jpg,cat\n./a.jpg,dog\n").unwrap_err();
    assert!(error.contains("`cat` in line 2, but `dog` in line 4"), "{error}");
    assert!(error.contains("--label-separator"), "{error}");
    let content = "path,label,split\na.jpg,cat,train\nb.jpg,cat,val\na.jpg,cat,val\n";
    let error = read(&AB, content).unwrap_err();
    assert!(error.contains("in the part `train` in line 2"), "{error}");
}

#[test]
fn several_labels_come_from_a_separator_or_from_columns_of_0_and_1() {
    let photos = ["a.jpg", "b.jpg", "c.jpg"];
    let options = TableOptions { label_separator: Some(";".into()), ..TableOptions::default() };
    let content = "path,label\na.jpg,cat; dog\nb.jpg,dog\nc.jpg,\n";
    let table = read_with(&folder(&photos, "labels.csv", content), &options).unwrap();
    let expected = pairs(&[("a.jpg", "cat+dog"), ("b.jpg", "dog"), ("c.jpg", "")]);
    assert_eq!(labels(&table), expected);
    assert!(table.is_multi_label && table.warnings.len() == 1, "{:?}", table.warnings);

    let content = "path,cat,dog,age\na.jpg,1,1,7\nb.jpg,0,1.0,9\nc.jpg,0,false,3\n";
    let table = read(&photos, content).unwrap();
    assert_eq!(labels(&table), expected);
    assert!(table.is_multi_label && table.classes == ["cat", "dog"]);
    let error = read(&photos, content.replace("0,1.0", "0,-1")).unwrap_err();
    assert!(error.contains("`dog`") && error.contains("`-1` in line 3"), "{error}");
    // One 1 in each row: one class a photo.
    let table = read(&AB, "path,cat,dog\na.jpg,1,0\nb.jpg,0,1\n").unwrap();
    assert!(!table.is_multi_label);
}

#[test]
fn a_separator_that_was_not_given_is_suggested() {
    let content = "path,label\na.jpg,cat|dog\nb.jpg,dog\n";
    let table = read(&AB, content).unwrap();
    assert!(table.warnings[0].contains("--label-separator '|'"), "{:?}", table.warnings);
}

#[test]
fn labels_may_be_numbers_and_pandas_writes_them_with_a_point() {
    let photos = ["a.jpg", "b.jpg", "c.jpg"];
    let table = read(&photos, "path,label\na.jpg,0.0\nb.jpg,10.0\nc.jpg,NaN\n").unwrap();
    assert_eq!(labels(&table), pairs(&[("a.jpg", "0"), ("b.jpg", "10")]));
    assert!(table.warnings[0].contains("it has no label: line 4"), "{:?}", table.warnings);
    assert!(table.warnings[1].contains("the labels are numbers"), "{:?}", table.warnings);
    let table = read(&photos, "path,label\na.jpg,01\nb.jpg,1\nc.jpg,\n").unwrap();
    assert_eq!(table.classes, ["01", "1"]);
}

#[test]
fn a_number_for_each_photo_is_no_class() {
    let names: Vec<String> = (0..1100).map(|index| format!("{index}.jpg")).collect();
    let rows: String = names.iter().map(|name| format!("{name},0.{name}5\n")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = read(&names, format!("path,score\n{rows}")).unwrap_err();
    assert!(error.contains("1100 different values") && error.contains("`score`"), "{error}");
}

#[test]
fn a_row_with_too_many_or_too_few_cells_is_reported_with_its_line() {
    let photos = ["a.jpg", "b.jpg", "c,d.jpg"];
    let content = "path,label\na.jpg,cat,,\nc,d.jpg,cat\nb.jpg\nb.jpg,dog\n";
    let table = read(&photos, content).unwrap();
    assert_eq!(labels(&table), pairs(&[("a.jpg", "cat"), ("b.jpg", "dog")]));
    assert!(table.warnings[0].contains("line 3 (`c`), line 4 (`b.jpg`)"), "{:?}", table.warnings);
    assert_eq!(table.passed_over.len(), 2);
}

#[test]
fn no_photo_at_all_is_one_error_that_says_where_they_were_looked_for() {
    let error = read(&[], "path,label\nx/a.jpg,cat\nx/b.jpg,dog\n").unwrap_err();
    assert!(error.contains("none of its 2 rows") && error.contains("in `DIR`"), "{error}");
    assert!(error.contains("line 2 (`x/a.jpg`)") && error.contains("--photo-folder"), "{error}");
    let error = read(&[], "path,label\nhttps://x.org/a.jpg,cat\n").unwrap_err();
    assert!(error.contains("download the photos"), "{error}");
    for content in ["", "\n\n", "path,label\n"] {
        assert!(read(&AB, content).unwrap_err().contains("has no rows"), "{content}");
    }
}

#[test]
fn columns_that_are_not_clear_are_named_in_the_error() {
    let error = read(&AB, "u,v,w\n1,2,3\n").unwrap_err();
    assert!(error.contains("`u`, `v`, `w`") && error.contains("--path-column"), "{error}");
    let error = read(&AB, "path,kind,colour\na.jpg,cat,red\n").unwrap_err();
    assert!(error.contains("--label-column"), "{error}");
    let error = read(&AB, "path,label,class\na.jpg,cat,red\n").unwrap_err();
    assert!(error.contains("`label`, `class` may all hold the label"), "{error}");
    let error = read(&AB, "path\na.jpg\n").unwrap_err();
    assert!(error.contains("no label column"), "{error}");
}

#[test]
fn a_table_of_mixed_encodings_is_read_line_by_line() {
    let content = [b"path,label\na.jpg,caf\xe9\n".as_slice(), "b.jpg,café\n".as_bytes()].concat();
    let table = read(&AB, content).unwrap();
    assert_eq!(table.classes, ["café"]);
    assert!(table.warnings[0].contains("1 line is not UTF-8 (the first is line 2)"));
}

#[test]
fn of_a_hundred_thousand_rows_only_the_bad_one_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("train")).unwrap();
    for index in 0..50 {
        fs::write(folder.path().join(format!("train/{index}.jpg")), b"\xff\xd8\xff").unwrap();
    }
    let mut content = String::from("id,label\n");
    for index in 0..100_000 {
        content += &format!("{},{}\n", index % 50, index % 2);
    }
    content += "gone,1\n";
    fs::write(folder.path().join("labels.csv"), content).unwrap();
    let table = read_with(&folder, &TableOptions::default()).unwrap();
    assert_eq!(table.rows.len(), 50);
    assert!(table.warnings[0].contains("1 of 100001 rows") && table.warnings[0].contains("100002"));
    assert!(table.warnings[1].contains("99950 rows are repeated"), "{:?}", table.warnings);
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_that_embed_wrote_is_a_table() {
    use kindling::features::{FeatureTable, TableFormat, TableRow};
    let folder = folder(&["a.jpg", "b.jpg"], "labels.csv", "");
    let row = |path: &str, label, part| TableRow { path: path.into(), label, part: Some(part) };
    let written = FeatureTable {
        backbone: "resnet18".into(),
        width: 2,
        classes: ["cat", "dog"].map(String::from).to_vec(),
        photos: vec![
            row("b.jpg", Some(1), "val"),
            row("gone.jpg", Some(0), "val"),
            row("a.jpg", Some(0), "train"),
        ],
        features: vec![0.5; 6],
        ..FeatureTable::default()
    };
    let mut bytes = Vec::new();
    written.write(TableFormat::Parquet, &mut bytes).unwrap();
    let file = folder.path().join("features.parquet");
    fs::write(&file, &bytes).unwrap();
    let table = Table::read(&file, &TableOptions::default()).unwrap();
    assert_eq!(labels(&table), pairs(&[("b.jpg", "dog"), ("a.jpg", "cat")]));
    assert_eq!(table.rows[0].part, Some(Part::Val));
    assert!(table.warnings[0].contains("row 2 (`gone.jpg`)"), "{:?}", table.warnings);
    // A damaged file is an error, wherever the damage is.
    for length in (0..bytes.len()).step_by(7) {
        fs::write(&file, &bytes[..length]).unwrap();
        assert!(Table::read(&file, &TableOptions::default()).is_err(), "{length}");
    }
    for index in (0..bytes.len()).step_by(5) {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0xff;
        fs::write(&file, &damaged).unwrap();
        // It may be in a feature, which is not read.
        let _ = Table::read(&file, &TableOptions::default());
    }
}

#[test]
fn a_column_called_part_that_holds_something_else_is_no_split() {
    let table = read(&AB, "path,label,part\na.jpg,cat,left\nb.jpg,dog,right\n").unwrap();
    assert!(table.rows.iter().all(|row| row.part.is_none()));
    let table = read(&AB, "path,label,part\na.jpg,cat,train\nb.jpg,dog,val\n").unwrap();
    assert_eq!(table.rows[1].part, Some(Part::Val));
}

#[test]
fn photos_without_labels_are_read_if_none_are_needed() {
    let options = TableOptions { without_labels: true, ..TableOptions::default() };
    for content in ["path\na.jpg\nb.jpg\n", "path,width,height\na.jpg,3,4\nb.jpg,5,6\n"] {
        let table = read_with(&folder(&AB, "labels.csv", content), &options).unwrap();
        assert_eq!(labels(&table), pairs(&[("a.jpg", ""), ("b.jpg", "")]));
        assert!(table.classes.is_empty() && !table.is_multi_label);
    }
}
