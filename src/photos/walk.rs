//! Walks folders: collects the photos, and the other files with the reason they are skipped.

use std::path::{Path, PathBuf};

use super::tree::{File, Kind, LINK_TO_PARENT, NOT_A_PICTURE, Tree};

/// A file or folder that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Path of the file or folder.
    pub path: PathBuf,
    /// Why it was skipped, as a predicate: `it {reason}` is a sentence.
    pub reason: String,
}

impl PassedOver {
    /// The reason of files that are no pictures by their first bytes: text, tables, weights.
    pub const NOT_A_PICTURE: &str = NOT_A_PICTURE;
    /// How the reasons of rows of a table begin. They are all reported by
    /// [`Table::warnings`](super::Table::warnings).
    pub const ROW: &str = "is in a row that is not used: ";
}

/// Result of walking a folder.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Photos: files with a name suffix of a format that is read, and other files whose first bytes
    /// are those of such a format. In byte order.
    pub photos: Vec<PathBuf>,
    /// Photos that cannot be used, and what may be photos: pictures in formats that are not read,
    /// links to nothing, pipes and devices, files that cannot be opened.
    pub unusable: Vec<PassedOver>,
    /// Other files, and symbolic links to a parent folder.
    pub passed_over: Vec<PassedOver>,
    /// Folders that could not be read.
    pub unreadable: Vec<PassedOver>,
}

/// Walks everything under `folder`, without hidden files and folders. Symbolic links are followed,
/// except links to a folder above: photos there belong to other classes.
pub fn walk(folder: &Path) -> Walked {
    match Tree::read(folder) {
        Ok(tree) => Walked::of(&tree),
        Err(error) => {
            let reason = format!("cannot be read: {error}");
            let unreadable = vec![PassedOver { path: folder.to_owned(), reason }];
            Walked { unreadable, ..Walked::default() }
        }
    }
}

/// The files directly in `tree` that are skipped: those that are no pictures or cannot be used, and
/// all photos too if there is a reason for them.
pub(super) fn passed_over_in(tree: &Tree, photos: Option<&str>) -> Vec<PassedOver> {
    let reason = |kind: &Kind| match kind {
        Kind::Photo => photos.map(str::to_owned),
        Kind::Unusable(reason) => Some(reason.clone()),
        Kind::Other(reason) => Some((*reason).to_owned()),
        Kind::Unknown => None,
    };
    let passed_over = |file: &File| {
        reason(&file.kind).map(|reason| PassedOver { path: file.path.clone(), reason })
    };
    tree.files().filter_map(passed_over).collect()
}

impl Walked {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut walked = Self::default();
        let passed_over =
            |path: &Path, reason: &str| PassedOver { path: path.to_owned(), reason: reason.into() };
        tree.visit(
            &mut |file| match &file.kind {
                Kind::Photo => walked.photos.push(file.path.clone()),
                Kind::Unusable(reason) => walked.unusable.push(passed_over(&file.path, reason)),
                Kind::Other(reason) => walked.passed_over.push(passed_over(&file.path, reason)),
                // `Tree::read` has looked into every file.
                Kind::Unknown => {}
            },
            &mut |folder, reason| walked.unreadable.push(passed_over(folder, reason)),
        );
        // Links to a folder above come last: they are about the layout, not about a file.
        walked.passed_over.sort_by_key(|file| file.reason == LINK_TO_PARENT);
        walked
    }

    /// All photos and what may be photos, in byte order: a row each, for a prediction or an error.
    pub fn candidates(self) -> Vec<PathBuf> {
        let unusable = self.unusable.into_iter().map(|file| file.path);
        let mut candidates: Vec<PathBuf> = self.photos.into_iter().chain(unusable).collect();
        candidates.sort();
        candidates
    }

    /// All files that are skipped, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = &PassedOver> {
        self.unusable.iter().chain(&self.passed_over)
    }
}
