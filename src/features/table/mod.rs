//! Features of photos as a file for other programs: a file here for each format.

mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod safetensors;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

/// A row of features for each of some photos.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureTable {
    /// The name of the backbone that computed them.
    pub backbone: String,
    /// Features of a photo.
    pub width: usize,
    /// Class names; a label is an index into them. None where the photos are of no class.
    pub classes: Vec<String>,
    /// The photos.
    pub photos: Vec<TableRow>,
    /// Their features, `[photos, width]`.
    pub features: Vec<f32>,
}

/// What there is to know of a photo besides its features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// Where it is.
    pub path: String,
    /// Index into the classes: of all photos or of none.
    pub label: Option<usize>,
    /// The part of divided data that it is in: of all photos or of none.
    pub part: Option<&'static str>,
}

/// A file format for features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// `features` F32 `[photos, width]`, `labels` I64 `[photos]`, and as metadata `paths`, `classes` and, where
    /// there are such, `parts`, each a JSON array, and `backbone`.
    Safetensors,
    /// NumPy's, f32 `[photos, width]`. The photos are told by a table beside it, [`FeatureTable::csv`].
    Npy,
    /// Columns `path`, `label`, `part` where there are parts, and `features`, a list of floats.
    /// Needs the cargo feature `parquet`.
    Parquet,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Npy, Self::Parquet];

    /// Whether this build writes it.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Safetensors | Self::Npy => true,
            Self::Parquet => cfg!(feature = "parquet"),
        }
    }

    /// The format that a file's name tells, in whatever case.
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        Self::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.to_string()))
    }
}

/// The ending of a file's name.
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
    /// If writing to `out` fails, or this build does not write the format.
    ///
    /// # Panics
    /// Where the numbers of photos and of features do not agree, or a label is no class.
    pub fn write(&self, format: TableFormat, out: &mut (impl Write + Send)) -> io::Result<()> {
        assert_eq!(self.features.len(), self.photos.len() * self.width, "a row for each photo");
        match format {
            TableFormat::Safetensors => safetensors::write(self, out),
            TableFormat::Npy => npy::write(self, out),
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => parquet::write(self, out),
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "built without `parquet`"))
            }
        }
    }

    /// Writes `path,label` and, where there are parts, `part` of each photo, in the order of the rows.
    ///
    /// # Errors
    /// Where `out` refuses.
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

    /// The name of a photo's class.
    fn class(&self, photo: &TableRow) -> Option<&str> {
        photo.label.map(|label| self.classes[label].as_str())
    }

    /// Whether the photos have classes.
    fn has_labels(&self) -> bool {
        self.photos.iter().any(|photo| photo.label.is_some())
    }

    /// Whether the photos are in parts.
    fn has_parts(&self) -> bool {
        self.photos.iter().any(|photo| photo.part.is_some())
    }
}
