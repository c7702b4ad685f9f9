//! Training follows its options, and it changes the head but not the backbone.

use burn::tensor::{Tensor, TensorData};
use kindling::backbone::Backbone;
use kindling::features::Extractor;
use kindling::head::{Examples, FitError, FitOptions, Head, Next, Progress, fit};
use kindling::photos::Preprocessing;
use kindling::weights::{self, Checkpoint};

use crate::reference::{bits, cpu, cpu_devices, fixture};

const OPTIONS: FitOptions =
    FitOptions { epochs: 10, batch_size: 8, learning_rate: 1e-2, seed: 3, ..FitOptions::DEFAULT };

/// Deterministic points of three classes around three corners, not quite separable.
fn clouds(count: usize, phase: f32) -> Examples {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for index in 0..count {
        let label = index % 3;
        let angle = label as f32 * 2.1 + (index as f32 * 0.7 + phase).sin() * 0.8;
        rows.extend([angle.cos() * 2.0, angle.sin() * 2.0]);
        labels.push(label);
    }
    Examples { width: 2, rows: rows.into(), labels }
}

#[test]
fn the_head_learns_and_the_same_seed_gives_the_same_head() {
    let device = cpu();
    let (train, val) = (clouds(120, 0.0), clouds(60, 1.0));
    let run =
        |seed| fit(&train, &val, 3, &FitOptions { seed, ..OPTIONS }, &device, |_| ()).unwrap();
    let (first, again, other) = (run(3), run(3), run(4));
    assert!(first.best.val_accuracy > 0.9, "{:?}", first.best);
    assert!(first.epochs[9].train_loss < first.epochs[0].train_loss);
    assert_eq!(bits(&first.head), bits(&again.head));
    assert_ne!(bits(&first.head), bits(&other.head));
}

#[test]
fn the_same_seed_starts_every_backend_from_the_same_head() {
    let heads: Vec<_> =
        cpu_devices().iter().map(|(_, device)| bits(&Head::seeded(512, 5, 9, device))).collect();
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));
    // With zero features, the logits are the bias: within 1 / sqrt(512), and not all zero.
    let device = cpu();
    let head = Head::seeded(512, 5, 9, &device);
    let bound = 1.0 / 512f32.sqrt();
    let logits = head.logits(&vec![0.0; 512], &device);
    assert!(
        logits.iter().all(|bias| bias.abs() <= bound) && logits.iter().any(|bias| *bias != 0.0)
    );
}

#[test]
fn the_head_of_the_best_validation_epoch_is_kept() {
    let device = cpu();
    let (train, val) = (clouds(120, 0.0), clouds(60, 1.0));
    let fitted = fit(&train, &val, 3, &OPTIONS, &device, |_| ()).unwrap();
    for metrics in &fitted.epochs {
        assert!(metrics.val_accuracy <= fitted.best.val_accuracy);
    }
    let logits = fitted.head.logits(val.rows.values(), &device);
    let scores = kindling::evaluation::Scores::of(3, &logits, &val.labels);
    assert_eq!((scores.accuracy, scores.loss), (fitted.best.val_accuracy, fitted.best.val_loss));
}

#[test]
fn patience_ends_training_when_validation_stops_improving() {
    let device = cpu();
    // The validation labels are rotated, so learning the training labels makes validation worse.
    let train = clouds(60, 0.0);
    let mut val = train.clone();
    val.labels.iter_mut().for_each(|label| *label = (*label + 1) % 3);
    let options = FitOptions { epochs: 50, patience: Some(3), ..OPTIONS };
    let fitted = fit(&train, &val, 3, &options, &device, |_| ()).unwrap();
    assert_eq!(fitted.epochs.len(), fitted.best.epoch + 3);
    assert!(fitted.epochs.len() < 50);
}

#[test]
fn the_observer_sees_every_step_and_every_epoch_in_order() {
    let device = cpu();
    // 20 examples in batches of 8 are three steps per epoch.
    let (train, val) = (clouds(20, 0.0), clouds(9, 1.0));
    let options = FitOptions { epochs: 2, ..OPTIONS };
    let mut seen = Vec::new();
    let fitted = fit(&train, &val, 3, &options, &device, |progress| match progress {
        Progress::Step { epoch, done, of } => seen.push((epoch, done, of)),
        Progress::Epoch(metrics) => seen.push((metrics.epoch, 0, 0)),
    })
    .unwrap();
    let epoch = |epoch| [(epoch, 1, 3), (epoch, 2, 3), (epoch, 3, 3), (epoch, 0, 0)];
    assert_eq!(seen, [epoch(1), epoch(2)].concat());
    assert_eq!(fitted.epochs.len(), 2);
}

#[test]
fn a_stop_ends_training_after_the_current_epoch_and_keeps_the_best() {
    let device = cpu();
    let (train, val) = (clouds(120, 0.0), clouds(60, 1.0));
    let whole = fit(&train, &val, 3, &OPTIONS, &device, |_| ()).unwrap();
    // Stop in the middle of the fourth epoch, and at its end.
    let stops: [fn(Progress) -> bool; 2] = [
        |progress| matches!(progress, Progress::Step { epoch: 4, done: 2, .. }),
        |progress| matches!(progress, Progress::Epoch(metrics) if metrics.epoch == 4),
    ];
    for stop in stops {
        let observe = |progress: Progress| if stop(progress) { Next::Stop } else { Next::GoOn };
        let fitted = fit(&train, &val, 3, &OPTIONS, &device, observe).unwrap();
        assert_eq!(fitted.epochs.len(), 4);
        let scores = |epochs: &[kindling::head::EpochMetrics]| -> Vec<f64> {
            epochs.iter().map(|metrics| metrics.val_loss).collect()
        };
        assert_eq!(scores(&fitted.epochs), scores(&whole.epochs[..4]));
        let four = FitOptions { epochs: 4, ..OPTIONS };
        let expected = fit(&train, &val, 3, &four, &device, |_| ()).unwrap();
        assert_eq!(bits(&fitted.head), bits(&expected.head));
    }
}

#[test]
fn a_diverging_run_is_an_error_that_suggests_a_lower_learning_rate() {
    let device = cpu();
    let train = Examples { width: 1, rows: vec![2.0, -2.0, 2.0].into(), labels: vec![0, 1, 1] };
    let options = FitOptions { learning_rate: 3e38, ..OPTIONS };
    let error = fit(&train, &train, 2, &options, &device, |_| ()).unwrap_err();
    assert!(matches!(error, FitError::Diverged { .. }));
    assert!(error.to_string().contains("lower --lr"), "{error}");
}

/// Compares one step with the formula of the Adam paper, in f64, with a gradient derived by hand.
#[test]
fn a_step_of_training_is_adam_on_the_cross_entropys_gradient() {
    let device = cpu();
    let example = Examples { width: 2, rows: vec![0.5, -1.5].into(), labels: vec![1] };
    for weight_decay in [0.0, 0.1] {
        let options = FitOptions { epochs: 1, weight_decay, ..OPTIONS };
        let before = Head::seeded(2, 3, options.seed, &device);
        let after = fit(&example, &example, 3, &options, &device, |_| ()).unwrap().head;
        let numbers = |head: &Head| -> (Vec<f64>, Vec<f64>) {
            let one_hot = |row: [f32; 2]| {
                head.logits(&row, &device).into_iter().map(f64::from).collect::<Vec<_>>()
            };
            let bias = one_hot([0.0, 0.0]);
            let weight = [one_hot([1.0, 0.0]), one_hot([0.0, 1.0])]
                .iter()
                .flat_map(|row| {
                    row.iter().zip(&bias).map(|(sum, bias)| sum - bias).collect::<Vec<_>>()
                })
                .collect();
            (weight, bias)
        };
        let (weight, bias) = numbers(&before);
        let x = [0.5, -1.5];
        let logits: Vec<f64> = (0..3)
            .map(|class| x[0] * weight[class] + x[1] * weight[3 + class] + bias[class])
            .collect();
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let error: Vec<f64> = (0..3)
            .map(|class| logits[class].exp() / sum - if class == 1 { 1.0 } else { 0.0 })
            .collect();
        // In Adam's first step, m / (1 - b1) is the gradient and v / (1 - b2) its square.
        let step = |value: f64, gradient: f64| {
            let gradient = gradient + weight_decay * value;
            value - 1e-2 * gradient / (gradient.abs() + 1e-8)
        };
        let (new_weight, new_bias) = numbers(&after);
        for class in 0..3 {
            for row in 0..2 {
                let expected = step(weight[row * 3 + class], x[row] * error[class]);
                // The weight is read back through a sum with the bias, which adds rounding errors
                // of f32.
                assert!((new_weight[row * 3 + class] - expected).abs() < 1e-6);
            }
            assert!((new_bias[class] - step(bias[class], error[class])).abs() < 1e-6);
        }
    }
}

#[test]
fn the_backbone_is_bit_identical_after_training() {
    for (name, device) in cpu_devices() {
        let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
        let architecture = weights::architecture(&checkpoint).unwrap();
        let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
        let before = bits(&backbone);
        let photos = photos_in_two_colours();
        let paths: Vec<_> =
            (0..12).map(|index| photos.path().join(format!("{index}.png"))).collect();
        let extractor = Extractor::new(
            &backbone,
            Preprocessing { resize: 64, crop: 64, ..Preprocessing::IMAGENET },
            &device,
            5,
        );
        let extraction = extractor.all(&paths, |_| ()).unwrap();
        assert_eq!(extraction.photos.len(), 12);
        let examples = Examples {
            width: architecture.features(),
            rows: extraction.rows.into(),
            labels: (0..12).map(|index| index % 2).collect(),
        };
        let fitted = fit(&examples, &examples, 2, &OPTIONS, &device, |_| ()).unwrap();
        assert_eq!(fitted.best.train_accuracy, 1.0, "{name}");
        assert_eq!(bits(&backbone), before, "{name}");
        assert!(is_frozen(&backbone, &device), "{name}");
    }
}

/// Whether running the network twice gives the same bits, so that no running statistics changed.
fn is_frozen(backbone: &Backbone, device: &burn::tensor::Device) -> bool {
    let values = (0..3 * 32 * 32).map(|index| (index as f32 * 0.37).sin()).collect();
    let photo = Tensor::from_data(TensorData::new(values, [1, 3, 32, 32]), device);
    let run = || backbone.forward(photo.clone()).into_data();
    run() == run()
}

fn photos_in_two_colours() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..12u8 {
        let colour = if index % 2 == 0 { [200, 40 + index, 40] } else { [40, 40 + index, 200] };
        let photo = image::RgbImage::from_fn(70, 64, |x, y| {
            image::Rgb(colour.map(|value: u8| value.saturating_add(((x * y) % 40) as u8)))
        });
        photo.save(folder.path().join(format!("{index}.png"))).unwrap();
    }
    folder
}
