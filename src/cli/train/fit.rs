//! The third step of `train`: the head, trained on the features.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use kindling::device;
use kindling::head::{self, FitOptions, Next};

use super::TrainArgs;
use super::console::Console;
use super::extract::Extracted;
use super::load::Loaded;
use super::watch::Watch;
use crate::cli::interrupt;

/// A trained head and its raw logits for the validation photos.
pub struct Fitted {
    /// The head and the metrics of every epoch.
    pub fitted: head::Fitted,
    /// Logits of the validation photos, `[photos, classes]`.
    pub logits: Vec<f32>,
    pub seconds: f64,
}

/// The device of the head: the processor, whatever device computed the features. An epoch on some
/// hundred rows takes milliseconds (benches/RESULTS.md).
pub fn head_device(loaded: &Loaded) -> Device {
    device::processor().unwrap_or_else(|| loaded.device.clone())
}

/// Trains the head.
pub fn fit(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted,
    classes: usize,
    watch: Watch,
    console: &Console,
) -> Result<Fitted> {
    let Extracted { train, val, .. } = extracted;
    let options = FitOptions {
        epochs: args.epochs as usize,
        batch_size: args.batch_size as usize,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        seed: args.seed,
        patience: args.patience.map(|epochs| epochs as usize),
        ..FitOptions::DEFAULT
    };
    let device = head_device(loaded);
    let start = Instant::now();
    let fitted = watch.training(console, options.epochs, train.labels.len(), |observe| {
        head::fit(train, val, classes, &options, &device, |progress| {
            let next = observe(progress);
            if interrupt::received() { Next::Abandon } else { next }
        })
    });
    if let Some(interrupted) = interrupt::error(&extracted.extractor) {
        return Err(interrupted);
    }
    let fitted = fitted?;
    let seconds = start.elapsed().as_secs_f64();
    let logits = fitted.head.logits(&val.rows, &device);
    Ok(Fitted { fitted, logits, seconds })
}
