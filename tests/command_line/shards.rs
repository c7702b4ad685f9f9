//! `kindling embed` on shards: a file of features for each, whatever happens to the processes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use kindling::features::shards::ShardFolder;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::errors::assert_error;
use crate::fixtures::{CPU, kindling, photos, run_in, stderr, stdout};
use crate::reference::fixture;

const PHOTOS: usize = 6;

/// Shards `a-0.tar` to `a-2.tar` of six photos each, labelled by class, and `photos`, the same as
/// files.
pub fn shards() -> TempDir {
    let folder = photos(3);
    let mut files: Vec<_> = ["train", "val"]
        .into_iter()
        .flat_map(|part| ["checks", "discs", "stripes"].map(|class| (part, class)))
        .flat_map(|(part, class)| (0..3).map(move |index| (part, class, index)))
        .collect();
    files.sort_by_key(|(_, _, index)| *index);
    for (number, files) in files.chunks(PHOTOS).enumerate() {
        let path = folder.path().join(format!("a-{number}.tar"));
        let mut tar = tar::Builder::new(File::create(path).unwrap());
        for (part, class, index) in files {
            let key = format!("{part}-{class}-{index}");
            let photo = format!("photos/{part}/{class}/{index:03}.png");
            tar.append_path_with_name(folder.path().join(photo), format!("{key}.png")).unwrap();
            append(&mut tar, &format!("{key}.cls"), class.as_bytes());
        }
        tar.into_inner().unwrap().flush().unwrap();
    }
    folder
}

fn append(tar: &mut tar::Builder<File>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, name, content).unwrap();
}

fn embed(place: &Path, rest: &[&str]) -> Output {
    let weights = fixture("narrow.pth");
    let args = ["embed", weights.to_str().unwrap()].into_iter().chain(rest.iter().copied());
    run_in(place, args.chain(["--device", CPU]))
}

/// Path, label and features of each row of a file.
fn rows(path: &Path) -> Vec<(String, Option<String>, Vec<f32>)> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let text = |field: &Field| match field {
        Field::Str(text) => Some(text.clone()),
        _ => None,
    };
    let row = |row: parquet::record::Row| {
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let Field::ListInternal(list) = fields[2] else { panic!("{:?}", fields[2]) };
        let value = |field: &Field| match field {
            Field::Float(value) => *value,
            other => panic!("{other:?}"),
        };
        let features = list.elements().iter().map(value).collect();
        (text(fields[0]).unwrap(), text(fields[1]), features)
    };
    reader.get_row_iter(None).unwrap().map(|it| row(it.unwrap())).collect()
}

#[test]
fn a_shard_has_the_features_and_labels_of_its_photos() {
    let folder = shards();
    let place = folder.path();
    let text = stdout(&embed(place, &["a-{0..2}.tar", "--out", "out"]));
    assert!(text.contains("shards    3 embedded, 0 were there already, 0 failed"), "{text}");
    assert!(text.contains("photos    18 in "), "{text}");
    for number in 0..3 {
        let rows = rows(&place.join(format!("out/a-{number}.parquet")));
        assert_eq!(rows.len(), PHOTOS);
        for (path, label, features) in rows {
            let name = path.strip_prefix(&format!("a-{number}.tar/")).unwrap();
            let [part, class, index] =
                name.strip_suffix(".png").unwrap().split('-').collect::<Vec<_>>()[..]
            else {
                panic!("{name}");
            };
            assert_eq!(label.as_deref(), Some(class));
            let photo = format!("photos/{part}/{class}/00{index}.png");
            assert!(embed(place, &[&photo, "--out", "one.parquet", "--force"]).status.success());
            assert_eq!(self::rows(&place.join("one.parquet"))[0].2, features, "{path}");
        }
    }
}

#[test]
fn tasks_together_give_the_same_bytes_as_one_process() {
    let folder = shards();
    let place = folder.path();
    stdout(&embed(place, &["a-*.tar", "--out", "whole"]));
    for index in 0..2 {
        let task = format!("{index}/2");
        stdout(&embed(place, &["a-*.tar", "--out", "parts", "--task", &task]));
    }
    for number in 0..3 {
        let of = |out: &str| fs::read(place.join(format!("{out}/a-{number}.parquet"))).unwrap();
        assert!(of("whole") == of("parts"), "shard {number}");
    }
    let mut slurm = kindling();
    let weights = fixture("narrow.pth");
    slurm.current_dir(place).arg("embed").arg(weights).args(["a-*.tar", "--out", "slurm"]);
    slurm.args(["--task", "auto", "--device", CPU]).env("SLURM_ARRAY_TASK_ID", "3");
    slurm.env("SLURM_ARRAY_TASK_MIN", "1").env("SLURM_ARRAY_TASK_COUNT", "3");
    stdout(&slurm.output().unwrap());
    let names: Vec<String> = ShardFolder::open(&place.join("slurm")).unwrap().shards().to_vec();
    assert_eq!(names, ["a-0.tar", "a-1.tar", "a-2.tar"]);
    let is_there = |number: usize| place.join(format!("slurm/a-{number}.parquet")).exists();
    assert_eq!([0, 1, 2].map(is_there), [false, false, true]);
    assert_error(
        &run_in(place, ["embed", "--merge", "slurm"]),
        &["features of 2 shards are missing", "`a-0.tar`", "again"],
    );
    assert!(stdout(&run_in(place, ["embed", "--merge", "whole"])).contains("shards    3 of 3"));
}

#[test]
fn what_is_there_is_passed_over_and_what_was_lost_is_made_again() {
    let folder = shards();
    let place = folder.path();
    let run = || embed(place, &["a-{0..2}.tar", "--out", "out"]);
    stdout(&run());
    let first = place.join("out/a-0.parquet");
    let bytes = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    // As a process that was killed leaves it.
    fs::write(place.join("out/.kindling-a1B2c3"), &bytes[..100]).unwrap();
    let text = stdout(&run());
    assert!(text.contains("1 embedded, 2 were there already"), "{text}");
    assert!(fs::read(&first).unwrap() == bytes);
    // A file that is not whole is somebody's: it is named, and not replaced.
    fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
    let output = run();
    assert_error(&output, &["1 of 3 shards could not be embedded"]);
    assert!(stderr(&output).contains("`out/a-0.parquet` is not whole"), "{}", stderr(&output));
    assert_eq!(fs::read(&first).unwrap().len(), bytes.len() / 2);
    let merged = run_in(place, ["embed", "--merge", "out"]);
    assert_error(&merged, &["1 shard", "`a-0.tar`"]);
    stdout(&embed(place, &["a-{0..2}.tar", "--out", "out", "--force"]));
    assert!(fs::read(&first).unwrap() == bytes);
}

#[test]
fn a_bad_photo_is_a_row_of_errors_and_a_bad_shard_fails_alone() {
    let folder = shards();
    let place = folder.path();
    let mut tar = tar::Builder::new(File::create(place.join("a-3.tar")).unwrap());
    append(&mut tar, "0.jpg", b"no photo");
    tar.append_path_with_name(place.join("photos/val/discs/000.png"), "1.png").unwrap();
    tar.into_inner().unwrap().flush().unwrap();
    let whole = fs::read(place.join("a-1.tar")).unwrap();
    // Within a photo, and between two members.
    fs::write(place.join("a-4.tar"), &whole[..700]).unwrap();
    let end = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
    fs::write(place.join("a-5.tar"), &whole[..end.next_multiple_of(512)]).unwrap();
    tar::Builder::new(File::create(place.join("a-8.tar")).unwrap()).finish().unwrap();
    fs::write(place.join("a-6.tar"), "no archive, but long enough for a header".repeat(40))
        .unwrap();
    let output = embed(place, &["a-{0..8}.tar", "--out", "out"]);
    assert_error(&output, &["4 of 9 shards could not be embedded"]);
    let text = stderr(&output);
    for part in [
        "`a-4.tar` is cut off after 0 photos",
        "`a-5.tar` is cut off after 6 photos",
        "`a-6.tar` is damaged",
        "`a-7.tar` cannot be read",
        "`a-8.tar` has no photos",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    let there = |number: usize| place.join(format!("out/a-{number}.parquet")).exists();
    assert_eq!(
        (0..9).map(there).collect::<Vec<_>>(),
        [true, true, true, true, false, false, false, false, true]
    );
    assert_eq!(rows(&place.join("out/a-3.parquet")).len(), 1);
    // The other tasks may still be at work, so the list is complete only after --merge.
    let errors = fs::read_to_string(place.join("out/a-3.errors.csv")).unwrap();
    assert!(errors.starts_with("shard,photo,error\na-3.tar,0.jpg,\"is not a"), "{errors}");
    assert_error(
        &run_in(place, ["embed", "--merge", "out"]),
        &["features of 4 shards are missing"],
    );
    assert_eq!(fs::read_to_string(place.join("out/errors.csv")).unwrap(), errors);
}

#[test]
fn zip_archives_are_read_in_place_stored_or_deflated() {
    let folder = shards();
    let place = folder.path();
    let photo = fs::read(place.join("photos/train/discs/000.png")).unwrap();
    let mut zip = ZipWriter::new(File::create(place.join("b.zip")).unwrap());
    for (name, method) in [("0", CompressionMethod::Stored), ("1", CompressionMethod::Deflated)] {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("x/{name}.json"), options).unwrap();
        zip.write_all(br#"{"label": "disc"}"#).unwrap();
        zip.start_file(format!("x/{name}.png"), options).unwrap();
        zip.write_all(&photo).unwrap();
    }
    zip.finish().unwrap();
    stdout(&embed(place, &["b.zip", "--out", "out"]));
    stdout(&embed(place, &["photos/train/discs/000.png", "--out", "one.parquet"]));
    let expected = rows(&place.join("one.parquet")).remove(0).2;
    for (path, label, features) in rows(&place.join("out/b.parquet")) {
        assert!(path == "b.zip/x/0.png" || path == "b.zip/x/1.png", "{path}");
        assert_eq!((label.as_deref(), features), (Some("disc"), expected.clone()));
    }
}

#[test]
fn features_of_another_model_or_other_shards_are_never_mixed() {
    let folder = shards();
    let place = folder.path();
    stdout(&embed(place, &["a-{0..1}.tar", "--out", "out"]));
    let other = embed(place, &["a-{0..2}.tar", "--out", "out"]);
    assert_error(&other, &["`out` is for 2 shards", "`a-0.tar`", "another --out"]);
    let args = ["embed", "efficientnet-lite0", "a-0.tar", "a-1.tar", "--out", "out"];
    let model = run_in(place, args.into_iter().chain(["--device", CPU]));
    assert_error(&model, &["another model", "another --out", "--force"]);
    // A shard that was written anew under the same name.
    fs::copy(place.join("a-2.tar"), place.join("a-0.tar")).unwrap();
    let mut longer = File::options().append(true).open(place.join("a-0.tar")).unwrap();
    longer.write_all(&[0; 512]).unwrap();
    let changed = embed(place, &["a-{0..1}.tar", "--out", "out"]);
    assert!(stderr(&changed).contains("features of another `a-0.tar`"), "{}", stderr(&changed));
    fs::create_dir(place.join("again")).unwrap();
    fs::copy(place.join("a-0.tar"), place.join("again/a-0.tar")).unwrap();
    let among = embed(place, &["a-{0..1}.tar", "--out", ".", "--force"]);
    assert_error(&among, &["`.` has shards in it", "another folder"]);
    let twice = embed(place, &["a-0.tar", "again/a-0.tar", "--out", "two"]);
    assert_error(&twice, &["two shards are called `a-0.tar`"]);
}

#[test]
fn options_of_shards_are_for_shards() {
    let folder = shards();
    let place = folder.path();
    assert_error(
        &embed(place, &["photos", "--out", "f.npy", "--task", "0/2"]),
        &["--task", ".tar"],
    );
    assert_error(
        &embed(place, &["photos", "a-0.tar", "--out", "f.npy"]),
        &["several DATA", ".tar"],
    );
    assert_error(&embed(place, &["b-*.tar", "--out", "out"]), &["no file matches `b-*.tar`"]);
    assert_error(&run_in(place, ["embed", "--merge", "photos"]), &["`photos` has no shards.json"]);
    let output = embed(place, &["a-0.tar", "--out", "out", "--task", "2/2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("from 0 to N - 1"), "{}", stderr(&output));
}

/// The bytes of a photo, if the row has one, and its label.
type Row<'a> = (Option<&'a [u8]>, i64);

/// Writes a file as the library `datasets` does: photos with their names, in row groups, and labels
/// that are numbers with names in the metadata. `None` is a row without a photo.
fn write_dataset(path: &Path, groups: &[&[Row]], codec: Compression) {
    let schema = "message schema {
        optional group image { optional binary bytes; optional binary path (STRING); }
        optional int64 label;
    }";
    let names = r#"{"info": {"features": {"label": {"names": ["checks", "discs"]}}}}"#;
    let entry = KeyValue::new("huggingface".to_owned(), names.to_owned());
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![entry]))
        .build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut row = 0;
    for photos in groups {
        let mut group = writer.next_row_group().unwrap();
        let levels: Vec<i16> =
            photos.iter().map(|(photo, _)| if photo.is_some() { 2 } else { 0 }).collect();
        let bytes: Vec<ByteArray> =
            photos.iter().filter_map(|(photo, _)| Some(photo.as_ref()?.to_vec().into())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
        column.close().unwrap();
        let names: Vec<ByteArray> =
            (0..bytes.len()).map(|at| format!("{}.png", row + at).as_str().into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&names, Some(&levels), None).unwrap();
        column.close().unwrap();
        let labels: Vec<i64> = photos.iter().map(|(_, label)| *label).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int64Type>()
            .write_batch(&labels, Some(&vec![1; labels.len()]), None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
        row += photos.len();
    }
    writer.close().unwrap();
}

#[test]
fn photos_in_parquet_files_are_embedded_whatever_their_codec() {
    let folder = shards();
    let place = folder.path();
    let photo = |class: &str, index: usize| {
        fs::read(place.join(format!("photos/train/{class}/00{index}.png"))).unwrap()
    };
    let (checks, discs) =
        ([0, 1, 2].map(|at| photo("checks", at)), [0, 1].map(|at| photo("discs", at)));
    let first: [Row; 4] =
        [(Some(&checks[0]), 0), (Some(&discs[0]), 1), (None, 1), (Some(b"no photo"), 0)];
    let second: [Row; 3] = [(Some(&checks[1]), 0), (Some(&checks[2]), 7), (Some(&discs[1]), 1)];
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
        Compression::GZIP(Default::default()),
    ];
    for (number, codec) in codecs.into_iter().enumerate() {
        let path = place.join(format!("train-{number}.parquet"));
        write_dataset(&path, &[&first, &[], &second], codec);
    }
    stdout(&embed(place, &["train-*.parquet", "--out", "out"]));
    let of = |path: &str| {
        stdout(&embed(place, &[path, "--out", "one.parquet", "--force"]));
        rows(&place.join("one.parquet")).remove(0).2
    };
    let expected = [
        ("0.png", "checks", of("photos/train/checks/000.png")),
        ("1.png", "discs", of("photos/train/discs/000.png")),
        ("4.png", "checks", of("photos/train/checks/001.png")),
        // A label without a name stays a number.
        ("5.png", "7", of("photos/train/checks/002.png")),
        ("6.png", "discs", of("photos/train/discs/001.png")),
    ];
    for number in 0..5 {
        let found = rows(&place.join(format!("out/train-{number}.parquet")));
        let expected = expected.clone().map(|(name, label, features)| {
            (format!("train-{number}.parquet/{name}"), Some(label.to_owned()), features)
        });
        assert_eq!(found, expected);
    }
    let errors = fs::read_to_string(place.join("out/train-0.errors.csv")).unwrap();
    assert!(errors.contains("its row has no photo"), "{errors}");
    assert_eq!(errors.lines().count(), 3);
    // Features are not photos: such a file stays a table.
    assert_error(&embed(place, &["one.parquet", "--out", "out"]), &["`out` has no known"]);
}

#[test]
fn a_parquet_file_with_damaged_pages_has_no_features() {
    let folder = shards();
    let place = folder.path();
    let photo = fs::read(place.join("photos/train/discs/000.png")).unwrap();
    let rows: Vec<Row> = vec![(Some(&photo), 0); 30];
    write_dataset(&place.join("b.parquet"), &[&rows[..10], &rows[..20]], Compression::SNAPPY);
    let mut bytes = fs::read(place.join("b.parquet")).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 400].fill(0xff);
    fs::write(place.join("b.parquet"), bytes).unwrap();
    let output = embed(place, &["b.parquet", "--out", "out"]);
    assert_error(&output, &["1 of 1 shard could not be embedded"]);
    assert!(stderr(&output).contains("`b.parquet` is damaged"), "{}", stderr(&output));
    assert!(!place.join("out/b.parquet").exists());
}
