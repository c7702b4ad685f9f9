//! Lists all photos of a data set, with their classes if they are known.

use std::path::{Path, PathBuf};

use super::folder::{training_part, validation_part};
use super::walk::entries;
use super::{FolderError, PassedOver, PhotoSet, walk};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Photos to train on.
    Train,
    /// Photos to validate on.
    Val,
}

impl Part {
    /// Name of the part, as in folder names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
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
/// in its class folders, or those with the class in their names. Otherwise they are all photos
/// under `data`, without classes. If `data` is a file, it is the only photo and has no class.
///
/// # Errors
/// If there are no photos, a class folder is empty, or a file or folder cannot be read.
pub fn every_photo(data: &Path) -> Result<Listing, FolderError> {
    // If the path is neither a file nor a folder, the decoder reports it.
    if data.exists() && !data.is_dir() {
        let photo = ListedPhoto { path: data.to_owned(), label: None, part: None };
        return Ok(Listing { photos: vec![photo], ..Listing::default() });
    }
    let parts = [(Part::Train, training_part(data)), (Part::Val, validation_part(data))];
    let parts: Vec<(Part, PathBuf)> = parts
        .into_iter()
        .filter_map(|(part, folder)| folder.map(|folder| (part, folder)))
        .collect();
    if parts.is_empty() {
        return match PhotoSet::read(data) {
            Ok(set) => Ok(labelled(vec![(None, set)])),
            Err(FolderError::Unlabelled { .. }) => unlabelled(data),
            Err(error) => Err(error),
        };
    }
    let (folders, _) = entries(data).map_err(|error| FolderError::Open(data.to_owned(), error))?;
    let unused = folders.into_iter().filter(|folder| parts.iter().all(|(_, part)| part != folder));
    let reason = "is next to the train and val folders and is not read; pass it separately";
    let unused: Vec<PassedOver> =
        unused.map(|path| PassedOver { path, reason: reason.into() }).collect();
    let sets = parts
        .into_iter()
        .map(|(part, folder)| Ok((Some(part), PhotoSet::read(&folder)?)))
        .collect::<Result<_, FolderError>>()?;
    let mut listing = labelled(sets);
    listing.passed_over.extend(unused);
    Ok(listing)
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

fn unlabelled(folder: &Path) -> Result<Listing, FolderError> {
    let mut walked = walk(folder);
    if let Some(unreadable) = walked.unreadable.pop() {
        return Err(FolderError::Unreadable(unreadable));
    }
    let photo = |path| ListedPhoto { path, label: None, part: None };
    let photos = walked.photos.into_iter().map(photo).collect();
    Ok(Listing { photos, passed_over: walked.passed_over, ..Listing::default() })
}
