//! Tables in Parquet files: <https://parquet.apache.org/docs/file-format/>.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::TableError;
use super::cells::LIST;
use super::records::Record;
use crate::parquet_reading::guarded;
use crate::regular_file;

/// The rows of the file, after its column names. Columns of numbers in lists, such as features, are
/// left out; texts in lists are several labels.
///
/// # Errors
/// If the file is damaged.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, TableError> {
    let (file, _) = regular_file::open(path).map_err(TableError::Read)?;
    guarded(|| records(file)).map_err(|error| TableError::Parquet(error.to_string()))
}

fn records(file: File) -> Result<Vec<Record>, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<Arc<Type>> =
        schema.get_fields().iter().filter(|column| is_readable(column)).cloned().collect();
    let header = columns.iter().map(|column| column.name().to_owned()).collect();
    let mut records = vec![Record { line: 0, cells: header }];
    let projection = Type::group_type_builder(schema.name()).with_fields(columns).build()?;
    for (line, row) in (1..).zip(reader.get_row_iter(Some(projection))?) {
        let cells = row?.get_column_iter().map(|(_, cell)| text(cell)).collect();
        records.push(Record { line, cells });
    }
    Ok(records)
}

/// Whether the column holds one value a row, or a list of texts.
fn is_readable(column: &Type) -> bool {
    if column.is_primitive() {
        return true;
    }
    let is_list = column.get_basic_info().converted_type() == ConvertedType::LIST;
    let mut inner = column;
    while !inner.is_primitive() {
        match inner.get_fields() {
            [only] => inner = only,
            _ => return false,
        }
    }
    is_list && inner.get_physical_type() == Physical::BYTE_ARRAY
}

fn text(cell: &Field) -> String {
    match cell {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Bool(value) => u8::from(*value).to_string(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        Field::ListInternal(list) => {
            let labels: Vec<String> = list.elements().iter().map(text).collect();
            // The mark stands in every list, so that one with a single label is a list too.
            format!("{LIST}{}", labels.join(&LIST.to_string()))
        }
        other => other.to_string(),
    }
}
