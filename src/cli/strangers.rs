//! Photos that are unlike everything that the model was trained on: `predict --reject` calls them
//! unknown.

use std::path::Path;

use anyhow::Result;
use kindling::neighbours::{Neighbours, StrangerCount};
use kindling::printable::PathText;
use kindling::run::Model;
use serde::Serialize;

use super::terminal::{Hinted, counted};

/// The name for photos that are unlike those trained on.
pub const UNKNOWN: &str = "unknown";

/// How far a photo is from those trained on.
#[derive(Clone, Copy, Serialize)]
pub struct Stranger {
    #[serde(rename = "stranger_score")]
    pub score: f64,
    #[serde(rename = "stranger_threshold")]
    pub threshold: f64,
    #[serde(rename = "unknown")]
    pub is_unknown: bool,
}

impl Stranger {
    pub fn of(neighbours: &Neighbours, score: f64) -> Self {
        let (threshold, is_unknown) = (neighbours.threshold(), neighbours.is_stranger(score));
        Self { score, threshold, is_unknown }
    }
}

/// How many of `photos` are above the threshold, for people. `which` is the adjective of the
/// photos, such as `validation `.
pub fn line(strangers: &StrangerCount, photos: usize, which: &str) -> String {
    let StrangerCount { stranger_threshold, unknown } = strangers;
    let share = 100.0 * *unknown as f64 / photos.max(1) as f64;
    let photos = counted(photos, &format!("{which}photo"));
    format!(
        "strangers {unknown} of {photos} ({share:.1} %), with a score above {stranger_threshold:.4}: \
         {UNKNOWN} for `predict --reject`"
    )
}

/// The neighbours of a model that `--reject` needs.
///
/// # Errors
/// If the model has none.
pub fn required<'a>(model: &'a Model, path: &Path) -> Result<&'a Neighbours> {
    model.neighbours.as_ref().ok_or_else(|| {
        let message = format!("`{}` has no stranger scores, which --reject needs", path.shown());
        let hint = match model.config {
            Some(_) => "train again, or omit --reject",
            None => "give a run folder, because model files have none, or omit --reject",
        };
        Hinted::new(message, vec![hint.into()]).into()
    })
}
