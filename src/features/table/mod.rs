//! Feature tables as files that other programs read and write, one module per format.

mod content;
mod error;
mod floats;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod safetensors;
mod several;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use error::FeatureTableError;

use crate::printable::path_of;
use crate::{FeatureRows, RowWriter};
use content::Sink;

/// The features of some photos, one row per photo: a list, or [`FeatureRows`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureTable<R = Vec<f32>> {
    /// Name of the backbone that computed the features; empty if the file does not say.
    pub backbone: String,
    /// Features per photo.
    pub width: usize,
    /// Class names, indexed by label; empty if the photos have no labels.
    pub classes: Vec<String>,
    /// The photos.
    pub photos: Vec<TableRow>,
    /// The features, `[photos, width]`.
    pub features: R,
    /// Further entries of the metadata of Parquet and safetensors files.
    pub metadata: BTreeMap<String, String>,
}

/// A row of a [`FeatureTable`], without the features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// Path of the photo, as text.
    pub path: String,
    /// Index into the classes.
    pub label: Option<usize>,
    /// Name of the data split that contains the photo. Either every photo has one or none has.
    pub part: Option<&'static str>,
}

impl TableRow {
    /// The path of the photo.
    pub fn path(&self) -> PathBuf {
        path_of(&self.path)
    }
}

/// A file format for features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Tensors `features`, F32 `[photos, width]`, and, if photos have labels, `labels`, I64
    /// `[photos]`, where -1 is a photo without one. The metadata are `backbone` and, as JSON
    /// arrays, `paths`, `classes` and, if the data is split, `parts`.
    Safetensors,
    /// NumPy array, f32 `[photos, width]`. A CSV file next to it lists the photos:
    /// [`FeatureTable::csv`].
    Npy,
    /// Columns `path`, `label`, `part` if the data is split, and `features`, a list of floats.
    /// Needs the Cargo feature `parquet`.
    Parquet,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Npy, Self::Parquet];

    /// Whether this build can write the format.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Safetensors | Self::Npy => true,
            Self::Parquet => cfg!(feature = "parquet"),
        }
    }

    /// The format with this file extension, in upper or lower case.
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        Self::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.to_string()))
    }
}

/// The file extension.
impl fmt::Display for TableFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Parquet => "parquet",
        })
    }
}

impl FeatureTable {
    /// Writes the table to `out`.
    ///
    /// # Errors
    /// If writing to `out` fails, or this build cannot write the format.
    ///
    /// # Panics
    /// If there is not one row of features per photo, or a label is not an index into the classes.
    pub fn write(&self, format: TableFormat, out: &mut (impl Write + Send)) -> io::Result<()> {
        assert_eq!(self.features.len(), self.photos.len() * self.width, "one row per photo");
        match format {
            TableFormat::Safetensors => safetensors::write(self, out),
            TableFormat::Npy => npy::write(self, out),
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => parquet::write(self, out),
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this build cannot write Parquet; build with `--features parquet`",
            )),
        }
    }

    /// Reads the table in the file `path`.
    ///
    /// The column or tensor `features` has the features, as 16-, 32- or 64-bit floating-point
    /// numbers. Columns of another program's file may be missing: photos without a path are called
    /// by their row.
    ///
    /// # Errors
    /// If the file cannot be read, has no known ending, is damaged, or has a feature that is not
    /// finite, or this build cannot read the format.
    pub fn read(path: &Path) -> Result<Self, FeatureTableError> {
        let mut rows = RowWriter::default();
        let table = read_into(path, &mut rows)?;
        let rows = rows.finish().map_err(io::Error::from).and_then(FeatureRows::into_vec);
        Ok(table.with_features(rows.map_err(|error| FeatureTableError::of(path, error))?))
    }

    /// Writes a CSV table with the columns `path`, `label` and, if the data is split, `part`, one
    /// line per photo in the order of the rows.
    ///
    /// # Errors
    /// If writing to `out` fails.
    pub fn csv(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = if self.has_parts() { 3 } else { 2 };
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(&["path", "label", "part"][..columns])?;
        for photo in &self.photos {
            let record = [&photo.path, self.class(photo).unwrap_or(""), photo.part.unwrap_or("")];
            csv.write_record(&record[..columns])?;
        }
        csv.flush()
    }
}

/// Reads the table in the file `path`, and adds its features to `rows`.
fn read_into(path: &Path, rows: &mut RowWriter) -> Result<FeatureTable<()>, FeatureTableError> {
    let mut sink = Sink::new(rows);
    let content = match TableFormat::of_file(path) {
        None => return Err(FeatureTableError::Unknown(path.to_owned())),
        Some(TableFormat::Safetensors) => safetensors::read(path, &mut sink),
        Some(TableFormat::Npy) => npy::read(path, &mut sink),
        #[cfg(feature = "parquet")]
        Some(TableFormat::Parquet) => parquet::read(path, &mut sink),
        #[cfg(not(feature = "parquet"))]
        Some(TableFormat::Parquet) => return Err(FeatureTableError::NoParquet(path.to_owned())),
    };
    let content = content.map_err(|error| FeatureTableError::of(path, error))?;
    content.table(path, &sink)
}

impl<R> FeatureTable<R> {
    /// The same with these features.
    fn with_features<S>(self, features: S) -> FeatureTable<S> {
        let Self { backbone, width, classes, photos, metadata, .. } = self;
        FeatureTable { backbone, width, classes, photos, features, metadata }
    }

    /// The name of a photo's class.
    fn class(&self, photo: &TableRow) -> Option<&str> {
        photo.label.map(|label| self.classes[label].as_str())
    }

    /// Whether the photos have labels.
    fn has_labels(&self) -> bool {
        self.photos.iter().any(|photo| photo.label.is_some())
    }

    /// Whether the data is split.
    fn has_parts(&self) -> bool {
        self.photos.iter().any(|photo| photo.part.is_some())
    }
}
