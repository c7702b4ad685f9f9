//! Between the names of a module's tensors here and in published files.

/// How a network's published files name its tensors: pairs of what a part of a name is here and
/// there. The head's `fc` layer is named along with it.
#[derive(Clone, Copy, Debug)]
pub struct Naming(pub(super) &'static [(&'static str, &'static str)]);

impl Naming {
    /// The published name of what is called `name` here.
    pub fn published(&self, name: &str) -> String {
        self.0.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
    }

    /// The name here of what is published as `name`.
    pub fn module(&self, name: &str) -> String {
        self.0.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(theirs, ours))
    }
}
