//! The features that the model is trained on, for the score of strangers.

use kindling::head::Head;
use kindling::neighbours::{Neighbours, StrangerCount, TrainedOn, model_digest};
use kindling::photos::{Label, Split};
use kindling::report::Strangers;
use kindling::run::NEIGHBOURS_FILE;

use super::TrainArgs;
use super::extract::Extracted;
use super::fit::head_device;
use super::load::Loaded;

/// The neighbours, and how far the validation photos are from them.
pub struct Measured {
    neighbours: Neighbours,
    /// The score of each validation photo.
    scores: Vec<f64>,
}

/// Keeps the training photos' features, and scores the validation photos. Returns `None` if there
/// are too few photos.
pub fn measure<L: Label>(
    args: &TrainArgs,
    loaded: &Loaded,
    split: &Split<L>,
    extracted: &Extracted<L>,
) -> Option<Measured> {
    let Extracted { train, val, extraction, .. } = extracted;
    let device = head_device(loaded);
    let photos = &extraction.photos[..train.labels.len()];
    let groups: Vec<Option<usize>> = photos.iter().map(|index| split.train[*index].group).collect();
    // A copy of all rows is only made if there are several views.
    let first_views = (train.views() > 1).then(|| train.first_views().rows);
    let (width, rows) = (train.width, first_views.as_ref().unwrap_or(&train.rows));
    let classes = rarest_classes(&train.labels, split.classes.len());
    let trained_on = TrainedOn { width, rows, classes: &classes, groups: &groups };
    let neighbours = Neighbours::of(trained_on, args.seed, &device)?;
    let scores = neighbours.scores(&val.first_views().rows, &device);
    Some(Measured { neighbours, scores })
}

/// The rarest class of each photo. Photos without a class are a kind of their own.
fn rarest_classes<L: Label>(labels: &[L], classes: usize) -> Vec<usize> {
    let mut photos = vec![0_usize; classes];
    labels.iter().flat_map(Label::classes).for_each(|class| photos[*class] += 1);
    let rarest = |label: &L| label.classes().iter().copied().min_by_key(|class| photos[*class]);
    labels.iter().map(|label| rarest(label).unwrap_or(classes)).collect()
}

impl Measured {
    /// The validation photos that would be refused.
    pub fn count(&self) -> StrangerCount {
        self.neighbours.count(&self.scores)
    }

    /// The scores, for the report.
    pub fn strangers(&self) -> Strangers<'_> {
        Strangers { scores: &self.scores, threshold: self.neighbours.threshold() }
    }

    /// The file of the run.
    pub fn file(&self, head: &Head) -> (&'static str, Vec<u8>) {
        (NEIGHBOURS_FILE, self.neighbours.to_bytes(&model_digest(head)))
    }
}
