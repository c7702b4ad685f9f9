//! The optimum of the head, its loss and its choice, against scikit-learn and PyTorch.

use burn::tensor::{Tensor, TensorData};
use kindling::head::{
    ClassWeights, Examples, FitOptions, Head, L2Options, Monitor, Target, fit, fit_epochs, fit_l2,
    select_c,
};

use crate::reference::{bits, cpu};

/// 90 examples of overlapping classes.
fn problem(classes: usize) -> Examples {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for index in 0..90 {
        let label = index * index / 3 % classes;
        for feature in 0..4 {
            let wave = (index as f64 * 1.3 + (feature * feature) as f64 * 0.7 + 0.2).sin();
            let own = if feature == label { 2.0 } else { 0.0 };
            rows.push((wave * 1.5 * (feature + 1) as f64 + own + 0.5) as f32);
        }
        labels.push(label);
    }
    Examples { width: 4, rows: rows.into(), labels }
}

fn agree(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
    }
}

/// scikit-learn 1.9.1: `LogisticRegression(C=..., tol=1e-12, max_iter=100000)` on the features
/// minus their mean, over the root mean square of all of these, and back to the features.
#[test]
fn the_optimum_is_that_of_scikit_learn() {
    let device = cpu();
    let three = problem(3);
    let head = fit_l2(&three, 3, &L2Options::of(0.5), &device);
    #[rustfmt::skip]
    agree(&head.weight(), &[
        0.847671, -0.133146, -0.045651, -0.182131, -0.483617, 0.384338, -0.374062, -0.235007,
        -0.364054, -0.251192, 0.419713, 0.417138,
    ]);
    agree(&head.bias(), &[-0.340073, 0.485168, -0.145094]);

    let balanced = L2Options { class_weights: ClassWeights::Loss, ..L2Options::of(0.5) };
    let head = fit_l2(&three, 3, &balanced, &device);
    #[rustfmt::skip]
    agree(&head.weight(), &[
        0.807094, -0.131106, -0.04802, -0.174797, -0.475886, 0.44014, -0.439476, -0.30843,
        -0.331208, -0.309035, 0.487496, 0.483227,
    ]);
    agree(&head.bias(), &[-0.64366, 0.691652, -0.047992]);

    // For two classes, scikit-learn has one row: the difference of the two.
    let head = fit_l2(&problem(2), 2, &L2Options::of(2.0), &device);
    let weight = head.weight();
    let row: Vec<f32> = (0..4).map(|at| weight[4 + at] - weight[at]).collect();
    agree(&row, &[-1.722777, 0.751379, -0.523205, -0.239632]);
    agree(&[head.bias()[1] - head.bias()[0]], &[1.838254]);
}

#[test]
fn views_of_a_photo_share_its_weight() {
    let device = cpu();
    let once = problem(3);
    let rows = once.rows.values().chunks(4).flat_map(|row| [row, row].concat()).collect();
    let twice = Examples { rows, ..once.clone() };
    let [one, other] =
        [&once, &twice].map(|examples| fit_l2(examples, 3, &L2Options::of(0.1), &device).weight());
    agree(&one, &other.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
}

/// `CrossEntropyLoss(weight=..., label_smoothing=...)` of PyTorch 2 in float64: the loss and the
/// gradient of the logits.
#[test]
fn the_weighted_and_smoothed_loss_is_that_of_pytorch() {
    let device = cpu();
    let logits = [0.5f32, -1.2, 2.0, 1.5, 0.3, -0.7, -0.4, 0.9, 0.1, 2.2, -0.5, 0.6];
    let labels = [2, 0, 0, 1];
    // Four, two and six training photos of the classes: the weights are 1, 2 and 2/3, or those of
    // the effective numbers.
    let train = [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2];
    let (none, weighted, effective) =
        (ClassWeights::None, ClassWeights::Loss, ClassWeights::Effective);
    #[rustfmt::skip]
    let cases = [(none, 0.1, 1.361_062_469, [
        0.035802181, -0.000270502, -0.035531679, -0.056279179, 0.044994353, 0.011284826,
        -0.193763962, 0.13685843, 0.056905531, 0.188656344, -0.220094541, 0.031438197,
    ]), (weighted, 0.0, 1.761_677_304, [
        0.025220294, 0.004607332, -0.029827626, -0.062525011, 0.045709445, 0.016815565,
        -0.180369110, 0.124450083, 0.055919027, 0.337696590, -0.405876356, 0.068179766,
    ]), (weighted, 0.1, 1.764_485_959, [
        0.020179128, -0.009294438, -0.010884690, -0.044866836, 0.032439497, 0.012427340,
        -0.165329693, 0.112929926, 0.052399767, 0.317421088, -0.378187514, 0.060766426,
    ]), (effective, 0.2, 1.766_633_960, [
        0.015159109, -0.023171193, 0.008012083, -0.027229914, 0.019199526, 0.008030388,
        -0.150336207, 0.101456237, 0.048879970, 0.296945338, -0.350246570, 0.053301232,
    ])];
    for (class_weights, label_smoothing, loss, gradient) in cases {
        let options = FitOptions { class_weights, label_smoothing, ..FitOptions::DEFAULT };
        let autodiff = device.clone().autodiff();
        let criterion = usize::criterion(&options, 3, &train, &autodiff);
        let rows: Tensor<2> =
            Tensor::from_data(TensorData::new(logits.to_vec(), [4, 3]), &autodiff).require_grad();
        let found = usize::loss(&criterion, rows.clone(), &labels.each_ref(), &device);
        let gradients = found.backward();
        agree(&[found.into_data().iter::<f32>().next().unwrap()], &[loss]);
        let found: Vec<f32> = rows.grad(&gradients).unwrap().into_data().iter::<f32>().collect();
        agree(&found, &gradient);
    }
}

#[test]
fn half_the_log_prior_is_subtracted_from_the_bias_of_the_head_that_is_scored_and_kept() {
    let device = cpu();
    let train = problem(3);
    let options = FitOptions { epochs: 3, ..FitOptions::DEFAULT };
    let shifted = FitOptions { class_weights: ClassWeights::LogitHalf, ..options };
    let plain = fit(&train, &train, 3, &options, &device, |_| ()).unwrap();
    let adjusted = fit(&train, &train, 3, &shifted, &device, |_| ()).unwrap();
    // 50, 20 and 20 of 90 photos. Training is the same, so each epoch's head differs by the shift.
    let shift = [50.0f64, 20.0, 20.0].map(|count| -0.5 * (count / 90.0).ln());
    let last = |weights| {
        let options = FitOptions { class_weights: weights, ..options };
        fit_epochs(&train, 3, &options, &device, |_| ()).unwrap()
    };
    let (one, other) = (last(ClassWeights::None), last(ClassWeights::LogitHalf));
    assert_eq!(one.weight(), other.weight());
    let expected: Vec<f64> =
        one.bias().iter().zip(shift).map(|(bias, shift)| f64::from(*bias) + shift).collect();
    agree(&other.bias(), &expected);
    let logits = adjusted.head.logits(train.rows.values(), &device);
    let scores = kindling::evaluation::Scores::of(3, &logits, &train.labels);
    assert_eq!(scores.loss, adjusted.best.val_loss);
    assert_eq!(Some(scores.macro_f1), adjusted.best.val_macro_f1);
    assert_ne!(plain.epochs[0].val_loss, adjusted.epochs[0].val_loss);
    // The regularised optimum is shifted likewise.
    let optimum = |class_weights| {
        fit_l2(&train, 3, &L2Options { class_weights, ..L2Options::of(1.0) }, &device).bias()
    };
    let (one, other) = (optimum(ClassWeights::None), optimum(ClassWeights::LogitFull));
    let expected: Vec<f64> =
        one.iter().zip(shift).map(|(bias, shift)| f64::from(*bias) + 2.0 * shift).collect();
    agree(&other, &expected);
}

#[test]
fn the_monitored_score_decides_which_epoch_is_kept() {
    let device = cpu();
    let train = problem(3);
    // Other examples of the same classes, so that the scores rise and fall.
    let val = Examples {
        rows: train.rows.values().iter().map(|value| value * 0.4 + 0.3).collect(),
        ..train.clone()
    };
    for monitor in [Monitor::Accuracy, Monitor::MacroF1, Monitor::Loss] {
        let options =
            FitOptions { epochs: 12, learning_rate: 0.05, monitor, ..FitOptions::DEFAULT };
        let fitted = fit(&train, &val, 3, &options, &device, |_| ()).unwrap();
        let score = |metrics: &kindling::head::EpochMetrics| match monitor {
            Monitor::Accuracy => metrics.val_accuracy,
            Monitor::MacroF1 => metrics.val_macro_f1.unwrap(),
            Monitor::Loss => -metrics.val_loss,
        };
        let best = fitted.epochs.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(score(&fitted.best), best, "{monitor:?}");
    }
}

#[test]
fn a_given_number_of_epochs_trains_as_the_loop_with_validation_does() {
    let device = cpu();
    let train = problem(3);
    let options = FitOptions { epochs: 4, ..FitOptions::DEFAULT };
    let head: Head = fit_epochs(&train, 3, &options, &device, |_| ()).unwrap();
    // The training photos' accuracy may be best before the last epoch; the loss falls throughout.
    let monitored = FitOptions { monitor: Monitor::Loss, ..options };
    let fitted = fit(&train, &train, 3, &monitored, &device, |_| ()).unwrap();
    assert_eq!((fitted.best.epoch, bits(&fitted.head)), (4, bits(&head)));
}

#[test]
fn the_strength_of_the_penalty_is_chosen_by_cross_validation() {
    let device = cpu();
    let train = problem(3);
    let folds: Vec<usize> = (0..90).map(|photo| photo / 3 % 5).collect();
    let options = L2Options::of(1.0);
    let selection = select_c(&train, 3, &folds, &options, Monitor::Loss, &device).unwrap();
    let best = selection.candidates.iter().min_by(|one, other| one.loss.total_cmp(&other.loss));
    assert_eq!(selection.c, best.unwrap().c);
    // The scores of a candidate are those of heads that were fitted without the fold.
    let candidate = selection.candidates[4];
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for fold in 0..5 {
        let part = |held: bool| -> Vec<usize> {
            (0..90).filter(|photo| (folds[*photo] == fold) == held).collect()
        };
        // All photos give the scale of the features.
        let (rest, held) = (train.subset(&part(false)), train.subset(&part(true)));
        let head = fit_l2(&rest, 3, &L2Options::of(candidate.c), &device);
        logits.extend(head.logits(held.rows.values(), &device));
        labels.extend(held.labels);
    }
    let scores = kindling::evaluation::Scores::of(3, &logits, &labels);
    assert!((scores.loss - candidate.loss).abs() < 0.02, "{} {candidate:?}", scores.loss);
}
