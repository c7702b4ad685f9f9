//! Tensor names: the module's own and those of published files.

/// How published files of a network name its tensors: pairs of a part of the module's name and the
/// published name. The head's `fc` layer follows the same rules.
#[derive(Clone, Copy, Debug)]
pub struct Naming(pub(in crate::backbone) &'static [(&'static str, &'static str)]);

impl Naming {
    /// The published name of the module's tensor `name`.
    pub fn published(&self, name: &str) -> String {
        self.0.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
    }

    /// The module's name of the published tensor `name`.
    pub fn module(&self, name: &str) -> String {
        self.0.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(theirs, ours))
    }
}
