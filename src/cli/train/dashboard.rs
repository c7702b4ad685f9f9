//! Burn's training dashboard, fed from our own training loop.
//!
//! It takes the whole terminal (the alternate screen) while the epochs run. Nothing else may write
//! there meanwhile, so the lines of the epochs are printed when it has closed; they, and all that was
//! printed before, then stand in the ordinary scrollback.
//!
//! Burn knows two ways out of it. `stop` sets a flag, which here ends the training after the running
//! epoch. `kill` panics, in the dashboard's thread and at the next event that is sent to it; both are
//! caught, and the command ends with an error before anything has been written. (Burn also prints
//! `Training killed by user.`, once, as it gives the terminal back.) The terminal is raw meanwhile, so
//! Ctrl-C is a key like any other, and Burn gives it no meaning.

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

use super::Speaker;
use crate::cli::terminal::warn;

/// Burn draws ten times a second; more news than twice that is work for nothing.
const BETWEEN_STEPS: Duration = Duration::from_millis(50);

/// The name of the thread that draws.
const DRAWING: &str = "train-renderer";

/// Runs `fit` under the dashboard, then prints the lines of its epochs.
///
/// # Errors
/// Those of `fit`, and where the user killed the training.
pub fn watched(
    say: &Speaker,
    epochs: usize,
    fit: impl FnOnce(&mut dyn FnMut(Progress) -> Next) -> Result<Fitted, FitError>,
) -> Result<Fitted> {
    let mut seen = Vec::new();
    let broke = without_its_own_panics();
    let silence = Silence::begin();
    let mut dashboard = Dashboard::open(epochs);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        fit(&mut |progress| {
            if let Progress::Epoch(metrics) = progress {
                seen.push(*metrics);
            }
            dashboard.show(progress)
        })
    }));
    // Closing sends an event too, so a kill of the last moment is met here.
    let closed = catch_unwind(AssertUnwindSafe(|| drop(dashboard)));
    drop(silence);
    for metrics in &seen {
        say.epoch(metrics);
    }
    if broke.load(Ordering::Relaxed) {
        warn("the dashboard broke off, and the training went on without it");
    }
    match (outcome, closed) {
        (Ok(fitted), Ok(())) => Ok(fitted?),
        (Err(panic), _) if !is_kill(panic.as_ref()) => resume_unwind(panic),
        (_, Err(panic)) if !is_kill(panic.as_ref()) => resume_unwind(panic),
        _ => bail!("the training was killed on the dashboard, so there is no run"),
    }
}

/// A panic of the thread that draws is no panic of the training: nothing is printed for it, and the
/// answer says afterwards whether there was one.
fn without_its_own_panics() -> Arc<AtomicBool> {
    let broke = Arc::new(AtomicBool::new(false));
    let (previous, told) = (take_hook(), broke.clone());
    set_hook(Box::new(move |panic| {
        if thread::current().name() == Some(DRAWING) {
            told.store(true, Ordering::Relaxed);
        } else {
            previous(panic);
        }
    }));
    broke
}

/// What Burn's `kill` panics with.
fn is_kill(panic: &(dyn Any + Send)) -> bool {
    panic.downcast_ref::<&str>().is_some_and(|text| text.starts_with("Killing training"))
}

/// No line of a log on the terminal that the dashboard has.
struct Silence(log::LevelFilter);

impl Silence {
    fn begin() -> Self {
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
}

impl Dashboard {
    fn open(epochs: usize) -> Self {
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
        Self { renderer, interrupter, shown: Instant::now() }
    }

    /// # Panics
    /// Where the user has killed the training.
    fn show(&mut self, progress: Progress) -> Next {
        match progress {
            Progress::Step { epoch, done, of } => {
                if done == 1 {
                    self.renderer.start_split("train", of);
                }
                // An epoch may be over before the next picture is drawn: then it is shown as done.
                let first_of_all = epoch == 1 && done == 1;
                if first_of_all || done == of || self.shown.elapsed() >= BETWEEN_STEPS {
                    self.shown = Instant::now();
                    self.renderer.update_split(done);
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
            // A tick without a point. Long plots are thinned to the ticks that 2, 4, 8 ... divide:
            // with two ticks an epoch one of the two lines would end there.
            self.renderer.update_valid(state(val, None));
        }
        self.renderer.end_split();
        self.renderer.update_epoch(epoch);
    }
}

const LOSS: &str = "Loss";
const ACCURACY: &str = "Accuracy";

fn id(metric: &str) -> MetricId {
    MetricId::new(Arc::new(metric.to_owned()))
}

fn entry(metric: &str, value: f64) -> MetricEntry {
    MetricEntry::new(id(metric), SerializedEntry::new(format!("{value:.4}"), value.to_string()))
}
