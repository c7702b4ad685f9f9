//! Decides which folders of a data set are classes and which are parts of a split.
//!
//! The structure decides, and names only tell parts apart: folders without photos of their own
//! whose subfolders have the same names are parts; a folder whose subfolders repeat the names of
//! the folders beside it is none of the classes. If the roles stay unclear, reading fails: a wrong
//! guess would give a classifier of `train` and `test`.

use crate::printable::PathText;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::part_name::Role;
use super::photo_folder::{PhotoFolder, is_partner, listed, quoted, unwrapped};
use super::tree::Tree;
use super::{FolderError, PassedOver};

/// The roles of the folders of a data set.
pub(super) struct Layout<'a> {
    /// The folder that holds the class folders, or photos with the class in their names.
    pub train: &'a Tree,
    /// Folders in `train` that are no classes, with the reason.
    pub not_classes: Vec<PassedOver>,
    /// The validation part.
    pub val: Option<&'a Tree>,
    /// The test part.
    pub test: Option<&'a Tree>,
    /// Folders beside the parts that are not used.
    pub unused: Vec<&'a Tree>,
    /// Whether the training photos are in a folder of their own beside other parts.
    pub is_divided: bool,
}

impl<'a> Layout<'a> {
    /// The layout of the data set in `root`. `known` are the classes of a model, if there is one:
    /// folders with these names are its classes.
    ///
    /// # Errors
    /// If the roles of the folders are not clear.
    pub fn of(root: &'a Tree, known: &[String]) -> Result<Self, FolderError> {
        let top = data_set(root, known);
        let parts: Vec<PhotoFolder> =
            top.photo_folders().into_iter().map(PhotoFolder::of).collect();
        if parts.len() < 2 || parts.iter().all(|part| known.contains(&part.name)) {
            return Ok(Self::plain(top));
        }
        match training_part(top, &parts)? {
            Some(train) => Self::divided(train, &parts),
            None => Self::classes(top, &parts),
        }
    }

    /// All folders in `train` are classes, or the photos have the class in their names.
    pub fn plain(train: &'a Tree) -> Self {
        let (not_classes, unused) = (Vec::new(), Vec::new());
        Self { train, not_classes, val: None, test: None, unused, is_divided: false }
    }

    /// The layout of a folder that the user gave as one part: its folders are the classes.
    pub fn part(root: &'a Tree, known: &[String]) -> Self {
        Self::plain(data_set(root, known))
    }

    /// The roles of the folders in words, with paths below `data`. `None` if they are plain: class
    /// folders, or folders named `train` and `val`. `is_tested` says whether the test part is used.
    pub fn in_words(&self, data: &Path, is_tested: bool) -> Option<String> {
        let below = |tree: &Tree| {
            let path = tree.path.strip_prefix(data).unwrap_or(&tree.path);
            format!("`{}`", path.shown())
        };
        let is_named =
            |tree: &Tree, names: &[&str]| names.iter().any(|name| data.join(name) == tree.path);
        let is_plain = match self.val {
            _ if !self.unused.is_empty() || self.test.is_some() => false,
            Some(val) => {
                is_named(self.train, &["train"]) && is_named(val, &["val", "valid", "validation"])
            }
            None => is_named(self.train, &["", "train"]),
        };
        if is_plain {
            return None;
        }
        let train = match self.train.path == data {
            true => "the class folders".into(),
            false => below(self.train),
        };
        let mut words = match self.val {
            Some(val) => format!("trains on {train}, validates on {}", below(val)),
            None => format!("trains on {train}, validates on a share of it"),
        };
        if let Some(test) = self.test {
            words += &match is_tested {
                true => format!(", tests on {}", below(test)),
                false => format!("; {} is not used", below(test)),
            };
        }
        if let Some(first) = self.unused.first() {
            words += &format!("; {} is not used", below(first));
            if self.unused.len() > 1 {
                words += &format!(", nor {} others", self.unused.len() - 1);
            }
        }
        Some(words)
    }

    fn divided(train: &PhotoFolder<'a>, parts: &[PhotoFolder<'a>]) -> Result<Self, FolderError> {
        let others = || parts.iter().filter(|part| !std::ptr::eq(part.tree, train.tree));
        let is_role =
            |part: &&PhotoFolder, role| part.role == Some(role) && is_partner(train, part);
        let with = |role| sole(others().filter(|part| is_role(part, role)).collect());
        let (mut val, mut test) = (with(Role::Val)?, with(Role::Test)?);
        if let Some(eval) = with(Role::Eval)? {
            let free = if val.is_none() { &mut val } else { &mut test };
            free.get_or_insert(eval);
        }
        // Photos without classes cannot be scored.
        test = test.filter(|test| test.is_divided());
        if let Some(val) = val.filter(|val| !val.is_divided()) {
            return Err(FolderError::Unlabelled {
                folder: val.tree.path.clone(),
                example: val.body.own_photos().next().map(file_name).unwrap_or_default(),
            });
        }
        let used: Vec<&Tree> = val.iter().chain(&test).map(|part| part.tree).collect();
        let is_unused =
            |part: &&PhotoFolder| !used.iter().any(|used| std::ptr::eq(*used, part.tree));
        Ok(Self {
            unused: others().filter(is_unused).map(|part| part.tree).collect(),
            train: train.body,
            not_classes: Vec::new(),
            val: val.map(|part| part.body),
            test: test.map(|part| part.body),
            is_divided: true,
        })
    }

    /// The folders in `top` are classes, but for those that are named or built like parts.
    fn classes(top: &'a Tree, parts: &[PhotoFolder<'a>]) -> Result<Self, FolderError> {
        let names: BTreeSet<String> = parts.iter().map(|part| part.name.clone()).collect();
        let all = || parts.iter().collect::<Vec<_>>();
        let trained = |part: &&PhotoFolder| part.role == Some(Role::Train);
        if parts
            .iter()
            .filter(trained)
            .any(|train| parts.iter().any(|part| part.is_named_beside(train)))
        {
            return Err(unclear(top, &all(), None));
        }
        let mut layout = Self::plain(top);
        let mut classes = Vec::new();
        for part in parts {
            let own_name = usize::from(part.classes.contains(&part.name));
            let repeats = !part.has_own_photos && part.shared_with(&names) - own_name >= 2;
            let named = part.is_named_as_part() && part.role != Some(Role::Train);
            let reason = match (repeats, named) {
                (true, _) => "repeats the class folders beside it, so it is not a class",
                (_, true) => {
                    "is named like a part of a data set, so it is not a class; if it is one, \
                     train with --train and the folder that it is in"
                }
                _ => {
                    classes.push(part);
                    continue;
                }
            };
            match part.role {
                Some(Role::Val | Role::Eval) if repeats && layout.val.is_none() => {
                    layout.val = Some(part.body);
                }
                Some(Role::Test) if repeats && layout.test.is_none() => {
                    layout.test = Some(part.body);
                }
                _ => {}
            }
            let path = part.tree.path.clone();
            layout.not_classes.push(PassedOver { path, reason: reason.into() });
        }
        let repeated = |one: &&&PhotoFolder| {
            classes.iter().any(|other| other.name != one.name && one.repeats(other))
        };
        if let Some(one) = classes.iter().find(repeated) {
            return Err(unclear(top, &classes, Some(one)));
        }
        match classes.len() >= 2 {
            true => Ok(layout),
            false => Err(unclear(top, &all(), None)),
        }
    }
}

/// The training part among the folders of `top`, if they are parts.
///
/// A name alone is no evidence: there may be a class `train`. Another part must be named, or have
/// the same subfolders.
fn training_part<'p, 'a>(
    top: &Tree,
    parts: &'p [PhotoFolder<'a>],
) -> Result<Option<&'p PhotoFolder<'a>>, FolderError> {
    let named: Vec<&PhotoFolder> =
        parts.iter().filter(|part| part.role == Some(Role::Train) && part.is_divided()).collect();
    let alone: Vec<&PhotoFolder> =
        named.iter().filter(|part| part.is_named_as_part()).copied().collect();
    let candidates = if alone.is_empty() { named } else { alone };
    let of_parts: Vec<&PhotoFolder> = candidates
        .iter()
        .filter(|train| parts.iter().any(|part| is_partner(train, part)))
        .copied()
        .collect();
    match of_parts.as_slice() {
        [train] => Ok(Some(train)),
        [] if candidates.iter().all(|part| !part.is_named_as_part()) => Ok(None),
        _ => Err(unclear(top, &parts.iter().collect::<Vec<_>>(), None)),
    }
}

/// The only one of the parts with a role; of several, the only one whose name tells nothing else.
fn sole<'p, 'a>(
    parts: Vec<&'p PhotoFolder<'a>>,
) -> Result<Option<&'p PhotoFolder<'a>>, FolderError> {
    let alone: Vec<&PhotoFolder> =
        parts.iter().filter(|part| part.is_named_as_part()).copied().collect();
    match (parts.as_slice(), alone.as_slice()) {
        ([], _) => Ok(None),
        ([part], _) | (_, [part]) => Ok(Some(part)),
        ([first, ..], _) => {
            let parent = first.tree.path.parent().map(PathBuf::from).unwrap_or_default();
            Err(FolderError::Unclear {
                folder: parent,
                seen: format!("it holds {}", listed(&parts)),
            })
        }
    }
}

/// The folder that holds the classes or the parts: `root`, or what it wraps.
fn data_set<'a>(root: &'a Tree, known: &[String]) -> &'a Tree {
    let mut top = root;
    loop {
        top = unwrapped(top, known);
        let [only] = top.photo_folders()[..] else { return top };
        let part = PhotoFolder::of(only);
        // `train/cat.0.jpg`, or stray photos beside the class folders.
        if known.contains(&part.name) || !part.is_named_as_part() || !part.is_divided() {
            return top;
        }
        top = only;
    }
}

fn unclear(top: &Tree, parts: &[&PhotoFolder], repeated: Option<&PhotoFolder>) -> FolderError {
    let seen = match repeated {
        Some(one) => {
            let like: Vec<&PhotoFolder> = parts
                .iter()
                .filter(|part| part.name == one.name || part.repeats(one))
                .copied()
                .collect();
            let names: Vec<String> = one.classes.iter().cloned().collect();
            format!("{} hold folders of the same names ({})", listed(&like), quoted(&names))
        }
        None => format!("it holds {}", listed(parts)),
    };
    FolderError::Unclear { folder: top.path.clone(), seen }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().shown().to_string()
}
