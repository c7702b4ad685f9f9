//! Reports have a bounded size, and activation maps are faithful to the network.

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use image::RgbImage;
use kindling::features::Extractor;
use kindling::photos::{LabelledPhoto, Preprocessing, decode};
use kindling::report::{Content, Leaked, MapRequest, Report, ReportPhoto, activation_maps};
use kindling::run::Model;
use kindling::weights::Checkpoint;

use crate::reference::{committed, cpu, cpu_devices, fixture};

/// Photos with detail in every corner, larger than the crop.
fn some_photos(count: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = (0..count)
        .map(|index| {
            let path = folder.path().join(format!("{index}.png"));
            RgbImage::from_fn(300 + index as u32, 260, |x, y| {
                let level = ((x * (3 + index as u32) / 7) ^ (y * 5 / 3)) as u8;
                image::Rgb([level, level.wrapping_mul(3), 255 - level])
            })
            .save(&path)
            .unwrap();
            path
        })
        .collect();
    (folder, paths)
}

#[test]
fn the_mean_of_an_activation_map_and_the_bias_add_up_to_the_logit() {
    let (_folder, paths) = some_photos(5);
    for (name, device) in cpu_devices() {
        for weights in [fixture("narrow.pth"), committed("weights/efficientnet-lite0.safetensors")]
        {
            let model = Model::from_weights(&Checkpoint::open(&weights).unwrap(), &device).unwrap();
            let extractor = model.extractor(&device, 2);
            let classes = model.classes.len();
            let rows = extractor.all(&paths, |_| ()).unwrap().rows;
            let logits = model.logits(&rows, &device).unwrap();
            let largest = logits.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
            let requests: Vec<MapRequest> = paths
                .iter()
                .map(|photo| MapRequest { photo, classes: vec![0, classes - 1] })
                .collect();
            let maps = activation_maps(&extractor, &model.head, &requests).unwrap();
            let bias = model.head.bias();
            for (photo, maps) in maps.iter().enumerate() {
                for (map, class) in maps.iter().zip([0, classes - 1]) {
                    assert_eq!((map.height, map.width), (7, 7));
                    let mean = map.values.iter().map(|value| f64::from(*value)).sum::<f64>() / 49.0;
                    let logit = logits[photo * classes + class];
                    let error = (mean + f64::from(bias[class]) - f64::from(logit)).abs();
                    // A logit sums hundreds of products in f32. Each rounding is at most 2^-24 of a
                    // partial sum, which is at most about 10 times the largest logit, so the error
                    // is far below the bound.
                    assert!(error <= 1e-4 * f64::from(largest), "{name} {photo} {class}: {error}");
                }
            }
        }
    }
}

#[test]
fn an_activation_map_is_aligned_with_the_photo() {
    // A mirrored photo does not give a mirrored feature map, because networks are not symmetric.
    // But a change in one corner of the photo must change the same corner of the map and not the
    // opposite one.
    let device = cpu();
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let model = Model::from_weights(&checkpoint, &device).unwrap();
    let side = 448;
    let photo = |changed: bool| {
        let values = (0..3 * side * side)
            .map(|index| {
                let (x, y) = (index % side, index / side % side);
                let wave = ((x * 7 + y * 3) as f32 * 0.1).sin();
                if changed && x >= side - 16 && y < 16 { 3.0 - wave } else { wave }
            })
            .collect::<Vec<f32>>();
        let data = TensorData::new(values, [1, 3, side, side]);
        let map = model.backbone.feature_map(Tensor::from_data(data, &device));
        let [_, channels, height, width] = map.dims();
        assert_eq!((height, width), (14, 14));
        (channels, map.into_data().iter::<f32>().collect::<Vec<_>>())
    };
    let ((channels, before), (_, after)) = (photo(false), photo(true));
    let changed_at = |row: usize, column: usize| {
        (0..channels)
            .map(|channel| channel * 196 + row * 14 + column)
            .any(|at| before[at] != after[at])
    };
    assert!(changed_at(0, 13), "the changed corner is at the top right of the map");
    assert!(!changed_at(13, 0), "the opposite corner is unaffected");
}

#[test]
fn a_report_of_ten_thousand_photos_in_many_classes_stays_small() {
    let (_folder, paths) = some_photos(4);
    let device = cpu();
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let model = Model::from_weights(&checkpoint, &device).unwrap();
    let extractor = Extractor::new(&model.backbone, Preprocessing::IMAGENET, &device, 8);
    assert!(decode(&paths[0]).is_ok());
    // The narrow network has 10 classes. The logits are synthetic, and most predictions are wrong.
    let photos: Vec<ReportPhoto> = (0..10_000)
        .map(|index| ReportPhoto { path: &paths[index % 4], label: index % 10, size: (300, 260) })
        .collect();
    let logits: Vec<f32> =
        (0..100_000_u64).map(|index| (index * 2_654_435_761 % 1000) as f32 / 100.0).collect();
    let skipped: Vec<(String, String)> =
        (0..5000).map(|index| (format!("{index}.txt"), "is not a photo".into())).collect();
    let copies = (0..5000).map(|index| (paths[index % 4].clone(), paths[0].clone())).collect();
    let photo = |label: usize| LabelledPhoto { path: paths[label].clone(), label, group: None };
    let content = Content {
        name: "many",
        classes: &model.classes,
        epochs: None,
        source: "synthetic".into(),
        photos: &photos,
        logits: &logits,
        temperature: None,
        calibration: None,
        learning_curve: None,
        chose_the_epoch: false,
        strangers: None,
        trained_on: None,
        skipped: &skipped,
        leaked: Ok(Leaked { training_photos: 3000, copies, near: Vec::new() }),
        monitor: kindling::head::Monitor::Accuracy,
        suspects: None,
        in_two_classes: vec![vec![photo(0), photo(1)]; 3000],
        making: Vec::new(),
        gallery: 1000,
    };
    let report = Report::draw(&content, &extractor, &model.head);
    assert_eq!((report.problem, report.curves), (None, None));
    println!("{} bytes", report.html.len());
    assert!(report.html.len() < 15_000_000, "{} bytes", report.html.len());
    assert!(report.html.contains("Some photos have no picture") || report.html.len() < 10_000_000);
    assert!(report.html.contains("top-5 accuracy"));
}
