//! Divides photos into parts with the same share of each class, without dividing a group.
//!
//! Iterative stratification: the class with the fewest photos left is dealt out first, each photo
//! to the part that lacks that class most. It works for photos with several classes, and for groups
//! of photos as it does for single ones. K. Sechidis, G. Tsoumakas, I. Vlahavas: "On the
//! Stratification of Multi-label Data", ECML PKDD 2011,
//! <https://doi.org/10.1007/978-3-642-23808-6_10>.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use rand::seq::SliceRandom;

use super::Label;
use crate::seed::{Purpose, generator};

/// Divides photos into `k` folds with about the same share of each class: the fold of each photo,
/// below `k`. Photos of a group share one; photos without a group are groups of their own. Labels
/// are indices into the classes, or sets of them.
///
/// A fold may be empty if there are fewer groups than folds.
///
/// ```
/// let folds = kindling::photos::folds(&[0, 0, 1, 1], &[None; 4], 2, 7);
/// assert!(folds[0] != folds[1] && folds[2] != folds[3]);
/// ```
///
/// # Panics
/// If `k` is 0, or `groups` is not as long as `labels`.
pub fn folds<L: Label>(labels: &[L], groups: &[Option<usize>], k: usize, seed: u64) -> Vec<usize> {
    assert!(k > 0, "at least one fold");
    let units = Units::of(labels, groups);
    let shares = vec![1.0 / k as f64; k];
    let wanted = units.photos_of.iter().map(|count| vec![*count as f64 / k as f64; k]).collect();
    let parts = units.dealt_out(&shares, wanted, seed, Purpose::Folds);
    units.of_photos(&parts)
}

/// Draws the share `share` of each class, whole groups: whether each photo is drawn. At least one
/// group of each class that has two or more is drawn, but never all of them.
pub(super) fn draw<L: Label>(
    labels: &[L],
    groups: &[Option<usize>],
    share: f64,
    seed: u64,
    purpose: Purpose,
) -> Vec<bool> {
    let units = Units::of(labels, groups);
    let units_of = units.of_classes();
    let wanted = units.photos_of.iter().zip(&units_of).map(|(count, units)| {
        let drawn = match units.len() {
            0 | 1 => 0,
            _ => ((*count as f64 * share).round() as usize).clamp(1, *count - 1),
        };
        vec![(*count - drawn) as f64, drawn as f64]
    });
    let mut parts = units.dealt_out(&[1.0 - share, share], wanted.collect(), seed, purpose);
    for part in [1, 0] {
        units.supply(&units_of, &mut parts, part);
    }
    units.of_photos(&parts).into_iter().map(|part| part == 1).collect()
}

/// Photos that must not be divided, as one.
struct Unit {
    /// The classes in it, ascending, with the number of photos of each.
    classes: Vec<(usize, usize)>,
    /// Number of photos.
    photos: usize,
}

/// Photos by groups.
struct Units {
    units: Vec<Unit>,
    /// The unit of each photo.
    unit_of: Vec<usize>,
    /// The number of photos of each class.
    photos_of: Vec<usize>,
}

impl Units {
    fn of<L: Label>(labels: &[L], groups: &[Option<usize>]) -> Self {
        assert_eq!(labels.len(), groups.len(), "one group, or none, for each photo");
        let classes = labels.iter().flat_map(Label::classes).max().map_or(0, |last| last + 1);
        let (mut photos_of, mut unit_of) = (vec![0; classes], Vec::with_capacity(labels.len()));
        let mut counts: Vec<(BTreeMap<usize, usize>, usize)> = Vec::new();
        let mut known: HashMap<usize, usize> = HashMap::new();
        for (label, group) in labels.iter().zip(groups) {
            let next = counts.len();
            let unit = group.map_or(next, |group| *known.entry(group).or_insert(next));
            if unit == next {
                counts.push((BTreeMap::new(), 0));
            }
            unit_of.push(unit);
            counts[unit].1 += 1;
            for class in label.classes() {
                *counts[unit].0.entry(*class).or_default() += 1;
                photos_of[*class] += 1;
            }
        }
        let unit = |(classes, photos): (BTreeMap<usize, usize>, usize)| Unit {
            classes: classes.into_iter().collect(),
            photos,
        };
        Self { units: counts.into_iter().map(unit).collect(), unit_of, photos_of }
    }

    /// The units of each class.
    fn of_classes(&self) -> Vec<Vec<usize>> {
        let mut units_of = vec![Vec::new(); self.photos_of.len()];
        for (index, unit) in self.units.iter().enumerate() {
            unit.classes.iter().for_each(|(class, _)| units_of[*class].push(index));
        }
        units_of
    }

    fn of_photos(&self, parts: &[usize]) -> Vec<usize> {
        self.unit_of.iter().map(|unit| parts[*unit]).collect()
    }

    /// The part of each unit. `wanted` has the number of photos of each class in each part, and
    /// `shares` the share of all photos.
    fn dealt_out(
        &self,
        shares: &[f64],
        mut wanted: Vec<Vec<f64>>,
        seed: u64,
        purpose: Purpose,
    ) -> Vec<usize> {
        let mut random = generator(seed, purpose);
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        order.shuffle(&mut random);
        // Large groups first: small ones then even the parts out.
        order.sort_by_key(|unit| Reverse(self.units[*unit].photos));
        let mut units_of = vec![Vec::new(); self.photos_of.len()];
        for unit in &order {
            let classes = &self.units[*unit].classes;
            classes.iter().for_each(|(class, _)| units_of[*class].push(*unit));
        }
        let photos = self.unit_of.len() as f64;
        let mut room: Vec<f64> = shares.iter().map(|share| share * photos).collect();
        let mut left = self.photos_of.clone();
        let mut parts: Vec<Option<usize>> = vec![None; self.units.len()];
        // Equal parts take turns, so that none is always the first.
        let mut turns: Vec<usize> = (0..shares.len()).collect();
        turns.shuffle(&mut random);
        let mut place = |unit: usize, lack: &[f64], room: &mut [f64]| -> usize {
            let most = |one: &&usize, other: &&usize| {
                let key = |part: usize| (lack[part], room[part]);
                let ((one_lack, one_room), (other_lack, other_room)) = (key(**one), key(**other));
                one_lack.total_cmp(&other_lack).then(one_room.total_cmp(&other_room))
            };
            let part = turns.iter().max_by(most).copied().unwrap_or_default();
            room[part] -= self.units[unit].photos as f64;
            turns.rotate_left(1);
            part
        };
        loop {
            let rarest = (0..left.len()).filter(|class| left[*class] > 0);
            let Some(class) = rarest.min_by_key(|class| left[*class]) else { break };
            for unit in std::mem::take(&mut units_of[class]) {
                if parts[unit].is_some() {
                    continue;
                }
                let part = place(unit, &wanted[class], &mut room);
                parts[unit] = Some(part);
                for (class, photos) in &self.units[unit].classes {
                    wanted[*class][part] -= *photos as f64;
                    left[*class] -= photos;
                }
            }
        }
        // What remains has no class.
        let none = vec![0.0; shares.len()];
        for unit in order {
            if parts[unit].is_none() {
                parts[unit] = Some(place(unit, &none, &mut room));
            }
        }
        parts.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// Moves the smallest unit of each class of which `part` has none into it, unless the unit is
    /// the last one of a class elsewhere.
    fn supply(&self, units_of: &[Vec<usize>], parts: &mut [usize], part: usize) {
        let mut count = vec![[0; 2]; units_of.len()];
        for (unit, of) in self.units.iter().zip(&*parts) {
            unit.classes.iter().for_each(|(class, _)| count[*class][*of] += 1);
        }
        for (class, units) in units_of.iter().enumerate() {
            if units.len() < 2 || count[class][part] > 0 {
                continue;
            }
            let may_go = |unit: &&usize| {
                self.units[**unit].classes.iter().all(|(class, _)| count[*class][1 - part] > 1)
            };
            let smallest = units.iter().filter(may_go).min_by_key(|unit| self.units[**unit].photos);
            let Some(unit) = smallest.copied() else { continue };
            parts[unit] = part;
            for (class, _) in &self.units[unit].classes {
                count[*class][part] += 1;
                count[*class][1 - part] -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(folds: &[usize], k: usize) -> Vec<usize> {
        (0..k).map(|fold| folds.iter().filter(|of| **of == fold).count()).collect()
    }

    #[test]
    fn each_fold_has_its_share_of_each_class() {
        let labels: Vec<usize> = (0..103).map(|index| usize::from(index % 7 == 0)).collect();
        let found = folds(&labels, &vec![None; 103], 5, 3);
        for class in [0, 1] {
            let of_class: Vec<usize> = found
                .iter()
                .zip(&labels)
                .filter(|(_, of)| **of == class)
                .map(|(f, _)| *f)
                .collect();
            let sizes = sizes(&of_class, 5);
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
        let sizes = sizes(&found, 5);
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        assert_eq!(folds(&labels, &vec![None; 103], 5, 3), found);
        assert_ne!(folds(&labels, &vec![None; 103], 5, 4), found);
    }

    #[test]
    fn a_group_is_never_divided_and_shares_stay_about_right() {
        // 60 groups of 1 to 9 photos.
        let groups: Vec<Option<usize>> =
            (0..60).flat_map(|group| vec![Some(group); 1 + group % 9]).collect();
        let labels: Vec<usize> = groups.iter().map(|group| group.unwrap() % 3).collect();
        let found = folds(&labels, &groups, 4, 0);
        for (one, group) in found.iter().zip(&groups) {
            assert!(found.iter().zip(&groups).all(|(fold, of)| of != group || fold == one));
        }
        for class in 0..3 {
            let of_class: Vec<usize> = found
                .iter()
                .zip(&labels)
                .filter(|(_, of)| **of == class)
                .map(|(f, _)| *f)
                .collect();
            let fair = of_class.len() / 4;
            let sizes = sizes(&of_class, 4);
            assert!(sizes.iter().all(|size| size.abs_diff(fair) <= 3), "{sizes:?} of {fair}");
        }
    }

    #[test]
    fn photos_of_several_classes_are_spread_evenly() {
        // The rare class 2 comes only with 0 or 1.
        let labels: Vec<Vec<usize>> = (0..200)
            .map(|index| match index {
                _ if index % 20 == 0 => vec![0, 2],
                _ if index % 20 == 1 => vec![1, 2],
                _ if index % 3 == 0 => vec![],
                _ => vec![index % 2],
            })
            .collect();
        let found = folds(&labels, &vec![None; 200], 5, 1);
        for class in 0..3 {
            let with = |fold| {
                let photos = found.iter().zip(&labels);
                photos.filter(|(of, label)| **of == fold && label.contains(&class)).count()
            };
            let counts: Vec<usize> = (0..5).map(with).collect();
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
        assert_eq!(sizes(&found, 5), [40; 5]);
    }

    #[test]
    fn every_class_with_two_groups_is_drawn_from_but_never_emptied() {
        let cases: [(&[usize], &[Option<usize>]); 4] = [
            (&[0, 0, 1, 1], &[None; 4]),
            (&[0; 10], &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1].map(Some)),
            (&[0, 0, 0, 1, 1, 1], &[0, 1, 0, 0, 1, 1].map(Some)),
            (&[0, 1, 2, 0, 1, 2, 2], &[0, 0, 0, 1, 1, 1, 2].map(Some)),
        ];
        for (labels, groups) in cases {
            for seed in 0..20 {
                let drawn = draw(labels, groups, 0.2, seed, Purpose::Holdout);
                for class in labels {
                    let of_class = || drawn.iter().zip(labels).filter(|(_, of)| *of == class);
                    assert!(of_class().any(|(drawn, _)| *drawn), "{labels:?} {drawn:?}");
                    assert!(of_class().any(|(drawn, _)| !*drawn), "{labels:?} {drawn:?}");
                }
            }
        }
        // A class of one group stays.
        let drawn = draw(&[0, 0, 0], &[Some(4); 3], 0.5, 0, Purpose::Holdout);
        assert_eq!(drawn, [false; 3]);
    }

    #[test]
    fn folds_of_a_hundred_thousand_photos_are_of_one_size() {
        let labels: Vec<usize> = (0..100_000).map(|index| index * index % 1000).collect();
        let groups: Vec<Option<usize>> = (0..100_000).map(|index| Some(index / 3)).collect();
        let found = folds(&labels, &groups, 10, 0);
        let sizes = sizes(&found, 10);
        assert!(sizes.iter().all(|size| size.abs_diff(10_000) < 500), "{sizes:?}");
    }
}
