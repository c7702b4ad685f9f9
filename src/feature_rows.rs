//! Rows of features: in memory or, if they are many, in a temporary file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::printable::PathText;

/// Rows that are read from a file at a time: of 512 features, 16 MiB.
const BLOCK_ROWS: usize = 8192;

/// The values of rows of features, in memory or in a temporary file. Copies and parts of them share
/// the memory or the file, which is deleted with the last of them, or when the process ends.
#[derive(Clone, Debug)]
pub struct FeatureRows {
    storage: Arc<Storage>,
    /// The values that belong to this part.
    range: Range<usize>,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<f32>),
    /// f32 in the byte order of this machine.
    File(Mutex<File>),
}

/// Features cannot be kept in a temporary file.
#[derive(Debug, thiserror::Error)]
#[error("features cannot be written into a temporary file in `{}`", .folder.shown())]
pub struct RowsError {
    folder: PathBuf,
    source: io::Error,
}

impl FeatureRows {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The values, if they are in memory.
    pub fn in_memory(&self) -> Option<&[f32]> {
        match &*self.storage {
            Storage::Memory(values) => Some(&values[self.range.clone()]),
            Storage::File(_) => None,
        }
    }

    /// The values of rows that are known to be in memory.
    ///
    /// # Panics
    /// If they are in a file.
    pub fn values(&self) -> &[f32] {
        self.in_memory().expect("the rows are in memory")
    }

    /// The values as a list of their own. Copies them if a part or a copy of these rows exists.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn into_vec(mut self) -> io::Result<Vec<f32>> {
        match Arc::get_mut(&mut self.storage) {
            Some(Storage::Memory(values)) if self.range == (0..values.len()) => {
                Ok(std::mem::take(values))
            }
            _ => Ok(self.read(0..self.len())?.into_owned()),
        }
    }

    /// A part of the values.
    ///
    /// # Panics
    /// If `range` goes beyond them.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "a part of the values");
        let range = self.range.start + range.start..self.range.start + range.end;
        Self { storage: self.storage.clone(), range }
    }

    /// Reads some of the values.
    ///
    /// # Errors
    /// If the file cannot be read.
    ///
    /// # Panics
    /// If `range` goes beyond them.
    pub fn read(&self, range: Range<usize>) -> io::Result<Cow<'_, [f32]>> {
        let part = self.part(range);
        match &*self.storage {
            Storage::Memory(values) => Ok(Cow::Borrowed(&values[part.range])),
            Storage::File(file) => {
                let mut values = vec![0.0; part.range.len()];
                read_at(file, part.range.start, &mut values)?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// Reads all values in blocks of whole rows of `width` values.
    ///
    /// # Errors
    /// Each block is an error if the file cannot be read.
    pub fn blocks(&self, width: usize) -> impl Iterator<Item = io::Result<Cow<'_, [f32]>>> {
        let length = match self.in_memory() {
            Some(values) => values.len().max(1),
            None => BLOCK_ROWS * width.max(1),
        };
        let starts = (0..self.len()).step_by(length);
        starts.map(move |start| self.read(start..(start + length).min(self.len())))
    }

    /// Reads the rows with these indices, in this order. Neighbours in a file are read together.
    ///
    /// # Errors
    /// If the file cannot be read.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize], width: usize) -> io::Result<Vec<f32>> {
        let mut gathered = vec![0.0; rows.len() * width];
        match &*self.storage {
            Storage::Memory(values) => {
                let values = &values[self.range.clone()];
                for (row, into) in rows.iter().zip(gathered.chunks_exact_mut(width)) {
                    into.copy_from_slice(&values[row * width..][..width]);
                }
            }
            Storage::File(_) => {
                let mut order: Vec<usize> = (0..rows.len()).collect();
                order.sort_by_key(|place| rows[*place]);
                for run in order.chunk_by(|one, next| rows[*next] - rows[*one] <= 1) {
                    let (first, last) = (rows[run[0]], rows[run[run.len() - 1]]);
                    let values = self.read(first * width..(last + 1) * width)?;
                    for place in run {
                        let from = &values[(rows[*place] - first) * width..][..width];
                        gathered[place * width..][..width].copy_from_slice(from);
                    }
                }
            }
        }
        Ok(gathered)
    }
}

/// Reads `into.len()` values, from the one with the index `first`.
fn read_at(file: &Mutex<File>, first: usize, into: &mut [f32]) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(first as u64 * size_of::<f32>() as u64))?;
    file.read_exact(bytemuck::cast_slice_mut(into))
}

impl Default for FeatureRows {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<f32>> for FeatureRows {
    fn from(values: Vec<f32>) -> Self {
        let range = 0..values.len();
        Self { storage: Arc::new(Storage::Memory(values)), range }
    }
}

impl FromIterator<f32> for FeatureRows {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        values.into_iter().collect::<Vec<f32>>().into()
    }
}

/// Rows in memory are equal if their values are; rows in a file if they are the same part of it.
impl PartialEq for FeatureRows {
    fn eq(&self, other: &Self) -> bool {
        match (self.in_memory(), other.in_memory()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => Arc::ptr_eq(&self.storage, &other.storage) && self.range == other.range,
            _ => false,
        }
    }
}

/// Collects rows: in memory up to a limit, and then in a temporary file.
#[derive(Debug, Default)]
pub struct RowWriter {
    memory: Vec<f32>,
    file: Option<BufWriter<File>>,
    /// Values that are in the file.
    written: usize,
    /// Values that stay in memory, and the folder of the file for more.
    limit: Option<(usize, PathBuf)>,
}

impl RowWriter {
    /// A writer whose rows stay in memory if they take at most `bytes`. Otherwise they are in a
    /// temporary file in `folder`, which has no name, so that nothing is left of it.
    pub fn with_limit(bytes: u64, folder: &Path) -> Self {
        let values = usize::try_from(bytes / size_of::<f32>() as u64).unwrap_or(usize::MAX);
        Self { limit: Some((values, folder.to_owned())), ..Self::default() }
    }

    /// Adds values.
    ///
    /// # Errors
    /// If they cannot be written into the file. Rows that stay in memory have no errors.
    pub fn extend(&mut self, values: &[f32]) -> Result<(), RowsError> {
        let Some((limit, folder)) = &self.limit else {
            self.memory.extend_from_slice(values);
            return Ok(());
        };
        let failed = |source| RowsError { folder: folder.clone(), source };
        if self.file.is_none() && self.memory.len() + values.len() > *limit {
            let mut file = BufWriter::new(tempfile::tempfile_in(folder).map_err(failed)?);
            file.write_all(bytemuck::cast_slice(&self.memory)).map_err(failed)?;
            self.written = self.memory.len();
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            None => self.memory.extend_from_slice(values),
            Some(file) => {
                file.write_all(bytemuck::cast_slice(values)).map_err(failed)?;
                self.written += values.len();
            }
        }
        Ok(())
    }

    /// The rows.
    ///
    /// # Errors
    /// If the last of them cannot be written into the file.
    pub fn finish(self) -> Result<FeatureRows, RowsError> {
        let (Some(file), Some((_, folder))) = (self.file, self.limit) else {
            return Ok(self.memory.into());
        };
        let file =
            file.into_inner().map_err(|error| RowsError { folder, source: error.into_error() })?;
        let storage = Arc::new(Storage::File(Mutex::new(file)));
        Ok(FeatureRows { storage, range: 0..self.written })
    }
}

impl From<RowsError> for io::Error {
    fn from(error: RowsError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 rows of 3 values, in memory and in a file.
    fn both() -> [FeatureRows; 2] {
        let folder = tempfile::tempdir().unwrap();
        [1000, 100].map(|limit| {
            let mut writer = RowWriter::with_limit(limit, folder.path());
            for row in 0..40_u8 {
                let value = f32::from(row);
                writer.extend(&[value, value + 0.25, value + 0.5]).unwrap();
            }
            writer.finish().unwrap()
        })
    }

    #[test]
    fn rows_in_a_file_are_those_in_memory() {
        let [memory, file] = both();
        assert!(memory.in_memory().is_some() && file.in_memory().is_none());
        assert_eq!((memory.len(), file.len()), (120, 120));
        let values = memory.values().to_vec();
        assert_eq!(file.read(7..80).unwrap(), &values[7..80]);
        let rows = [39, 5, 6, 4, 0, 5, 20];
        let gathered = file.gather(&rows, 3).unwrap();
        assert_eq!(gathered, memory.gather(&rows, 3).unwrap());
        assert_eq!(gathered[3..6], [5.0, 5.25, 5.5]);
        let (one, other) = (memory.part(30..90), file.part(30..90));
        assert_eq!(one.values(), other.read(0..60).unwrap().as_ref());
        assert_eq!(other.gather(&[1], 3).unwrap(), [11.0, 11.25, 11.5]);
        assert_eq!(other.part(3..6).into_vec().unwrap(), [11.0, 11.25, 11.5]);
        let blocks: Vec<f32> =
            file.blocks(3).flat_map(|block| block.unwrap().into_owned()).collect();
        assert_eq!(blocks, values);
        assert!(one != other && other == file.part(30..90) && one == memory.part(30..90));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowWriter::with_limit(4, &folder.path().join("absent"));
        writer.extend(&[1.0]).unwrap();
        let error = writer.extend(&[2.0]).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[test]
    fn the_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowWriter::with_limit(0, folder.path());
        writer.extend(&[1.0]).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        // Windows deletes the file when it is closed.
        assert_eq!(names, usize::from(cfg!(windows)));
        drop(writer.finish().unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
