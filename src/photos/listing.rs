//! Every photo that there is, with its class where that can be told.

use std::path::{Path, PathBuf};

use super::folder::{training_part, validation_part};
use super::walk::entries;
use super::{FolderError, PassedOver, PhotoSet, walk};

/// Which part of divided data a photo is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To train on.
    Train,
    /// To validate on.
    Val,
}

impl Part {
    /// Its name, as that of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// A photo, and what its place says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPhoto {
    /// Where it is.
    pub path: PathBuf,
    /// Index into the classes.
    pub label: Option<usize>,
    /// The part that it is in, where the data is divided.
    pub part: Option<Part>,
}

/// Photos that may have classes: all of them, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Class names in byte order; a label is an index into them. None where the photos are of no class.
    pub classes: Vec<String>,
    /// The photos: those to train on first, then by class, then by path.
    pub photos: Vec<ListedPhoto>,
    /// What was there and is no photo.
    pub passed_over: Vec<PassedOver>,
}

/// The photos of `data`: those of its train and val parts where it has such; else those of its class
/// folders, or with the class in their names; else all that are under it, of no class. A file is a photo of
/// no class.
///
/// # Errors
/// Where there is no photo, a class folder is empty, or something cannot be looked into.
pub fn every_photo(data: &Path) -> Result<Listing, FolderError> {
    // What is neither is told of by the decoder.
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
    let beside = folders.into_iter().filter(|folder| parts.iter().all(|(_, part)| part != folder));
    let reason = "is beside the train and val folders and not taken: name it by itself";
    let beside: Vec<PassedOver> =
        beside.map(|path| PassedOver { path, reason: reason.into() }).collect();
    let sets = parts
        .into_iter()
        .map(|(part, folder)| Ok((Some(part), PhotoSet::read(&folder)?)))
        .collect::<Result<_, FolderError>>()?;
    let mut listing = labelled(sets);
    listing.passed_over.extend(beside);
    Ok(listing)
}

/// The photos of several sets, under the classes of them all.
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
