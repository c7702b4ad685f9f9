//! Photos in the rows of a column, read in order.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::parquet_reading::guarded;

/// A photo in a row of a Parquet file.
#[derive(Clone)]
pub struct RowPlace {
    pub(super) rows: Arc<Mutex<Rows>>,
    pub(super) row: usize,
}

impl fmt::Debug for RowPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "row {}", self.row)
    }
}

impl RowPlace {
    /// The bytes of the photo.
    ///
    /// # Errors
    /// If the row has none, or the file is damaged.
    pub(in crate::photos) fn read(&self) -> io::Result<Arc<[u8]>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        match rows.take(self.row) {
            Ok(Some(value)) => Ok(value.data().into()),
            Ok(None) => Err(io::Error::new(ErrorKind::NotFound, "its row has no photo")),
            Err(reason) => Err(io::Error::new(ErrorKind::InvalidData, reason)),
        }
    }
}

/// A column of photos. Several threads take rows, nearly in order; the column is read in order, and
/// rows that others will take wait.
pub struct Rows {
    reader: SerializedFileReader<File>,
    column: usize,
    /// The first row of each row group, and the number of rows.
    starts: Vec<usize>,
    values: Option<ColumnReaderImpl<ByteArrayType>>,
    /// The row that is read next.
    next: usize,
    waiting: HashMap<usize, Option<ByteArray>>,
    damage: Option<String>,
}

impl Rows {
    /// The column with this index.
    pub(super) fn new(reader: SerializedFileReader<File>, column: usize) -> Self {
        let groups = reader.metadata().row_groups().iter();
        let starts = groups.scan(0, |end, group| {
            *end += usize::try_from(group.num_rows()).unwrap_or(0);
            Some(*end)
        });
        let starts = std::iter::once(0).chain(starts).collect();
        let (waiting, damage) = (HashMap::new(), None);
        Self { reader, column, starts, values: None, next: 0, waiting, damage }
    }

    /// Why the column could not be read, if a row was taken that could not.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The value of a row; `None` if it has none.
    fn take(&mut self, row: usize) -> std::result::Result<Option<ByteArray>, String> {
        if let Some(value) = self.waiting.remove(&row) {
            return Ok(value);
        }
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        guarded(|| self.read(row)).map_err(|error| {
            let reason = error.to_string();
            self.damage = Some(reason.clone());
            reason
        })
    }

    fn read(&mut self, row: usize) -> Result<Option<ByteArray>> {
        if row < self.next {
            // It was taken before: its row group is read again.
            let group = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
            self.next = self.starts[group];
            self.values = None;
            self.waiting.clear();
        }
        loop {
            let at = self.next;
            let value = self.read_next()?;
            if at == row {
                return Ok(value);
            }
            self.waiting.insert(at, value);
        }
    }

    /// Reads the next row.
    fn read_next(&mut self) -> Result<Option<ByteArray>> {
        if let Ok(group) = self.starts.binary_search(&self.next) {
            // Row groups without rows start at the same row: the last of them has it.
            let same = self.starts[group..].iter().take_while(|start| **start == self.next);
            let group = group + same.count() - 1;
            self.values = Some(self.values_of(group)?);
        }
        let ended = || ParquetError::EOF("the column of photos ends early".into());
        let values = self.values.as_mut().ok_or_else(ended)?;
        let (mut levels, mut found) = (Vec::new(), Vec::new());
        let (records, ..) = values.read_records(1, Some(&mut levels), None, &mut found)?;
        if records == 0 {
            return Err(ended());
        }
        self.next += 1;
        Ok(found.pop())
    }

    fn values_of(&self, group: usize) -> Result<ColumnReaderImpl<ByteArrayType>> {
        match self.reader.get_row_group(group)?.get_column_reader(self.column)? {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(reader),
            _ => Err(ParquetError::General("the column of photos has no bytes".into())),
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rows").field("next", &self.next).finish_non_exhaustive()
    }
}
