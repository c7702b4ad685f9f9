//! Reads features from Parquet files, of whatever program.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::super::content::{Content, Sink};
use super::super::error::damaged;
use crate::parquet_reading::{AT_A_TIME, guarded, texts};
use crate::regular_file;

/// The column of features, a list of numbers.
const FEATURES: &str = "features";
/// Features of distinct photos do not compress; a file that claims so many times its length is made
/// to fill the memory.
const MOST_COMPRESSION: u64 = 1000;

/// Reads the columns `features`, `path`, `label` and `part`, those that there are.
pub(in super::super) fn read(path: &Path, sink: &mut Sink) -> io::Result<Content> {
    let (file, length) = regular_file::open(path)?;
    guarded(|| content(file, length, sink)).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => damaged(error.to_string()),
        },
        ParquetError::General(reason) => damaged(reason),
        error => damaged(error.to_string()),
    })
}

fn content(file: File, length: u64, sink: &mut Sink) -> Result<Content> {
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr();
    // Lists have one repetition level.
    let find = |name: &str, lists: i16| {
        schema
            .columns()
            .iter()
            .position(|column| column.path().parts()[0] == name && column.max_rep_level() == lists)
    };
    let column = find(FEATURES, 1).ok_or_else(|| {
        let columns = metadata.file_metadata().schema().get_fields().iter();
        let names: Vec<String> = columns.map(|it| format!("`{}`", it.name())).take(8).collect();
        general(format!("no column `{FEATURES}` of lists among {}", names.join(", ")))
    })?;
    check_size(metadata, column, length)?;
    let texts = |name: &str| find(name, 0).map(|column| texts(&reader, column)).transpose();
    let (paths, labels, parts) = (texts("path")?, texts("label")?, texts("part")?);
    let mut rows = Rows { width: 0, sink };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let present = schema.column(column).max_def_level();
        match group.get_column_reader(column)? {
            ColumnReader::FloatColumnReader(it) => rows.read(it, count, present, |value| *value)?,
            ColumnReader::DoubleColumnReader(it) => {
                rows.read(it, count, present, |value| *value as f32)?;
            }
            _ => return Err(general(format!("the column `{FEATURES}` is not of float or double"))),
        }
    }
    let width = rows.width;
    // A row without a path has an empty one.
    let paths = paths.map(|paths| paths.into_iter().map(Option::unwrap_or_default).collect());
    Ok(Content { width, paths, labels, parts, metadata: entries(metadata) })
}

fn general(reason: String) -> ParquetError {
    ParquetError::General(reason)
}

/// The entries of the footer.
fn entries(metadata: &ParquetMetaData) -> BTreeMap<String, String> {
    let entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    entries.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect()
}

/// # Errors
/// If the column claims far more values than a file of `length` bytes has.
fn check_size(metadata: &ParquetMetaData, column: usize, length: u64) -> Result<()> {
    let groups = metadata.row_groups().iter();
    let values: i64 = groups.map(|group| group.column(column).num_values()).sum();
    let bytes = u64::try_from(values).unwrap_or(u64::MAX).saturating_mul(4);
    match bytes <= length.saturating_mul(MOST_COMPRESSION) {
        true => Ok(()),
        false => Err(general(format!("it claims {values} features in {length} bytes"))),
    }
}

/// Lists of equal lengths.
struct Rows<'a, 'b> {
    /// The length of each, 0 if there is none yet.
    width: usize,
    sink: &'a mut Sink<'b>,
}

impl Rows<'_, '_> {
    /// Reads the lists of a row group. `present` is the definition level of a value that is there.
    fn read<T: DataType>(
        &mut self,
        mut column: ColumnReaderImpl<T>,
        rows: usize,
        present: i16,
        value: impl Fn(&T::T) -> f32,
    ) -> Result<()> {
        let mut left = rows;
        let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
        while left > 0 {
            defined.clear();
            repeated.clear();
            values.clear();
            let (records, ..) = column.read_records(
                AT_A_TIME.min(left),
                Some(&mut defined),
                Some(&mut repeated),
                &mut values,
            )?;
            if records == 0 {
                return Err(ParquetError::EOF(format!("the column `{FEATURES}` ends early")));
            }
            left = left.saturating_sub(records);
            self.check(&defined, &repeated, present)?;
            let features: Vec<f32> = values.iter().map(&value).collect();
            let kept = self.sink.add(&features);
            kept.map_err(|error| ParquetError::External(Box::new(error)))?;
        }
        Ok(())
    }

    /// Checks that each list has as many values as the first.
    fn check(&mut self, defined: &[i16], repeated: &[i16], present: i16) -> Result<()> {
        if self.width == 0 {
            let length = repeated.iter().skip(1).take_while(|level| **level != 0).count() + 1;
            self.width = length;
        }
        let starts = |place: usize| place.is_multiple_of(self.width);
        let is_whole = repeated.len().is_multiple_of(self.width)
            && repeated.iter().enumerate().all(|(place, level)| (*level == 0) == starts(place))
            && defined.iter().all(|level| *level == present);
        match is_whole {
            true => Ok(()),
            false => Err(general(format!(
                "a row has no list of {} features, as the first rows have",
                self.width
            ))),
        }
    }
}
