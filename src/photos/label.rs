//! The label of a photo: one class, or the set of classes that it shows.

use super::LabelSet;

/// One class of a photo, or several: an index into the classes, or a [`LabelSet`].
pub trait Label: Clone + Ord + Send + Sync + 'static {
    /// Whether a photo may have several classes, or none.
    const IS_SET: bool;

    /// The label with these classes, ascending. `None` if it cannot hold so many.
    fn of(classes: &[usize]) -> Option<Self>;

    /// The classes, ascending.
    fn classes(&self) -> &[usize];
}

impl Label for usize {
    const IS_SET: bool = false;

    fn of(classes: &[usize]) -> Option<Self> {
        match classes {
            [class] => Some(*class),
            _ => None,
        }
    }

    fn classes(&self) -> &[usize] {
        std::slice::from_ref(self)
    }
}

impl Label for LabelSet {
    const IS_SET: bool = true;

    fn of(classes: &[usize]) -> Option<Self> {
        Some(classes.to_vec())
    }

    fn classes(&self) -> &[usize] {
        self
    }
}
