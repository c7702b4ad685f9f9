use burn::tensor::Device;

use super::*;
use crate::device::processor;

fn device() -> Device {
    processor().expect("the tests' build has a CPU backend")
}

/// `photos` rows of 8 features around one direction for each of three classes.
fn photos(photos: usize) -> (Vec<f32>, Vec<usize>) {
    let mut state = 1_u64;
    let mut random = move || {
        // Knuth's generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let classes: Vec<usize> = (0..photos).map(|photo| photo % 3).collect();
    let rows = classes
        .iter()
        .flat_map(|class| {
            (0..8).map(|at| f32::from(u8::from(at == *class)) * 2.0).collect::<Vec<_>>()
        })
        .map(|value| value + random())
        .collect();
    (rows, classes)
}

fn neighbours(rows: &[f32], classes: &[usize]) -> Neighbours {
    let groups = vec![None; classes.len()];
    Neighbours::of(TrainedOn { width: 8, rows, classes, groups: &groups }, 0, &device()).unwrap()
}

/// The score by its definition, in f64.
fn by_definition(rows: &[f32], query: &[f32], left_out: Option<usize>) -> f64 {
    let dot = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    let mut distances: Vec<f64> = rows
        .chunks(8)
        .enumerate()
        .filter(|(photo, _)| Some(*photo) != left_out)
        .map(|(_, row)| 1.0 - dot(row, query) / (dot(row, row) * dot(query, query)).sqrt())
        .collect();
    distances.sort_by(f64::total_cmp);
    distances[..5].iter().sum::<f64>() / 5.0
}

#[test]
fn the_score_is_the_mean_cosine_distance_to_the_five_nearest_photos() {
    let (rows, classes) = photos(60);
    let neighbours = neighbours(&rows, &classes);
    let (queries, _) = photos(700);
    let scores = neighbours.scores(&queries[60 * 8..], &device());
    assert_eq!(scores.len(), 640);
    for (query, score) in queries[60 * 8..].chunks(8).zip(scores) {
        let expected = by_definition(&rows, query, None);
        // The rows are rounded to f16.
        assert!((score - expected).abs() < 2e-4, "{score} {expected}");
    }
    // A row of zeros has no direction, and is as far from every photo as an orthogonal one.
    assert_eq!(neighbours.scores(&[0.0; 8], &device()), [1.0]);
}

#[test]
fn one_photo_in_twenty_is_beyond_the_threshold_when_it_is_left_out() {
    let (rows, classes) = photos(199);
    let neighbours = neighbours(&rows, &classes);
    let left_out: Vec<f64> = rows
        .chunks(8)
        .enumerate()
        .map(|(photo, row)| by_definition(&rows, row, Some(photo)))
        .collect();
    let mut sorted = left_out.clone();
    sorted.sort_by(f64::total_cmp);
    // 95 % of 200 are 190.
    assert!((neighbours.threshold() - sorted[189]).abs() < 2e-4);
    assert!(neighbours.is_stranger(sorted[191]) && !neighbours.is_stranger(sorted[187]));
}

#[test]
fn the_threshold_of_weighted_scores_counts_photos_and_not_rows() {
    let scores = |weights: [f64; 3]| [0.1, 0.2, 0.9].into_iter().zip(weights).collect();
    // 97 of 100 photos are within 0.2.
    assert_eq!(threshold(scores([87.0, 10.0, 3.0])), Some(0.9));
    assert_eq!(threshold(scores([9700.0, 1.0, 0.1])), Some(0.9));
    assert_eq!(threshold((1..=19).map(|score| (f64::from(score), 1.0)).collect()), Some(19.0));
    assert_eq!(threshold((1..=39).map(|score| (f64::from(score), 1.0)).collect()), Some(38.0));
    assert_eq!(threshold((1..=39).map(|score| (f64::from(score), 3.5)).collect()), Some(38.0));
    assert_eq!(threshold(Vec::new()), None);
}

#[test]
fn copies_of_photos_change_neither_scores_nor_threshold() {
    let (rows, classes) = photos(60);
    let once = neighbours(&rows, &classes);
    let again = neighbours(&rows.repeat(6), &classes.repeat(6));
    assert_eq!(once, again);
}

#[test]
fn photos_of_a_group_are_no_neighbours_of_each_other_when_the_threshold_is_chosen() {
    // Bursts of six nearly equal photos.
    let (seeds, classes) = photos(60);
    let rows: Vec<f32> = seeds
        .chunks(8)
        .flat_map(|row| {
            (0..6).flat_map(move |shot| row.iter().map(move |value| value + shot as f32 * 0.01))
        })
        .collect();
    let classes: Vec<usize> = classes.iter().flat_map(|class| [*class; 6]).collect();
    let groups: Vec<Option<usize>> = (0..360).map(|photo| Some(photo / 6)).collect();
    let trained_on = TrainedOn { width: 8, rows: &rows, classes: &classes, groups: &groups };
    let grouped = Neighbours::of(trained_on, 0, &device()).unwrap();
    let ungrouped = neighbours(&rows, &classes);
    assert!(ungrouped.threshold() < grouped.threshold() / 10.0);
    // Unseen photos are nearer to a burst than to one photo of it, but not much.
    let (unseen, _) = photos(500);
    let refused = |by: &Neighbours| {
        let scores = by.scores(&unseen[60 * 8..], &device());
        scores.into_iter().filter(|score| by.is_stranger(*score)).count()
    };
    assert!(refused(&grouped) < 440 / 10, "{}", refused(&grouped));
    assert!(refused(&ungrouped) > 400, "{}", refused(&ungrouped));
}

#[test]
fn without_two_photos_to_compare_there_are_no_neighbours() {
    let of = |rows: &[f32], groups: &[Option<usize>]| {
        let classes = vec![0; groups.len()];
        Neighbours::of(TrainedOn { width: 2, rows, classes: &classes, groups }, 0, &device())
    };
    assert_eq!(of(&[], &[]), None);
    assert_eq!(of(&[1.0, 0.0], &[None]), None);
    assert_eq!(of(&[1.0, 0.0, 2.0, 0.0], &[None, None]), None);
    assert_eq!(of(&[1.0, 0.0, 0.0, 1.0], &[Some(3), Some(3)]), None);
    let two = of(&[1.0, 0.0, 0.0, 1.0], &[None, None]).unwrap();
    assert_eq!((two.nearest(), two.photos(), two.threshold()), (1, 2, 1.0));
}

#[test]
fn a_file_is_read_back_and_a_damaged_or_foreign_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("neighbours.safetensors");
    let (rows, classes) = photos(30);
    let neighbours = neighbours(&rows, &classes);
    assert_eq!(Neighbours::read(&file, "digest", 8).unwrap(), None);
    let bytes = neighbours.to_bytes("digest");
    let read = |bytes: &[u8], model: &str, width| {
        std::fs::write(&file, bytes).unwrap();
        Neighbours::read(&file, model, width).map_err(|error| error.to_string())
    };
    assert_eq!(read(&bytes, "digest", 8).unwrap(), Some(neighbours.clone()));
    let refused = |bytes: &[u8], model: &str, width| read(bytes, model, width).unwrap_err();
    assert!(refused(&bytes, "another", 8).contains("belongs to another model"));
    assert!(refused(&bytes, "digest", 9).contains("rows of 8 features, but the model computes 9"));
    assert!(refused(b"", "digest", 8).contains("is damaged"));
    assert!(refused(&bytes[..bytes.len() - 1], "digest", 8).contains("is damaged"));
    // One bit, anywhere.
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(refused(&changed, "digest", 8).contains("neighbours.safetensors` "), "{at}");
    }
    let mut nan = neighbours.clone();
    nan.rows[3] = f16::NAN;
    assert!(refused(&nan.to_bytes("digest"), "digest", 8).contains("NaN"));
    for (nearest, threshold) in [(0, 0.5), (30, 0.5), (5, f64::NAN), (5, f64::INFINITY)] {
        let odd = Neighbours { nearest, threshold, ..neighbours.clone() };
        let message = refused(&odd.to_bytes("digest"), "digest", 8);
        assert!(message.contains("not usable"), "{message}");
    }
}
