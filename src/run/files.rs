//! Reads the files of a run folder and checks that they belong together.
//!
//! Every command that opens a run does so through [`RunFiles::read`].

use std::path::{Path, PathBuf};

use super::{CLASSES_FILE, CONFIG_FILE, MODEL_FILE, ModelError, RunConfig, SUMMARY_FILE, Summary};
use crate::backbone::Architecture;
use crate::photos::Preprocessing;
use crate::printable::shortened;
use crate::regular_file;
use crate::weights::{Checkpoint, Description};

/// The files of a run that a model is made of. They agree with each other.
pub(super) struct RunFiles {
    pub(super) config: RunConfig,
    pub(super) architecture: Architecture,
    pub(super) preprocessing: Preprocessing,
    pub(super) checkpoint: Checkpoint,
    pub(super) classes: ClassList,
    /// The metadata of the model file. Absent in older runs.
    pub(super) description: Option<Description>,
}

/// The class names in a `classes.txt`.
pub(super) struct ClassList {
    file: PathBuf,
    names: Vec<String>,
}

/// The most characters of a class name in an error.
const LONGEST_NAME: usize = 30;

impl RunFiles {
    /// Reads `config.toml`, `classes.txt` and `model.safetensors`, and compares the classes, the
    /// architecture and the preprocessing in them and in `summary.json`. The model of an older run
    /// has no metadata, and then only the shapes of its tensors are compared.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the files are from different runs.
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
        for missing in [CONFIG_FILE, CLASSES_FILE, MODEL_FILE] {
            if !folder.join(missing).is_file() {
                return Err(ModelError::NotARun { folder: folder.to_owned(), missing });
            }
        }
        let config_file = folder.join(CONFIG_FILE);
        let mut config = RunConfig::parse(&config_file, &read_text(&config_file)?)?;
        config.folder = Some(folder.to_owned());
        let architecture: Architecture = config
            .backbone
            .parse()
            .map_err(|error| ModelError::Backbone(config_file.clone(), error))?;
        let preprocessing = config
            .preprocessing
            .check()
            .map_err(|error| ModelError::InvalidPreprocessing(config_file.clone(), error))?;
        let model_file = folder.join(MODEL_FILE);
        let checkpoint = Checkpoint::open(&model_file)?;
        let classes = ClassList::read(&folder.join(CLASSES_FILE))?;
        let description = Description::read(checkpoint.metadata())
            .map_err(|error| ModelError::Description(model_file, error))?;
        let files = Self { config, architecture, preprocessing, checkpoint, classes, description };
        let summary = folder.join(SUMMARY_FILE);
        let summary = match summary.is_file() {
            true => serde_json::from_str::<Summary>(&read_text(&summary)?).ok(),
            false => None,
        };
        match files.difference(summary.as_ref()) {
            Some(difference) => Err(ModelError::Mixed { folder: folder.to_owned(), difference }),
            None => Ok(files),
        }
    }

    /// How two of the files differ.
    fn difference(&self, summary: Option<&Summary>) -> Option<String> {
        let names = &self.classes.names;
        if let Some(Description { backbone, classes, preprocessing, .. }) = &self.description {
            let architecture = self.architecture.to_string();
            if *backbone != architecture {
                return Some(format!(
                    "{MODEL_FILE} holds {backbone}, and {CONFIG_FILE} names {architecture}"
                ));
            }
            if let Some(difference) = differing(MODEL_FILE, classes, names) {
                return Some(difference);
            }
            if *preprocessing != self.preprocessing {
                return Some(format!(
                    "{MODEL_FILE} and {CONFIG_FILE} have different preprocessing"
                ));
            }
        }
        if let Some(difference) =
            summary.and_then(|summary| differing(SUMMARY_FILE, &summary.classes, names))
        {
            return Some(difference);
        }
        let trained_on = self.config.data.trained_on.as_ref().map(Vec::len);
        trained_on.filter(|count| *count != names.len()).map(|count| {
            format!(
                "{CONFIG_FILE} records {count} classes, and {CLASSES_FILE} names {}",
                names.len()
            )
        })
    }
}

/// How the classes in the file `other` differ from those in `classes.txt`.
fn differing(other: &str, theirs: &[String], listed: &[String]) -> Option<String> {
    if theirs.len() != listed.len() {
        let (theirs, listed) = (theirs.len(), listed.len());
        return Some(format!(
            "{CLASSES_FILE} names {listed} classes and the model has {theirs} ({other})"
        ));
    }
    let at = theirs.iter().zip(listed).position(|(theirs, listed)| theirs != listed)?;
    let short = |name: &str| shortened(name, LONGEST_NAME);
    Some(format!(
        "class {} is `{}` in {other} and `{}` in {CLASSES_FILE}",
        at + 1,
        short(&theirs[at]),
        short(&listed[at])
    ))
}

impl ClassList {
    /// Reads a `classes.txt`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self, ModelError> {
        let text = read_text(file)?;
        // Editors on Windows put a byte order mark before the first name.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Self { file: file.to_owned(), names: text.lines().map(str::to_owned).collect() })
    }

    /// The names for a head with that many logits.
    ///
    /// # Errors
    /// If there are more or fewer names.
    pub(super) fn for_logits(self, classes: usize) -> Result<Vec<String>, ModelError> {
        let Self { file, names } = self;
        match names.len() == classes {
            true => Ok(names),
            false => Err(ModelError::ClassCount { file, names: names.len(), classes }),
        }
    }
}

fn read_text(file: &Path) -> Result<String, ModelError> {
    regular_file::read_text(file).map_err(|error| ModelError::Read(file.to_owned(), error))
}
