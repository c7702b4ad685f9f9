//! Reads Parquet files that may be damaged.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};

/// Rows that are decoded at a time.
pub(crate) const AT_A_TIME: usize = 1024;

/// Runs a reader of a Parquet file, which does not promise to return an error for every damaged
/// file.
///
/// # Errors
/// If it returns an error or panics.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(ParquetError::General("it is damaged".into())))
}

/// The values of a column of texts or whole numbers, as texts.
///
/// # Errors
/// If the column is damaged, or holds something else.
pub(crate) fn texts(
    reader: &SerializedFileReader<File>,
    column: usize,
) -> Result<Vec<Option<String>>> {
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn damage_is_an_error() {
        let name: HashMap<&str, usize> = HashMap::new();
        assert!(guarded(|| Ok(name["absent"])).is_err());
    }

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
