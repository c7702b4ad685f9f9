//! Features that lie in several files, as one table.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::{FeatureTable, FeatureTableError, TableFormat, TableRow, read_into};
use crate::photos::{MAX_CLASSES, Part, PassedOver, Table, TableRow as PhotoRow};
use crate::{FeatureRows, RowWriter};

/// The entry of the metadata that identifies the weights and the preprocessing.
const MODEL: &str = "model";

impl FeatureTable<FeatureRows> {
    /// Reads tables of one model: files, and folders of them. A folder that `kindling embed` has
    /// written shards into has the features of every shard. The features are in `rows`.
    ///
    /// # Errors
    /// If a file cannot be read or is damaged, or two of them are of different models.
    pub fn read_all(paths: &[PathBuf], mut rows: RowWriter) -> Result<Self, FeatureTableError> {
        let mut files = Vec::new();
        for path in paths {
            files.extend(files_of(path)?);
        }
        let mut joined: Option<(PathBuf, FeatureTable<()>)> = None;
        // Files of shards without photos.
        let mut empty: Option<PathBuf> = None;
        for file in files {
            let table = read_into(&file, &mut rows)?;
            if table.photos.is_empty() {
                empty.get_or_insert(file);
                continue;
            }
            match &mut joined {
                None => joined = Some((file, table)),
                Some((first, joined)) => joined.append(first, table, file)?,
            }
        }
        let (_, table) = joined.ok_or_else(|| match empty {
            Some(file) => FeatureTableError::Damaged(file, "it has no features".into()),
            None => FeatureTableError::Unknown(paths.first().cloned().unwrap_or_default()),
        })?;
        Ok(table.with_features(rows.finish()?))
    }
}

impl<R> FeatureTable<R> {
    /// Identifies the weights and the preprocessing that computed the features, as
    /// [`Extractor::model_fingerprint`](crate::features::Extractor::model_fingerprint) does. `None`
    /// if the file does not say.
    pub fn model(&self) -> Option<&str> {
        self.metadata.get(MODEL).map(String::as_str)
    }

    /// The same with this [`model`](Self::model).
    #[must_use]
    pub fn with_model(mut self, model: String) -> Self {
        self.metadata.insert(MODEL.into(), model);
        self
    }

    /// The photos as a table of labelled ones; `path` is the file that messages name. Photos
    /// without a label are passed over, and, if others have one, photos without a part.
    ///
    /// # Errors
    /// If no photo has a label, two rows of one contradict each other, or there are too many
    /// classes.
    pub fn labelled_photos(&self, path: &Path) -> Result<Table, FeatureTableError> {
        if !self.has_labels() {
            return Err(FeatureTableError::NoLabels(path.to_owned()));
        }
        if self.classes.len() > MAX_CLASSES {
            let (path, classes) = (path.to_owned(), self.classes.len());
            return Err(FeatureTableError::TooManyClasses { path, classes });
        }
        // Paths that differ in `//` or `/./` are the same photo.
        let mut seen: HashMap<PathBuf, &TableRow> = HashMap::with_capacity(self.photos.len());
        let has_parts = self.has_parts();
        let (mut rows, mut passed_over) = (Vec::new(), Vec::new());
        for (line, photo) in (1..).zip(&self.photos) {
            let part = photo.part.and_then(Part::of_text);
            let known = seen.entry(photo.path()).or_insert(photo);
            if (known.label, known.part) != (photo.label, photo.part) {
                return Err(FeatureTableError::Twice(photo.path.clone()));
            }
            let reason = match photo.label {
                _ if !std::ptr::eq(*known, photo) => "is in two rows; the first one counts",
                None => "has no label",
                Some(_) if has_parts && part.is_none() => "has no part",
                Some(label) => {
                    let (path, labels) = (photo.path(), vec![label]);
                    rows.push(PhotoRow { path, labels, part, group: None, line });
                    continue;
                }
            };
            passed_over.push(PassedOver { path: photo.path(), reason: reason.into() });
        }
        let (path, classes) = (path.to_owned(), self.classes.clone());
        Ok(Table { path, classes, rows, passed_over, ..Table::default() })
    }
}

impl FeatureTable<()> {
    /// Adds the photos of another table. Labels become indices into the classes of both.
    fn append(
        &mut self,
        first: &Path,
        other: Self,
        second: PathBuf,
    ) -> Result<(), FeatureTableError> {
        let mixed = |what, one: String, other: String| {
            let (first, second) = (first.to_owned(), second.clone());
            Err(FeatureTableError::Mixed { what, first, one, second, other })
        };
        if self.width != other.width {
            return mixed("width", self.width.to_string(), other.width.to_string());
        }
        if self.backbone != other.backbone {
            let named = |name: &str| if name.is_empty() { "none".into() } else { name.to_owned() };
            return mixed("network", named(&self.backbone), named(&other.backbone));
        }
        if self.model() != other.model() {
            let short = |table: &Self| {
                table.model().map_or("none".into(), |name| name.chars().take(12).collect())
            };
            return mixed("model or preprocessing", short(self), short(&other));
        }
        let classes: BTreeSet<&String> = self.classes.iter().chain(&other.classes).collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let place = |class: &String| classes.binary_search(class).unwrap_or_default();
        let places: [Vec<usize>; 2] =
            [&self.classes, &other.classes].map(|names| names.iter().map(place).collect());
        let (own, more) = (self.photos.iter_mut(), &mut other.photos.clone());
        own.for_each(|photo| photo.label = photo.label.map(|label| places[0][label]));
        more.iter_mut().for_each(|photo| photo.label = photo.label.map(|it| places[1][it]));
        self.photos.append(more);
        self.classes = classes;
        Ok(())
    }
}

/// The files that `path` stands for.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, FeatureTableError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    #[cfg(feature = "parquet")]
    if path.join(crate::features::shards::MANIFEST_FILE).exists() {
        return files_of_shards(path);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| FeatureTableError::Read(path.to_owned(), error))?;
    let files = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| TableFormat::of_file(file).is_some() && !file.is_dir()).collect();
    files.sort();
    match files.is_empty() {
        true => Err(FeatureTableError::Unknown(path.to_owned())),
        false => Ok(files),
    }
}

#[cfg(feature = "parquet")]
fn files_of_shards(path: &Path) -> Result<Vec<PathBuf>, FeatureTableError> {
    use crate::features::shards::ShardFolder;
    let folder = ShardFolder::open(path)?;
    let file = |shard: &String| {
        let file = folder.output(shard);
        match file.exists() {
            true => Ok(file),
            false => Err(FeatureTableError::MissingShard {
                folder: path.to_owned(),
                shard: shard.clone(),
            }),
        }
    };
    folder.shards().iter().map(file).collect()
}
