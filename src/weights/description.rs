//! What a model file says about itself besides its tensors, so that it is of use away from its run.

use std::collections::BTreeMap;

use crate::backbone::Architecture;
use crate::photos::{Recipe, RecipeError};

/// Key of the backbone's name.
const BACKBONE: &str = "backbone";
/// Key of the class names: a JSON array of strings, in the order of the logits.
const CLASSES: &str = "classes";
/// Key of the preprocessing: a [`Recipe`] as a JSON object.
const PREPROCESSING: &str = "preprocessing";

/// The network's name, what its logits stand for, and how it wants its photos.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The backbone's name.
    pub backbone: String,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// How photos are made ready.
    pub recipe: Recipe,
}

/// Why a model file's description of itself cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The class names are no list of texts.
    #[error("its class names are no JSON array of strings: {0}")]
    Classes(serde_json::Error),
    /// The preprocessing is none.
    #[error("its preprocessing is no JSON object of resize, filter, crop, mean and std: {0}")]
    Preprocessing(serde_json::Error),
    /// The preprocessing cannot be followed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The names and the logits do not agree.
    #[error("it names {names} classes and its fc layer has {logits}")]
    ClassCount {
        /// How many are named.
        names: usize,
        /// How many logits there are.
        logits: usize,
    },
    /// It is another network.
    #[error("it says that it holds {said}, and its tensors are those of {found}")]
    Backbone {
        /// What it says.
        said: String,
        /// What it holds.
        found: String,
    },
}

impl Description {
    /// As the texts that formats keep under names.
    pub fn entries(&self) -> BTreeMap<String, String> {
        let json = |value: serde_json::Result<String>| value.expect("texts and finite numbers");
        BTreeMap::from([
            (BACKBONE.to_owned(), self.backbone.clone()),
            (CLASSES.to_owned(), json(serde_json::to_string(&self.classes))),
            (PREPROCESSING.to_owned(), json(serde_json::to_string(&self.recipe))),
        ])
    }

    /// Reads a file's entries: nothing where they are not all three there, as in other programs' files.
    ///
    /// # Errors
    /// Where they are there and one of them cannot be used.
    pub fn read(entries: &BTreeMap<String, String>) -> Result<Option<Self>, DescriptionError> {
        let [Some(backbone), Some(classes), Some(preprocessing)] =
            [BACKBONE, CLASSES, PREPROCESSING].map(|key| entries.get(key))
        else {
            return Ok(None);
        };
        let recipe: Recipe =
            serde_json::from_str(preprocessing).map_err(DescriptionError::Preprocessing)?;
        Ok(Some(Self {
            backbone: backbone.clone(),
            classes: serde_json::from_str(classes).map_err(DescriptionError::Classes)?,
            recipe: recipe.check()?,
        }))
    }

    /// The same, where it describes a network of this architecture.
    ///
    /// # Errors
    /// Where it names another one.
    pub fn of(self, architecture: &Architecture) -> Result<Self, DescriptionError> {
        let found = architecture.to_string();
        match self.backbone == found {
            true => Ok(self),
            false => Err(DescriptionError::Backbone { said: self.backbone, found }),
        }
    }

    /// The same, where it has a name for each of so many logits.
    ///
    /// # Errors
    /// Where it has not.
    pub fn with_logits(self, logits: usize) -> Result<Self, DescriptionError> {
        match self.classes.len() {
            names if names == logits => Ok(self),
            names => Err(DescriptionError::ClassCount { names, logits }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            backbone: "resnet18-w4".into(),
            classes: vec!["cat".into(), "a \"b\"\n<é>".into()],
            recipe: Recipe::IMAGENET,
        }
    }

    #[test]
    fn a_description_reads_back_as_itself() {
        let read = Description::read(&description().entries()).unwrap().unwrap();
        assert_eq!(read, description());
        let entries = description().entries();
        assert!(entries["preprocessing"].contains("\"mean\":[0.485,0.456,0.406]"), "{entries:?}");
    }

    #[test]
    fn another_programs_entries_are_no_description() {
        let entries = BTreeMap::from([("classes".to_owned(), "two".to_owned())]);
        assert_eq!(Description::read(&entries).unwrap(), None);
    }

    #[test]
    fn a_description_that_cannot_be_used_says_why() {
        let told = |key: &str, value: &str| {
            let mut entries = description().entries();
            entries.insert(key.into(), value.into());
            Description::read(&entries).unwrap_err().to_string()
        };
        assert!(told("classes", "[1, 2]").contains("class names are no JSON array of strings"));
        assert!(told("preprocessing", "{}").contains("its preprocessing is no JSON object"));
        let crop = description().entries()["preprocessing"].replace("224", "0");
        assert!(told("preprocessing", &crop).contains("cannot be followed"));
        let architecture = "resnet18".parse().unwrap();
        let told = description().of(&architecture).unwrap_err().to_string();
        assert!(
            told.contains("holds resnet18-w4, and its tensors are those of resnet18"),
            "{told}"
        );
        let told = description().with_logits(3).unwrap_err().to_string();
        assert!(told.contains("names 2 classes and its fc layer has 3"), "{told}");
    }
}
