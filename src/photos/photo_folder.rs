//! A folder of photos in a data set: its name and its subfolders, which tell classes from parts.

use std::collections::BTreeSet;

use super::folder::class_in_name;
use super::part_name::{Role, role};
use super::tree::Tree;

/// A folder of photos in the data set.
pub(super) struct PhotoFolder<'a> {
    pub tree: &'a Tree,
    pub name: String,
    pub role: Option<Role>,
    /// What else the name says: nothing in `test_set`, `seg` in `seg_test`.
    pub stem: String,
    /// The folder inside that holds the class folders: itself, unless it wraps a single folder.
    pub body: &'a Tree,
    /// The names of its subfolders, or of the classes in the names of its photos.
    pub classes: BTreeSet<String>,
    /// Whether it has photos of its own that are not in a subfolder.
    pub has_own_photos: bool,
}

impl<'a> PhotoFolder<'a> {
    pub fn of(tree: &'a Tree) -> Self {
        let name = tree.name();
        let (role, stem) = match role(&name) {
            Some((role, stem)) => (Some(role), stem),
            None => (None, name.clone()),
        };
        let body = unwrapped(tree, &[]);
        let folders = body.photo_folders();
        let classes = match folders.is_empty() {
            true => body.own_photos().filter_map(class_in_name).map(str::to_owned).collect(),
            false => folders.iter().map(|folder| folder.name()).collect(),
        };
        let has_own_photos = body.own_photos().next().is_some();
        Self { tree, name, role, stem, body, classes, has_own_photos }
    }

    /// Whether it is divided into classes, so that it can be a part.
    pub fn is_divided(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Whether its name says that it is a part, and nothing else.
    pub fn is_named_as_part(&self) -> bool {
        self.role.is_some() && self.stem.is_empty()
    }

    /// Whether `other` is named as another part of the same data: `seg_train` and `seg_test`.
    pub fn is_named_beside(&self, other: &Self) -> bool {
        self.role.is_some()
            && other.role.is_some()
            && self.role != other.role
            && self.stem == other.stem
    }

    pub fn shared_with(&self, names: &BTreeSet<String>) -> usize {
        self.classes.intersection(names).count()
    }

    /// Whether its subfolders repeat those of `other`, and no photo beside them speaks for a class.
    pub fn repeats(&self, other: &Self) -> bool {
        !self.has_own_photos && !other.has_own_photos && self.shared_with(&other.classes) >= 2
    }
}

/// Whether `part` confirms that `train` is the training part, by its name or its subfolders.
pub(super) fn is_partner(train: &PhotoFolder, part: &PhotoFolder) -> bool {
    let is_other = part.name != train.name && part.role.is_some();
    let shares_a_class = part.role != Some(Role::Train) && part.shared_with(&train.classes) >= 1;
    is_other && (part.is_named_beside(train) || part.repeats(train) || shares_a_class)
}

/// What `tree` wraps: as long as it has no photos of its own and one folder of photos, that folder,
/// if it is divided too and not one of the `known` classes.
pub(super) fn unwrapped<'a>(tree: &'a Tree, known: &[String]) -> &'a Tree {
    let mut tree = tree;
    while tree.own_photos().next().is_none()
        && let [only] = tree.photo_folders()[..]
        && (only.own_photos().next().is_none() || only.name() == tree.name())
        && !known.contains(&only.name())
    {
        tree = only;
    }
    tree
}

pub(super) fn listed(parts: &[&PhotoFolder]) -> String {
    quoted(&parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>())
}

/// The first names, each in backquotes, and how many more there are.
pub(super) fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 3;
    const WIDEST: usize = 24;
    let shorter = |name: &String| match name.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("`{}...`", &name[..end]),
        None => format!("`{name}`"),
    };
    let shown: Vec<String> = names.iter().take(SHOWN).map(shorter).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
