//! The features that the model is trained on, for the score of strangers.

use anyhow::Result;
use kindling::head::Head;
use kindling::neighbours::{Neighbours, StrangerCount, TrainedOn, model_digest};
use kindling::photos::{Label, Split};
use kindling::report::Strangers;
use kindling::run::NEIGHBOURS_FILE;
use kindling::seed::{Purpose, generator};
use rand::seq::SliceRandom;

use super::TrainArgs;
use super::extract::Extracted;
use super::fit::head_device;
use super::load::Loaded;

/// Photos whose features are looked at, if they are in a file. Fewer are kept.
const SAMPLED: usize = 32_768;

/// The neighbours, and how far the validation photos are from them.
pub struct Measured {
    neighbours: Neighbours,
    /// The score of each validation photo.
    scores: Vec<f64>,
}

/// Keeps the training photos' features, and scores the validation photos. Returns `None` if there
/// are too few photos. Of features in a file, those of a random sample are looked at.
pub fn measure<L: Label>(
    args: &TrainArgs,
    loaded: &Loaded,
    split: &Split<L>,
    extracted: &Extracted<L>,
) -> Result<Option<Measured>> {
    let Extracted { train, val, extraction, .. } = extracted;
    let device = head_device(loaded);
    let width = train.width;
    let photos = &extraction.photos[..train.labels.len()];
    let mut groups: Vec<Option<usize>> =
        photos.iter().map(|index| split.train[*index].group).collect();
    let mut classes = rarest_classes(&train.labels, split.classes.len());
    // A copy of all rows is only made if there are several views.
    let (first_views, sampled);
    let rows = match train.rows.in_memory() {
        Some(rows) if train.views() == 1 => rows,
        Some(_) => {
            first_views = train.first_views().rows;
            first_views.values()
        }
        None => {
            let mut photos: Vec<usize> = (0..classes.len()).collect();
            photos.shuffle(&mut generator(args.seed, Purpose::Neighbours));
            photos.truncate(SAMPLED);
            photos.sort_unstable();
            groups = photos.iter().map(|photo| groups[*photo]).collect();
            classes = photos.iter().map(|photo| classes[*photo]).collect();
            sampled = train.rows.gather(&photos, width)?;
            &sampled
        }
    };
    let trained_on = TrainedOn { width, rows, classes: &classes, groups: &groups };
    let Some(neighbours) = Neighbours::of(trained_on, args.seed, &device) else {
        return Ok(None);
    };
    let mut scores = Vec::with_capacity(val.labels.len());
    for block in val.first_views().rows.blocks(width) {
        scores.extend(neighbours.scores(&block?, &device));
    }
    Ok(Some(Measured { neighbours, scores }))
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
