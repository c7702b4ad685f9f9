//! Class names that a training script saved beside the weights.

use std::collections::VecDeque;

use super::{Id, Node, Pickle};
use crate::weights::ClassNames;

/// How deep a list may lie: mmpretrain's is `meta.dataset_meta.classes`.
const MAX_DEPTH: usize = 2;
/// The most lists that are read.
const MAX_LISTS: usize = 16;
/// The most dictionaries that are searched, in the order of their depth.
const MAX_DICTIONARIES: usize = 1000;

impl Pickle {
    /// The lists of class names in the root dictionary and in those below it, such as Lightning's
    /// `hyper_parameters`. The keys of deeper ones begin with the keys on the way.
    pub(in crate::weights::containers) fn class_names(&self) -> Vec<ClassNames> {
        let mut found = Vec::new();
        let mut open = VecDeque::from([(String::new(), self.root(), 0)]);
        for _ in 0..MAX_DICTIONARIES {
            let Some((path, dictionary, depth)) = open.pop_front() else { break };
            for (key, value) in self.entries(dictionary).unwrap_or_default() {
                let Node::Text(key) = self.node(*key) else { continue };
                if ClassNames::is_key(key)
                    && found.len() < MAX_LISTS
                    && let Some(names) = self.names(*value)
                {
                    let key = if depth > 1 { format!("{path}{key}") } else { key.clone() };
                    found.push(ClassNames { key, names });
                } else if depth < MAX_DEPTH && self.entries(*value).is_some() {
                    open.push_back((format!("{path}{key}."), *value, depth + 1));
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
