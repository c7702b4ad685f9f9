//! Keeps photos that are alike on one side of a split: they become groups.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::{DataSet, Label};

/// Joins groups of photos that hold pairs of photos which must stay together: the new group of each
/// photo. `pairs` are indices of photos. Photos that are alone have no group.
pub fn joined_groups(groups: &[Option<usize>], pairs: &[(usize, usize)]) -> Vec<Option<usize>> {
    let mut parent: Vec<usize> = (0..groups.len()).collect();
    let mut first_of: HashMap<usize, usize> = HashMap::new();
    let same_group: Vec<(usize, usize)> = groups
        .iter()
        .enumerate()
        .filter_map(|(photo, group)| Some((*first_of.entry((*group)?).or_insert(photo), photo)))
        .collect();
    for (one, other) in same_group.iter().chain(pairs) {
        let (one, other) = (root(&mut parent, *one), root(&mut parent, *other));
        // The smaller index stays the root, so that the groups do not depend on the order of pairs.
        parent[one.max(other)] = one.min(other);
    }
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    let roots: Vec<usize> = (0..groups.len()).map(|photo| root(&mut parent, photo)).collect();
    roots.iter().for_each(|root| *sizes.entry(*root).or_default() += 1);
    let is_several = |root: &usize| sizes[root] > 1;
    let number: HashMap<usize, usize> =
        sizes.keys().filter(|root| is_several(root)).copied().zip(0..).collect();
    roots.iter().map(|root| number.get(root).copied()).collect()
}

fn root(parent: &mut [usize], photo: usize) -> usize {
    let mut photo = photo;
    while parent[photo] != photo {
        parent[photo] = parent[parent[photo]];
        photo = parent[photo];
    }
    photo
}

impl<L: Label> DataSet<L> {
    /// The same with these groups of photos, by path, and the number of photos that were moved: of
    /// a group with photos in several parts that the data set comes in, all go to the first of
    /// training, validation and test.
    #[must_use]
    pub fn with_groups(mut self, group_of: &HashMap<&Path, usize>) -> (Self, usize) {
        let mut part_of: HashMap<usize, usize> = HashMap::new();
        let mut moved = Vec::new();
        for (part, set) in self.parts_mut().into_iter().enumerate() {
            let Some(set) = set else { continue };
            for photo in &mut set.photos {
                photo.group = group_of.get(photo.path.as_path()).copied();
            }
            let groups = set.photos.iter().filter_map(|photo| photo.group);
            groups.for_each(|group| _ = part_of.entry(group).or_insert(part));
            let belongs_here =
                |group: Option<usize>| group.is_none_or(|group| part_of[&group] == part);
            let (stay, go): (Vec<_>, Vec<_>) =
                std::mem::take(&mut set.photos).into_iter().partition(|it| belongs_here(it.group));
            set.photos = stay;
            moved.extend(go);
        }
        let count = moved.len();
        let mut parts = self.parts_mut();
        for photo in moved {
            let part = photo.group.map_or(0, |group| part_of[&group]);
            parts[part].iter_mut().for_each(|set| set.photos.push(photo.clone()));
        }
        for set in parts.into_iter().flatten() {
            set.photos
                .sort_by(|one, other| (&one.label, &one.path).cmp(&(&other.label, &other.path)));
        }
        (self, count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::photos::{LabelledPhoto, PhotoSet, SplitOptions};

    #[test]
    fn pairs_join_groups_and_single_photos() {
        let groups = [Some(5), None, Some(5), None, Some(2), None];
        let joined = joined_groups(&groups, &[(1, 2), (4, 5)]);
        assert_eq!(joined, [Some(0), Some(0), Some(0), None, Some(1), Some(1)]);
        assert_eq!(joined_groups(&[None; 3], &[]), [None; 3]);
        assert_eq!(joined_groups(&[None; 3], &[(2, 1), (0, 2)]), [Some(0); 3]);
    }

    fn set(names: &[&str]) -> PhotoSet {
        let photos = names.iter().map(|name| LabelledPhoto {
            path: name.into(),
            label: usize::from(name.starts_with('d')),
            group: None,
        });
        let classes = ["cat", "dog"].map(String::from).to_vec();
        PhotoSet { classes, photos: photos.collect(), ..PhotoSet::default() }
    }

    #[test]
    fn photos_that_are_alike_are_never_on_both_sides() {
        let names: Vec<String> =
            (0..40).map(|index| format!("{}{index:02}", ["c", "d"][index / 20])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let group_of: HashMap<&Path, usize> =
            names.iter().enumerate().map(|(index, name)| (Path::new(name), index / 4)).collect();
        for seed in 0..10 {
            let options = SplitOptions { seed, ..SplitOptions::default() };
            let data_set = DataSet::of_parts(set(&names), None).unwrap();
            let (data_set, moved) = data_set.with_groups(&group_of);
            let split = data_set.split(&options).unwrap();
            assert_eq!((moved, split.divided_groups()), (0, (0, 0)));
            assert_eq!((split.train.len(), split.val.len()), (32, 8));
        }
        // Parts that were given: the copies go to the training photos.
        let data_set =
            DataSet::of_parts(set(&["c00", "d20"]), Some(set(&["c01", "c05", "d25"]))).unwrap();
        let (data_set, moved) = data_set.with_groups(&group_of);
        let split = data_set.split(&SplitOptions::default()).unwrap();
        let paths = |photos: &[LabelledPhoto]| -> Vec<PathBuf> {
            photos.iter().map(|photo| photo.path.clone()).collect()
        };
        assert_eq!(moved, 1);
        assert_eq!(paths(&split.train), ["c00", "c01", "d20"].map(PathBuf::from));
        assert_eq!(paths(&split.val), ["c05", "d25"].map(PathBuf::from));
    }
}
