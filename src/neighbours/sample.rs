//! Which training photos are kept, if there are too many: as many of each class as possible.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use crate::seed::{Purpose, generator};

/// A photo that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    /// Its index.
    pub(super) index: usize,
    /// The number of photos that it stands for.
    pub(super) weight: f64,
}

/// Chooses at most `limit` photos at random, all if there are no more. Small classes stay whole,
/// and the others keep equally many photos, so that photos of a rare class keep their neighbours.
/// With more classes than `limit`, classes do not matter. The indices are in ascending order.
pub(super) fn sample(classes: &[usize], limit: usize, seed: u64) -> Vec<Kept> {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, class) in classes.iter().enumerate() {
        members.entry(*class).or_default().push(index);
    }
    let taken = |each: usize| members.values().map(|photos| photos.len().min(each)).sum::<usize>();
    // The largest number for each class that stays within the limit.
    let (mut fits, mut above) = (0, classes.len() + 1);
    while fits + 1 < above {
        let middle = usize::midpoint(fits, above);
        if taken(middle) <= limit {
            fits = middle;
        } else {
            above = middle;
        }
    }
    let (pools, each): (Vec<Vec<usize>>, usize) = match fits {
        0 => (vec![(0..classes.len()).collect()], limit),
        each => (members.into_values().collect(), each),
    };
    let mut generator = generator(seed, Purpose::Neighbours);
    let mut kept = Vec::with_capacity(limit.min(classes.len()));
    for mut pool in pools {
        let count = pool.len().min(each);
        if count < pool.len() {
            pool.shuffle(&mut generator);
        }
        let weight = pool.len() as f64 / count.max(1) as f64;
        kept.extend(pool[..count].iter().map(|index| Kept { index: *index, weight }));
    }
    kept.sort_by_key(|kept| kept.index);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(kept: &[Kept]) -> Vec<usize> {
        kept.iter().map(|kept| kept.index).collect()
    }

    #[test]
    fn all_photos_are_kept_if_they_fit() {
        let kept = sample(&[0, 1, 0, 2], 4, 0);
        assert_eq!(indices(&kept), [0, 1, 2, 3]);
        assert!(kept.iter().all(|kept| kept.weight == 1.0));
        assert_eq!(sample(&[], 4, 0), []);
    }

    #[test]
    fn small_classes_stay_whole_and_large_ones_share_the_rest() {
        // 900 photos of class 0, 90 of class 1, 10 of class 2.
        let classes: Vec<usize> =
            (0..1000).map(|index| usize::from(index >= 900) + usize::from(index >= 990)).collect();
        let kept = sample(&classes, 211, 7);
        let of = |class: usize| kept.iter().filter(|kept| classes[kept.index] == class).count();
        // 10 + 90 + 111 = 211.
        assert_eq!([of(0), of(1), of(2)], [111, 90, 10]);
        let stands_for: f64 = kept.iter().map(|kept| kept.weight).sum();
        assert!((stands_for - 1000.0).abs() < 1e-9, "{stands_for}");
        assert!(indices(&kept).is_sorted_by(|one, other| one < other));
        assert_eq!(kept, sample(&classes, 211, 7));
        assert_ne!(kept, sample(&classes, 211, 8));
    }

    #[test]
    fn of_more_classes_than_fit_a_sample_is_kept() {
        let classes: Vec<usize> = (0..100).collect();
        let kept = sample(&classes, 30, 0);
        assert_eq!(kept.len(), 30);
        assert!(kept.iter().all(|kept| (kept.weight - 100.0 / 30.0).abs() < 1e-12));
    }
}
