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

/// Another way in which programs name a family's tensors.
#[derive(Clone, Copy, Debug)]
pub struct OtherNaming {
    /// Who names them so.
    pub program: &'static str,
    /// The name of a tensor that every such file has.
    pub anchor: &'static str,
    /// The published name of a tensor. `None` if the tensor is not part of the network.
    pub published: fn(&str) -> Option<String>,
}
