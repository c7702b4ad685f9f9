//! Finds photos that are copies of each other: evaluation photos that were trained on, and photos
//! that are in two class folders.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

use super::{LabelledPhoto, PhotoPlace, PhotoSource};
use crate::regular_file;
use crate::sha256::Sha256;

/// Finds files of `others` that are byte-for-byte copies of a file of `photos`.
///
/// Returns pairs of indices into `others` and `photos`, in ascending order; if several of `photos`
/// match, the first. Files that cannot be read are ignored. Only files of equal length are read.
pub fn exact_duplicates(photos: &[&Path], others: &[&Path]) -> Vec<(usize, usize)> {
    let length = |path: &Path| path.place().size();
    let mut by_length: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, path) in photos.iter().enumerate() {
        if let Some(length) = length(path) {
            by_length.entry(length).or_default().push(index);
        }
    }
    let mut digests: HashMap<u64, HashMap<[u8; 32], usize>> = HashMap::new();
    let mut duplicates = Vec::new();
    for (other, path) in others.iter().enumerate() {
        let Some(length) = length(path) else { continue };
        let Some(candidates) = by_length.get(&length) else { continue };
        let known = digests.entry(length).or_insert_with(|| {
            let mut known = HashMap::new();
            for index in candidates {
                if let Ok(digest) = digest(photos[*index]) {
                    known.entry(digest).or_insert(*index);
                }
            }
            known
        });
        if let Some(index) = digest(path).ok().and_then(|digest| known.get(&digest)) {
            duplicates.push((other, *index));
        }
    }
    duplicates
}

/// Finds the groups of byte-for-byte equal photos that do not all have the same class: at most one
/// of their labels can be right.
///
/// Returns indices into `photos`, ascending in each group; the groups are in the order of their
/// first photos. Files that cannot be read are ignored. Only files of equal length and different
/// classes are read.
pub fn in_two_classes(photos: &[&LabelledPhoto]) -> Vec<Vec<usize>> {
    let mut by_length: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, photo) in photos.iter().enumerate() {
        if let Some(length) = photo.path.place().size() {
            by_length.entry(length).or_default().push(index);
        }
    }
    let is_one_class =
        |group: &[usize]| group.iter().all(|index| photos[*index].label == photos[group[0]].label);
    let mut groups = Vec::new();
    for candidates in by_length.into_values().filter(|group| !is_one_class(group)) {
        let mut by_digest: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        for index in candidates {
            if let Ok(digest) = digest(&photos[index].path) {
                by_digest.entry(digest).or_default().push(index);
            }
        }
        groups.extend(by_digest.into_values().filter(|group| !is_one_class(group)));
    }
    groups.sort();
    groups
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    match path.place() {
        PhotoPlace::File(path) => {
            let (file, length) = regular_file::open(&path)?;
            io::copy(&mut file.take(length), &mut hasher)?;
        }
        place => hasher.update(place.read(u64::MAX)?),
    }
    Ok(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_same_content_is_found_under_any_name_and_another_of_the_same_length_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let trained = [file("a", "one"), file("b", "two"), file("c", "two")];
        let others = [file("d", "six"), file("e", "two"), folder.path().join("gone")];
        let [trained, others] =
            [&trained, &others].map(|paths| paths.each_ref().map(|path| path.as_path()));
        assert_eq!(exact_duplicates(&trained, &others), [(1, 1)]);
        // A file is its own duplicate: evaluating on the training photos is reported.
        assert_eq!(exact_duplicates(&trained, &trained), [(0, 0), (1, 1), (2, 1)]);
    }

    #[test]
    fn one_photo_in_two_classes_is_found_and_two_in_one_class_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let photo = |name: &str, label: usize, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            LabelledPhoto { path, label, group: None }
        };
        let photos = [
            photo("a", 0, "long one"),
            photo("b", 0, "two"),
            photo("c", 0, "two"),
            photo("d", 1, "six"),
            photo("e", 1, "two"),
            photo("f", 2, "long one"),
            photo("g", 2, "long two"),
            LabelledPhoto { path: folder.path().join("gone"), label: 1, group: None },
        ];
        let photos: Vec<&LabelledPhoto> = photos.iter().collect();
        assert_eq!(in_two_classes(&photos), [vec![0, 5], vec![1, 2, 4]]);
        assert!(in_two_classes(&photos[1..4]).is_empty());
    }
}
