//! Photos in the rows of a Parquet file, as data sets on Hugging Face have them: a column `image`
//! of `bytes` and `path`, or a column of bytes, and a column `label`.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

use super::rows::{RowPlace, Rows};
use super::samples::LABEL_NAMES;
use super::{Shard, ShardError, ShardPhoto};
use crate::parquet_reading::guarded;
use crate::photos::PhotoPlace;
use crate::regular_file;

/// Columns of bytes that are photos, if no column has `bytes` inside.
const PHOTOS: [&str; 8] = ["image", "img", "photo", "picture", "jpg", "jpeg", "png", "image_bytes"];
/// Columns of texts that name the photos, if the column of photos has no `path` inside.
const NAMES: [&str; 6] = ["path", "file_name", "filename", "__key__", "key", "id"];
/// Rows that are decoded at a time.
const AT_A_TIME: usize = 1024;

/// Whether the file has a column of photos, rather than of their paths.
pub(super) fn has_photos(path: &Path) -> bool {
    let metadata = regular_file::open(path).map(|(file, _)| guarded(|| opened(file)));
    matches!(metadata, Ok(Ok(reader)) if Columns::of(reader.metadata()).is_some())
}

/// Lists the photos of the file. Reads names and labels, and no photo.
///
/// # Errors
/// If the file cannot be read, is damaged, or has no column of photos.
pub(super) fn read(path: &Path) -> std::result::Result<Shard, ShardError> {
    let failed = |error| ShardError::Read(path.to_owned(), error);
    let (file, bytes) = regular_file::open(path).map_err(failed)?;
    let damaged = |error: ParquetError| damaged(path, &error.to_string());
    let (reader, columns, names, labels) = guarded(|| {
        let reader = opened(file)?;
        let columns = Columns::of(reader.metadata())
            .ok_or_else(|| ParquetError::General("it has no column of photos".into()))?;
        let texts = |column: Option<usize>| column.map(|it| texts(&reader, it)).transpose();
        let (names, labels) = (texts(columns.name)?, texts(columns.label)?);
        Ok((reader, columns, names, labels))
    })
    .map_err(damaged)?;
    let count = usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
    let class_names = columns.label.and_then(|at| class_names(reader.metadata(), at));
    let of = |texts: &Option<Vec<Option<String>>>, row: usize| texts.as_ref()?.get(row)?.clone();
    let rows = Arc::new(Mutex::new(Rows::new(reader, columns.photo)));
    let photo = |row: usize| {
        let label = of(&labels, row).map(|label| match &class_names {
            Some(names) => label
                .parse::<usize>()
                .ok()
                .and_then(|index| names.get(index).cloned())
                .unwrap_or(label),
            None => label,
        });
        ShardPhoto {
            name: of(&names, row).unwrap_or_else(|| row.to_string()),
            place: PhotoPlace::Row(RowPlace { rows: rows.clone(), row }),
            label,
        }
    };
    let photos = (0..count).map(photo).collect();
    Ok(Shard { path: path.to_owned(), bytes, photos, rows: Some(rows) })
}

/// The error for what the reader of Parquet files said.
pub(super) fn damaged(path: &Path, reason: &str) -> ShardError {
    match reason.split_once("Disabled feature at compile time: ") {
        Some((_, codec)) => {
            let reason =
                format!("is compressed by {codec}, which is not read: use Snappy or Zstandard");
            ShardError::NotRead(path.to_owned(), reason)
        }
        None => ShardError::Damaged(path.to_owned(), reason.to_owned()),
    }
}

fn opened(file: File) -> Result<SerializedFileReader<File>> {
    SerializedFileReader::new(file)
}

/// Columns of the file, by their index among those that hold values.
struct Columns {
    photo: usize,
    name: Option<usize>,
    label: Option<usize>,
}

impl Columns {
    fn of(metadata: &ParquetMetaData) -> Option<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let columns: Vec<(usize, &ColumnDescriptor)> =
            schema.columns().iter().map(AsRef::as_ref).enumerate().collect();
        // Lists are not read.
        let find = |is_wanted: &dyn Fn(&ColumnDescriptor) -> bool| {
            let found = columns.iter().find(|(_, it)| it.max_rep_level() == 0 && is_wanted(it));
            found.map(|(at, _)| *at)
        };
        let named = |names: &[&str]| {
            names.iter().find_map(|name| find(&|it| it.path().parts() == [*name] && is_text(it)))
        };
        let inside =
            find(&|it| matches!(it.path().parts(), [_, field] if field == "bytes") && is_bytes(it));
        let alone = || PHOTOS.iter().find_map(|name| find(&|it| is_photo(it, name)));
        let photo = inside.or_else(alone)?;
        let parent = schema.column(photo).path().parts()[0].clone();
        let path = find(&|it| {
            let parts = it.path().parts();
            matches!(parts, [group, field] if *group == parent && field == "path")
        });
        Some(Self {
            photo,
            name: path.filter(|_| inside.is_some()).or_else(|| named(&NAMES)),
            label: named(&LABEL_NAMES),
        })
    }
}

fn is_bytes(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Physical::BYTE_ARRAY
}

fn is_photo(column: &ColumnDescriptor, name: &str) -> bool {
    column.path().parts() == [name]
        && is_bytes(column)
        && column.converted_type() == ConvertedType::NONE
}

fn is_text(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Physical::BYTE_ARRAY | Physical::INT32 | Physical::INT64)
}

/// The values of a column as texts.
fn texts(reader: &SerializedFileReader<File>, column: usize) -> Result<Vec<Option<String>>> {
    let mut texts = Vec::new();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let present = group.metadata().column(column).column_descr().max_def_level();
        macro_rules! read {
            ($reader:expr, $text:expr) => {
                values(&mut texts, rows, present, $text, |count, levels, values| {
                    $reader.read_records(count, Some(levels), None, values)
                })?
            };
        }
        match group.get_column_reader(column)? {
            ColumnReader::Int32ColumnReader(mut it) => read!(it, |value: &i32| value.to_string()),
            ColumnReader::Int64ColumnReader(mut it) => read!(it, |value: &i64| value.to_string()),
            ColumnReader::ByteArrayColumnReader(mut it) => {
                read!(it, |value: &ByteArray| String::from_utf8_lossy(value.data()).into_owned());
            }
            _ => return Err(ParquetError::General("a column has texts of no known type".into())),
        }
    }
    Ok(texts)
}

/// Reads the values of a row group and adds their texts. `present` is the definition level of a
/// value that is there.
fn values<T>(
    texts: &mut Vec<Option<String>>,
    rows: usize,
    present: i16,
    text: impl Fn(&T) -> String,
    mut read: impl FnMut(usize, &mut Vec<i16>, &mut Vec<T>) -> Result<(usize, usize, usize)>,
) -> Result<()> {
    let end = texts.len() + rows;
    while texts.len() < end {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (records, ..) = read(AT_A_TIME.min(end - texts.len()), &mut levels, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF("a column ends early".into()));
        }
        let mut values = values.iter();
        // A column that is required has no levels.
        levels.resize(records, present);
        texts.extend(levels.into_iter().map(|level| {
            let value = if level == present { values.next() } else { None };
            value.map(&text)
        }));
    }
    Ok(())
}

/// The names of classes that the library `datasets` has written into the metadata, for labels that
/// are numbers.
fn class_names(metadata: &ParquetMetaData, label: usize) -> Option<Vec<String>> {
    let column = metadata.file_metadata().schema_descr().column(label);
    let entries = metadata.file_metadata().key_value_metadata()?;
    let entry = entries.iter().find(|entry| entry.key == "huggingface")?;
    let value: Value = serde_json::from_str(entry.value.as_deref()?).ok()?;
    let names = value["info"]["features"][column.name()]["names"].as_array()?;
    names.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_absent_keep_their_rows() {
        let mut texts = Vec::new();
        let mut parts = [(vec![1, 0], vec![7]), (vec![0, 1], vec![8])].into_iter();
        let read = |_: usize, levels: &mut Vec<i16>, values: &mut Vec<i32>| {
            let (more, found) = parts.next().unwrap();
            levels.extend(more);
            values.extend(found);
            Ok((2, values.len(), 2))
        };
        values(&mut texts, 4, 1, |value: &i32| value.to_string(), read).unwrap();
        assert_eq!(texts, [Some("7".into()), None, None, Some("8".into())]);
        let ended =
            values(&mut texts, 1, 1, |value: &i32| value.to_string(), |_, _, _| Ok((0, 0, 0)));
        assert!(ended.is_err());
    }
}
