//! Writes features into Parquet files.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::super::{FeatureTable, TableRow};

/// Features per row group: 16 MiB, which the writer holds in memory.
const GROUP_FEATURES: usize = 1 << 22;

/// Writes the whole table, with the backbone, the width and further entries in the footer's
/// metadata.
pub(in super::super) fn write(
    table: &FeatureTable,
    out: &mut (impl Write + Send),
) -> io::Result<()> {
    write_groups(table, out).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    })
}

fn write_groups(table: &FeatureTable, out: &mut (impl Write + Send)) -> Result<()> {
    let part = if table.has_parts() { "optional binary part (STRING);" } else { "" };
    let schema = format!(
        "message photos {{
            required binary path (STRING);
            optional binary label (STRING);
            {part}
            required group features (LIST) {{ repeated group list {{ required float element; }} }}
        }}"
    );
    let schema = Arc::new(parse_message_type(&schema)?);
    let entry = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let known =
        [entry("backbone", table.backbone.clone()), entry("width", table.width.to_string())];
    let further = table.metadata.iter().map(|(key, value)| entry(key, value.clone()));
    let entries = known.into_iter().chain(further).collect();
    let properties = WriterProperties::builder()
        .set_created_by(concat!("kindling ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(entries))
        // Features are hardly ever equal, so a dictionary would only cost space.
        .set_column_dictionary_enabled(ColumnPath::from("features.list.element"), false)
        .build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let rows = (GROUP_FEATURES / table.width.max(1)).max(1);
    for (photos, features) in
        table.photos.chunks(rows).zip(table.features.chunks(rows * table.width))
    {
        let mut group = writer.next_row_group()?;
        let paths = photos.iter().map(|photo| Some(photo.path.as_str()));
        write_texts(&mut group, paths, false)?;
        write_texts(&mut group, photos.iter().map(|photo| table.class(photo)), true)?;
        if table.has_parts() {
            write_texts(&mut group, photos.iter().map(|photo: &TableRow| photo.part), true)?;
        }
        write_lists(&mut group, features, table.width)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Writes a column of strings. In an optional column, a definition level of 1 marks a value that is
/// present.
fn write_texts<'a, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    texts: impl Iterator<Item = Option<&'a str>> + Clone,
    optional: bool,
) -> Result<()> {
    let values: Vec<ByteArray> = texts.clone().flatten().map(ByteArray::from).collect();
    let levels: Vec<i16> = texts.map(|text| i16::from(text.is_some())).collect();
    let mut column = group.next_column()?.expect("the schema has it");
    let levels = optional.then_some(levels.as_slice());
    column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
    column.close()
}

/// Writes a column of lists of `width` values each. A repetition level of 0 starts a list and 1
/// continues it; a definition level of 1 means that the list is not empty.
fn write_lists<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[f32],
    width: usize,
) -> Result<()> {
    let defined = vec![1; values.len()];
    let repeated: Vec<i16> = (0..values.len()).map(|index| i16::from(index % width != 0)).collect();
    let mut column = group.next_column()?.expect("the schema has it");
    column.typed::<FloatType>().write_batch(values, Some(&defined), Some(&repeated))?;
    column.close()
}
