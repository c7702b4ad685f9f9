//! What a run records of its split: `split.csv`, and photos that are nearly the same in two parts.

use serde::{Deserialize, Serialize};

use super::{CLASSES_FILE, DataRecord, RunConfig, SPLIT_FILE, SplitError};
use crate::photos::{Label, Split};
use crate::regular_file;

/// Photos that are nearly the same, by their features, and were not on the same side of the split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NearDuplicates {
    /// Similarity from which photos count as nearly the same.
    pub threshold: f32,
    /// Number of validation photos that are nearly the same as a training photo.
    pub val_photos: usize,
    /// Number of test photos that are nearly the same as a training or validation photo.
    pub test_photos: usize,
    /// Whether they were put on one side before the training: `--split-duplicates together`.
    pub together: bool,
    /// The first of them: the validation or test photo, the photo that it is nearly the same as,
    /// and the similarity.
    pub examples: Vec<(String, String, f32)>,
}

impl RunConfig {
    /// The split that the run's [`split.csv`](SPLIT_FILE) lists, with labels of any kind.
    ///
    /// # Errors
    /// If the run has no such file, or another one than it was written with.
    pub fn recorded_split<L: Label>(&self) -> Result<Split<L>, SplitError> {
        let DataRecord { folder: data, split_file, split_sha256, val_folder, test_folder, .. } =
            &self.data;
        let (Some(folder), Some(_)) = (&self.folder, split_file) else {
            return Err(SplitError::NotRecorded(data.clone()));
        };
        let file = folder.join(SPLIT_FILE);
        let faulty = |reason: String| SplitError::File { file: file.clone(), reason };
        let read = |name| regular_file::read_text(&folder.join(name));
        let text = read(SPLIT_FILE).map_err(|error| faulty(error.to_string()))?;
        let classes = read(CLASSES_FILE).map_err(|error| faulty(error.to_string()))?;
        let classes = classes.lines().map(str::to_owned).collect();
        let split = Split::read_csv(&text, classes).map_err(faulty)?;
        let (val_folder, test_folder) = (val_folder.clone(), test_folder.clone());
        let split = Split { val_folder, test_folder, ..split };
        match split_sha256.as_ref() == Some(&split.digest(data)) {
            true => Ok(split),
            false => Err(faulty("it was edited".into())),
        }
    }
}
