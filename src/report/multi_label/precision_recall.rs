//! The precision-recall curve of a class.

use plotters::prelude::*;

use super::Findings;
use crate::report::charts::{TRAIN, VALIDATION, svg, thinned, unit_square};

/// Most characters of a class name on an axis.
const MAX_NAME: usize = 24;

/// Recall and precision of a class at each threshold, and a dot at its own.
pub fn chart(findings: &Findings, class: usize) -> String {
    let points = points(findings, class);
    let own = &findings.scores.per_class[class];
    let name = findings.class(class);
    let name = match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    svg((440, 400), |area| {
        let mut chart = unit_square(area, &format!("recall of {name}"), "precision")?;
        chart.draw_series(LineSeries::new(thinned(&points), TRAIN.stroke_width(3)))?;
        // Without a photo that is said to show the class, there is no precision.
        let dot =
            (own.confusion[0][1] + own.confusion[1][1] > 0).then_some((own.recall, own.precision));
        chart.draw_series(dot.into_iter().map(|at| Circle::new(at, 5, VALIDATION.filled())))?;
        Ok(())
    })
}

/// Recall and precision, from the highest threshold on. Photos with equal logits pass together.
fn points(findings: &Findings, class: usize) -> Vec<(f64, f64)> {
    let content = findings.content;
    let classes = content.classes.len();
    let logit = |photo: &usize| content.logits[photo * classes + class];
    let mut order: Vec<usize> = (0..content.photos.len()).collect();
    order.sort_by(|one, other| logit(other).total_cmp(&logit(one)));
    let is_shown = |photo: &&usize| content.photos[**photo].label.contains(&class);
    let positives = order.iter().filter(is_shown).count();
    let (mut found, mut given) = (0, 0);
    let mut points = vec![(0.0, 1.0)];
    for equal in order.chunk_by(|one, other| logit(one) == logit(other)) {
        found += equal.iter().filter(is_shown).count();
        given += equal.len();
        points.push((found as f64 / positives.max(1) as f64, found as f64 / given as f64));
    }
    points
}
