//! Class names that a training script saved beside the weights.

use super::{Id, Node, Pickle};
use crate::weights::ClassNames;

impl Pickle {
    /// The lists of class names in the root dictionary and in the dictionaries right below it, such
    /// as Lightning's `hyper_parameters`.
    pub(in crate::weights::containers) fn class_names(&self) -> Vec<ClassNames> {
        let mut found = Vec::new();
        let below = self.entries(self.root()).unwrap_or_default().iter().map(|(_, value)| *value);
        for dictionary in std::iter::once(self.root()).chain(below) {
            for (key, value) in self.entries(dictionary).unwrap_or_default() {
                let Node::Text(key) = self.node(*key) else { continue };
                if ClassNames::is_key(key)
                    && let Some(names) = self.names(*value)
                {
                    found.push(ClassNames { key: key.clone(), names });
                }
            }
        }
        found
    }

    /// Reads `["cat", "dog"]`, `{"cat": 0, "dog": 1}` and `{0: "cat", 1: "dog"}`.
    fn names(&self, id: Id) -> Option<Vec<String>> {
        let name = |id: Id| match self.node(id) {
            Node::Text(name) => Some(name.clone()),
            _ => None,
        };
        if let Some(entries) = self.sequence(id) {
            return entries.iter().map(|entry| name(*entry)).collect();
        }
        let Node::Dict(entries) = self.node(id) else { return None };
        let mut names = vec![None; entries.len()];
        for (key, value) in entries {
            let (index, name) = match (self.node(*key), self.node(*value)) {
                (Node::Text(name), Node::Int(index)) => (*index, name),
                (Node::Int(index), Node::Text(name)) => (*index, name),
                (Node::Text(index), Node::Text(name)) => (index.parse().ok()?, name),
                _ => return None,
            };
            *names.get_mut(usize::try_from(index).ok()?)? = Some(name.clone());
        }
        names.into_iter().collect()
    }
}
