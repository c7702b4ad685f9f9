//! Burn's training dashboard, driven by our own training loop.
//!
//! The dashboard takes over the terminal (the alternate screen) while the epochs run. Nothing else
//! may write to the terminal during that time, so the lines of the epochs are printed after it
//! closes. They follow the earlier output in the ordinary scrollback.
//!
//! Burn offers two ways to end the training early. `stop` sets a flag, and the training ends after
//! the current epoch. `kill` panics in the dashboard's thread and at the next event sent to it.
//! Both panics are caught, and the command fails before it writes anything. (Burn also prints
//! `Training killed by user.` once, when it restores the terminal.) The terminal is in raw mode, so
//! Ctrl-C is an ordinary key, which Burn ignores.

use std::any::Any;
use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::train::Interrupter;
use burn::train::logger::TrainingProgressLogger;
use burn::train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use kindling::head::{EpochMetrics, FitError, Fitted, Next, Progress};

use super::console::Console;
use crate::cli::terminal::warn;

/// Minimum time between step updates. Burn redraws ten times a second, so updating more than twice
/// as often is wasted work.
const BETWEEN_STEPS: Duration = Duration::from_millis(50);

/// The name of Burn's drawing thread.
const DRAWING: &str = "train-renderer";

/// Runs `fit` under the dashboard, then prints the lines of its epochs.
///
/// # Errors
/// Those of `fit`, and an error if the user killed the training.
pub fn watched(
    console: &Console,
    epochs: usize,
    photos: usize,
    fit: impl FnOnce(&mut dyn FnMut(Progress) -> Next) -> Result<Fitted, FitError>,
) -> Result<Fitted> {
    let mut seen = Vec::new();
    let crashed = watch_for_crash();
    let silence = Silence::start();
    let mut dashboard = Dashboard::open(epochs, photos);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        fit(&mut |progress| {
            if let Progress::Epoch(metrics) = progress {
                seen.push(*metrics);
            }
            dashboard.show(progress)
        })
    }));
    // Closing sends an event too, so a kill at the last moment panics here.
    let closed = catch_unwind(AssertUnwindSafe(|| drop(dashboard)));
    drop(silence);
    for metrics in &seen {
        console.epoch(metrics);
    }
    if crashed.load(Ordering::Relaxed) {
        warn("the dashboard crashed, and the training continued without it");
    }
    match (outcome, closed) {
        (Ok(fitted), Ok(())) => Ok(fitted?),
        (Err(panic), _) if !is_kill(panic.as_ref()) => resume_unwind(panic),
        (_, Err(panic)) if !is_kill(panic.as_ref()) => resume_unwind(panic),
        _ => bail!("the training was killed on the dashboard, so there is no run"),
    }
}

/// Installs a panic hook that prints nothing for a panic of the drawing thread, because the
/// training goes on without it. The returned flag is set if there was such a panic.
fn watch_for_crash() -> Arc<AtomicBool> {
    let crashed = Arc::new(AtomicBool::new(false));
    let (previous, flag) = (take_hook(), crashed.clone());
    set_hook(Box::new(move |panic| {
        if thread::current().name() == Some(DRAWING) {
            flag.store(true, Ordering::Relaxed);
        } else {
            previous(panic);
        }
    }));
    crashed
}

/// Whether the panic is that of Burn's `kill`.
fn is_kill(panic: &(dyn Any + Send)) -> bool {
    panic.downcast_ref::<&str>().is_some_and(|text| text.starts_with("Killing training"))
}

/// Turns logging to the terminal off while the dashboard is open.
struct Silence(log::LevelFilter);

impl Silence {
    fn start() -> Self {
        let level = log::max_level();
        if io::stderr().is_terminal() {
            log::set_max_level(log::LevelFilter::Off);
        }
        Self(level)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        log::set_max_level(self.0);
    }
}

struct Dashboard {
    renderer: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    shown: Instant,
    /// Number of training photos.
    photos: usize,
}

impl Dashboard {
    fn open(epochs: usize, photos: usize) -> Self {
        let interrupter = Interrupter::new();
        let mut renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        for (metric, higher_is_better) in [(LOSS, false), (ACCURACY, true)] {
            renderer.register_metric(MetricDefinition {
                metric_id: id(metric),
                name: Arc::new(metric.to_owned()),
                description: None,
                attributes: NumericAttributes { unit: None, higher_is_better }.into(),
            });
        }
        renderer.start(epochs, 1, None, Some("the new layer"));
        Self { renderer, interrupter, shown: Instant::now(), photos }
    }

    /// Shows the progress, and returns whether to continue.
    ///
    /// # Panics
    /// If the user killed the training.
    fn show(&mut self, progress: Progress) -> Next {
        match progress {
            Progress::Step { epoch, done, of } => {
                if done == 1 {
                    self.renderer.start_split("train", self.photos);
                }
                // An epoch may end before the next update is due, so its last step is always shown.
                let first_of_all = epoch == 1 && done == 1;
                if first_of_all || done == of || self.shown.elapsed() >= BETWEEN_STEPS {
                    self.shown = Instant::now();
                    // Burn calls what it counts "items": photos, not steps.
                    self.renderer.update_split(photos_after(done, of, self.photos));
                }
            }
            Progress::Epoch(metrics) => self.epoch(metrics),
        }
        match self.interrupter.should_stop() {
            true => Next::Stop,
            false => Next::GoOn,
        }
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        let EpochMetrics { epoch, train_loss, train_accuracy, val_loss, val_accuracy, .. } =
            *metrics;
        for (metric, train, val) in
            [(LOSS, train_loss, val_loss), (ACCURACY, train_accuracy, val_accuracy)]
        {
            let state = |value, point| MetricState::Numeric(entry(metric, value), point);
            self.renderer.update_train(state(train, Some(NumericEntry::Value(train))));
            self.renderer.update_valid(state(val, Some(NumericEntry::Value(val))));
            // A tick without a point. Burn thins long plots to the ticks divisible by 2, 4, 8, ...:
            // with two ticks per epoch, one of the two lines would lose all its points.
            self.renderer.update_valid(state(val, None));
        }
        self.renderer.end_split();
        self.renderer.update_epoch(epoch);
    }
}

/// The names of the plots. Burn numbers their horizontal axis by ticks, of which an epoch takes
/// three, and gives it no title, so the name says so.
const LOSS: &str = "Loss (x: 3 per epoch)";
const ACCURACY: &str = "Accuracy (x: 3 per epoch)";

/// The number of photos that `done` of `steps` optimiser steps have trained on. All steps but the
/// last take equally many.
fn photos_after(done: usize, steps: usize, photos: usize) -> usize {
    (done * photos.div_ceil(steps.max(1))).min(photos)
}

fn id(metric: &str) -> MetricId {
    MetricId::new(Arc::new(metric.to_owned()))
}

fn entry(metric: &str, value: f64) -> MetricEntry {
    MetricEntry::new(id(metric), SerializedEntry::new(format!("{value:.4}"), value.to_string()))
}
