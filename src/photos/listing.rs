//! Lists all photos of a data set, with their classes if they are known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::folder::read_tree;
use super::layout::Layout;
use super::part_name::{Role, role};
use super::tree::Tree;
use super::{FolderError, PassedOver, PhotoSet, Table, TableRow, Walked};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Photos to train on.
    Train,
    /// Photos to validate on.
    Val,
    /// Photos to test the finished model on, once.
    Test,
}

impl Part {
    /// Every part, in the order of their use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// Name of the part, as in folder names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The part that a text names, such as `val` or `validation`. `None` if it names none.
    pub fn of_text(text: &str) -> Option<Self> {
        let (role, rest) = role(text.trim())?;
        Self::of_role(role).filter(|_| rest.is_empty())
    }

    /// The part with this role. `None` if photos with it are in no part.
    pub(super) fn of_role(role: Role) -> Option<Self> {
        match role {
            Role::Train => Some(Self::Train),
            Role::Val | Role::Eval => Some(Self::Val),
            Role::Test => Some(Self::Test),
            Role::Unlabelled => None,
        }
    }
}

/// A photo with the class and part that its path gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPhoto {
    /// Path of the file.
    pub path: PathBuf,
    /// Index into the classes, if the photos have classes.
    pub label: Option<usize>,
    /// The part that it is in, if the data is divided into parts.
    pub part: Option<Part>,
}

/// A list of photos: either all of them have a class, or none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Class names in byte order; labels are indices into them. Empty if the photos have no class.
    pub classes: Vec<String>,
    /// The photos: training photos first, then sorted by class, then by path.
    pub photos: Vec<ListedPhoto>,
    /// Files and folders that were skipped, with the reason.
    pub passed_over: Vec<PassedOver>,
}

/// Lists the photos of `data`.
///
/// If `data` has train and val folders, these are the photos in them. Otherwise they are the photos
/// in its class folders, or those with the class in their names. Otherwise, and if it is not clear
/// which folders are classes, they are all photos under `data`, without classes. If `data` is a
/// file, it is the only photo and has no class.
///
/// # Errors
/// If there are no photos, a class folder is empty, or a file or folder cannot be read.
pub fn every_photo(data: &Path) -> Result<Listing, FolderError> {
    // If the path is neither a file nor a folder, the decoder reports it.
    if data.exists() && !data.is_dir() {
        let photo = ListedPhoto { path: data.to_owned(), label: None, part: None };
        return Ok(Listing { photos: vec![photo], ..Listing::default() });
    }
    let tree = read_tree(data)?;
    let layout = match Layout::of(&tree, &[]) {
        Ok(layout) => layout,
        Err(FolderError::Unclear { .. }) => return unlabelled(&tree),
        Err(error) => return Err(error),
    };
    let unused: Vec<&Tree> = layout.unused.iter().chain(&layout.test).copied().collect();
    let train = PhotoSet::of(layout.train, layout.not_classes);
    let mut listing = match (train, layout.val) {
        (Err(FolderError::Unlabelled { .. }), None) => return unlabelled(&tree),
        (train, None) if !layout.is_divided => labelled(vec![(None, train?)]),
        (train, None) => labelled(vec![(Some(Part::Train), train?)]),
        (train, Some(val)) => {
            let val = PhotoSet::of_part(val, &[])?;
            labelled(vec![(Some(Part::Train), train?), (Some(Part::Val), val)])
        }
    };
    let reason = "is next to the train and val folders and is not read; pass it separately";
    let known: Vec<PathBuf> =
        listing.passed_over.iter().map(|passed_over| passed_over.path.clone()).collect();
    let unused = unused.into_iter().map(|folder| folder.path.clone());
    let unused = unused.filter(|path| known.iter().all(|known| !path.starts_with(known)));
    listing.passed_over.extend(unused.map(|path| PassedOver { path, reason: reason.into() }));
    Ok(listing)
}

impl Listing {
    /// The photos of a table. Several labels of a photo become one class, with `|` between them.
    pub fn of_table(table: &Table) -> Self {
        let name = |row: &TableRow| -> String {
            let names = row.labels.iter().map(|label| table.classes[*label].as_str());
            names.collect::<Vec<_>>().join("|")
        };
        let classes: BTreeSet<String> = match table.classes.is_empty() {
            true => BTreeSet::new(),
            false => table.rows.iter().map(name).collect(),
        };
        let classes: Vec<String> = classes.into_iter().collect();
        let photo = |row: &TableRow| ListedPhoto {
            path: row.path.clone(),
            label: classes.binary_search(&name(row)).ok(),
            part: row.part,
        };
        let mut photos: Vec<ListedPhoto> = table.rows.iter().map(photo).collect();
        photos.sort_by(|one, other| {
            (one.part, one.label, &one.path).cmp(&(other.part, other.label, &other.path))
        });
        Self { photos, classes, passed_over: table.passed_over.clone() }
    }
}

/// Merges several sets; the classes are the union of their classes.
fn labelled(sets: Vec<(Option<Part>, PhotoSet)>) -> Listing {
    let mut classes: Vec<String> =
        sets.iter().flat_map(|(_, set)| set.classes.iter().cloned()).collect();
    classes.sort();
    classes.dedup();
    let mut listing = Listing { classes, ..Listing::default() };
    for (part, set) in sets {
        let labels: Vec<Option<usize>> = set
            .classes
            .iter()
            .map(|class| listing.classes.iter().position(|known| known == class))
            .collect();
        listing.photos.extend(set.photos.into_iter().map(|photo| ListedPhoto {
            path: photo.path,
            label: labels[photo.label],
            part,
        }));
        listing.passed_over.extend(set.passed_over);
    }
    listing
}

fn unlabelled(tree: &Tree) -> Result<Listing, FolderError> {
    let mut walked = Walked::of(tree);
    if let Some(unreadable) = walked.unreadable.pop() {
        return Err(FolderError::Unreadable(unreadable));
    }
    let passed_over = walked.skipped().cloned().collect();
    let photo = |path| ListedPhoto { path, label: None, part: None };
    let photos = walked.photos.into_iter().map(photo).collect();
    Ok(Listing { photos, passed_over, ..Listing::default() })
}
