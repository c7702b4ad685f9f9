//! Draws a share of the training photos.

use std::collections::HashMap;

use rand::seq::SliceRandom;

use crate::seed::{Purpose, generator};

/// Maximum number of draws of a share.
const MOST_DRAWS: usize = 5;
/// Number of feature values times classes up to which each share has [`MOST_DRAWS`] draws; with
/// more there are fewer, so that the curve takes some two seconds.
const MOST_VALUES: usize = 10_000_000;
/// With more than this there is no curve: a single draw would take too long.
const TOO_MANY_VALUES: usize = 300_000_000;

/// The number of draws of each share for this number of feature values times classes.
pub(super) fn draws(values: usize) -> usize {
    if values > TOO_MANY_VALUES {
        return 0;
    }
    (MOST_DRAWS * MOST_VALUES / values.max(1)).clamp(1, MOST_DRAWS)
}

/// Draws a share of the photos of each class, at least one: whole groups, until there are enough. A
/// group counts as of the class of its first photo.
pub(super) fn draw(
    labels: &[usize],
    groups: &[Option<usize>],
    share: f64,
    seed: u64,
    number: u32,
) -> Vec<usize> {
    if share == 1.0 {
        return (0..labels.len()).collect();
    }
    let mut generator = generator(seed, Purpose::Draw(number));
    let mut unit_of_group = HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (photo, group) in groups.iter().enumerate() {
        let next = units.len();
        let unit = group.map_or(next, |group| *unit_of_group.entry(group).or_insert(next));
        match units.get_mut(unit) {
            Some(unit) => unit.push(photo),
            None => units.push(vec![photo]),
        }
    }
    units.shuffle(&mut generator);
    let classes = labels.iter().max().map_or(0, |label| label + 1);
    let mut wanted = vec![0.0; classes];
    labels.iter().for_each(|label| wanted[*label] += share);
    let mut drawn = vec![0_usize; classes];
    let mut photos = Vec::new();
    for unit in units {
        let class = labels[unit[0]];
        // At least one of each class.
        if (drawn[class] as f64) < wanted[class].round().max(1.0) {
            unit.iter().for_each(|photo| drawn[labels[*photo]] += 1);
            photos.extend(unit);
        }
    }
    photos.sort_unstable();
    photos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_the_share_of_each_class_and_whole_groups() {
        let labels: Vec<usize> = (0..100).map(|photo| usize::from(photo >= 80)).collect();
        let mut groups = vec![None; 100];
        let photos = draw(&labels, &groups, 0.1, 0, 0);
        assert_eq!(photos.iter().filter(|photo| labels[**photo] == 1).count(), 2);
        assert_eq!(photos.len(), 10);
        assert_ne!(photos, draw(&labels, &groups, 0.1, 0, 1));
        assert_eq!(photos, draw(&labels, &groups, 0.1, 0, 0));
        // Bursts of four photos.
        (0..100).for_each(|photo| groups[photo] = Some(photo / 4));
        let photos = draw(&labels, &groups, 0.2, 3, 7);
        for burst in photos.chunks(4) {
            assert!(burst.iter().all(|photo| photo / 4 == burst[0] / 4), "{photos:?}");
        }
        // A class of one photo is in every draw.
        assert!(draw(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[None; 11], 0.1, 0, 0).contains(&10));
        assert_eq!(draw(&labels, &groups, 1.0, 0, 0).len(), 100);
    }
}
