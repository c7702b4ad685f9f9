//! Photos in the rows of a Parquet file, as data sets on Hugging Face have them: a column `image`
//! of `bytes` and `path`, or a column of bytes, and a column `label`.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

use super::rows::{RowPlace, Rows};
use super::samples::LABEL_NAMES;
use super::{Shard, ShardError, ShardPhoto};
use crate::parquet_reading::{guarded, texts};
use crate::photos::PhotoPlace;
use crate::regular_file;

/// Columns of bytes that are photos, if no column has `bytes` inside.
const PHOTOS: [&str; 8] = ["image", "img", "photo", "picture", "jpg", "jpeg", "png", "image_bytes"];
/// Columns of texts that name the photos, if the column of photos has no `path` inside.
const NAMES: [&str; 6] = ["path", "file_name", "filename", "__key__", "key", "id"];

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
