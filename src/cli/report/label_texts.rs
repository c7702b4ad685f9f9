//! Label sets in words, each as a class of its own: two copies of a photo contradict each other if
//! their sets differ in any class.

use std::collections::HashMap;

use kindling::photos::{LabelSet, LabelledPhoto};
use kindling::report::ReportPhoto;

/// The text of a photo that shows none of the classes.
const NONE: &str = "none";

/// The distinct label sets.
pub struct LabelTexts<'a> {
    classes: &'a [String],
    texts: Vec<String>,
    known: HashMap<LabelSet, usize>,
}

impl<'a> LabelTexts<'a> {
    /// No sets yet, of these classes.
    pub fn new(classes: &'a [String]) -> Self {
        Self { classes, texts: Vec::new(), known: HashMap::new() }
    }

    fn index(&mut self, labels: &LabelSet) -> usize {
        if let Some(index) = self.known.get(labels) {
            return *index;
        }
        let names: Vec<&str> = labels.iter().map(|class| self.classes[*class].as_str()).collect();
        self.texts.push(if names.is_empty() { NONE.to_owned() } else { names.join(", ") });
        self.known.insert(labels.clone(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    /// The photos with the index of their set.
    pub fn labelled(&mut self, photos: &[LabelledPhoto<LabelSet>]) -> Vec<LabelledPhoto> {
        let photos = photos.iter();
        photos
            .map(|photo| LabelledPhoto {
                path: photo.path.clone(),
                label: self.index(&photo.label),
                group: photo.group,
            })
            .collect()
    }

    /// Photos of a report with the index of their set.
    pub fn evaluated<'p>(&mut self, photos: &[ReportPhoto<'p, LabelSet>]) -> Vec<ReportPhoto<'p>> {
        let photos = photos.iter();
        photos
            .map(|photo| ReportPhoto {
                path: photo.path,
                label: self.index(&photo.label),
                size: photo.size,
            })
            .collect()
    }

    /// The sets in words, in the order of their indices.
    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }

    /// The sets in words, in the order of their indices.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_text() {
        let classes = ["cat", "dog"].map(String::from);
        let mut texts = LabelTexts::new(&classes);
        let photo = |label: LabelSet| LabelledPhoto { path: "x".into(), label, group: None };
        let labelled =
            texts.labelled(&[photo(vec![0, 1]), photo(vec![]), photo(vec![0, 1]), photo(vec![1])]);
        let indices: Vec<usize> = labelled.iter().map(|photo| photo.label).collect();
        assert_eq!(indices, [0, 1, 0, 2]);
        assert_eq!(texts.into_texts(), ["cat, dog", "none", "dog"]);
    }
}
