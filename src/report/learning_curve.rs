//! The learning curve: whether more photos would help.

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

use super::charts::{Drawn, FONT, GRID, INK, TRAIN, VALIDATION, svg};
use crate::head::{CurvePoint, LearningCurve};

/// The chart and what it says.
pub fn section(curve: &LearningCurve) -> Markup {
    let sentence = curve.sentence();
    // The sentence begins in lower case, as the terminal shows it.
    let (first, rest) = sentence.split_at(sentence.len().min(1));
    html! {
        section #learning-curve {
            h2 { "Would more photos help?" }
            div .chart { (PreEscaped(chart(curve))) }
            p { strong { (first.to_uppercase()) (rest) "." } }
            p .note {
                "Each point is the accuracy on the validation photos of heads that were trained on a share of the training photos: "
                "the mean of several draws, with its 95 % interval. The last point extrapolates the others by a power law of the "
                "error, to twice as many photos of the same kind. These heads are regularised more strongly than the model itself, so "
                "their accuracy may differ a little from the model's."
            }
            details {
                summary { "Points" }
                table #learning-points {
                    thead { tr {
                        th scope="col" { "training photos" } th scope="col" { "draws" }
                        th scope="col" { "accuracy" } th scope="col" { "95 % interval" }
                    } }
                    tbody { @for point in &curve.points {
                        tr {
                            th scope="row" { (point.photos) } td { (point.draws) }
                            td { (format!("{:.4}", point.accuracy)) }
                            td { (format!("{:.4} to {:.4}", point.accuracy_interval.0, point.accuracy_interval.1)) }
                        }
                    } }
                }
            }
        }
    }
}

/// Accuracy by the number of training photos, on a logarithmic scale.
fn chart(curve: &LearningCurve) -> String {
    let LearningCurve { points, doubled } = curve;
    let last = points.last().map_or(0.0, |point| point.accuracy);
    let beyond = CurvePoint {
        photos: doubled.photos,
        draws: 0,
        accuracy: doubled.accuracy,
        accuracy_interval: (
            (last + doubled.gain_interval.0).clamp(0.0, 1.0),
            (last + doubled.gain_interval.1).clamp(0.0, 1.0),
        ),
    };
    let all = || points.iter().chain([&beyond]);
    let lowest = all().map(|point| point.accuracy_interval.0).fold(1.0, f64::min);
    let bottom = ((lowest * 20.0).floor() / 20.0 - 0.05).max(0.0);
    let at = |photos: usize| (photos.max(1) as f64).log2();
    let ends =
        (points.first().map_or(0.0, |point| at(point.photos)) - 0.3, at(beyond.photos) + 0.3);
    svg((560, 340), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(20)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(ends.0..ends.1, bottom..1.0 + (1.0 - bottom) * 0.05)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(0)
            .y_label_formatter(&|value| format!("{value:.2}"))
            .x_desc("training photos")
            .y_desc("accuracy")
            .label_style((FONT, 13).into_font().color(&INK))
            .draw()?;
        let known: Vec<(f64, f64)> =
            points.iter().map(|point| (at(point.photos), point.accuracy)).collect();
        let end = (at(beyond.photos), beyond.accuracy);
        chart.draw_series(LineSeries::new(known.iter().copied(), TRAIN.stroke_width(2)))?;
        if let Some(last) = known.last() {
            let line = DashedLineSeries::new([*last, end], 6, 4, VALIDATION.stroke_width(2));
            chart.draw_series(line)?;
        }
        let style = |point: &CurvePoint| if point.draws == 0 { VALIDATION } else { TRAIN };
        chart.draw_series(all().map(|point| {
            let (x, (low, high)) = (at(point.photos), point.accuracy_interval);
            PathElement::new([(x, low), (x, high)], style(point).stroke_width(1))
        }))?;
        chart.draw_series(all().map(|point| {
            Circle::new((at(point.photos), point.accuracy), 4, style(point).filled())
        }))?;
        numbers(&mut chart, all().map(|point| (at(point.photos), point.photos)), bottom)
    })
}

/// Writes the number of photos of each point below the axis.
fn numbers(
    chart: &mut ChartContext<
        '_,
        SVGBackend<'_>,
        Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
    >,
    numbers: impl Iterator<Item = (f64, usize)>,
    bottom: f64,
) -> Drawn {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let label = TextStyle::from((FONT, 13).into_font()).color(&INK);
    let label = label.pos(Pos::new(HPos::Center, VPos::Top));
    // Six pixels below the axis.
    let texts = numbers.map(|(x, photos)| {
        EmptyElement::at((x, bottom)) + Text::new(photos.to_string(), (0, 6), label.clone())
    });
    chart.draw_series(texts).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Doubled;

    #[test]
    fn a_curve_is_drawn_with_its_extrapolation_whatever_its_values() {
        let point = |photos, accuracy| CurvePoint {
            photos,
            draws: 5,
            accuracy,
            accuracy_interval: (accuracy - 0.05, accuracy),
        };
        for (accuracy, gain_interval) in
            [(0.8, (-0.01, 0.1)), (0.0, (-1.0, 1.0)), (1.0, (0.0, 0.0))]
        {
            let curve = LearningCurve {
                points: [10, 20, 50, 100].map(|photos| point(photos, accuracy)).into(),
                doubled: Doubled { photos: 200, accuracy, gain: 0.0, gain_interval },
            };
            let page = section(&curve).into_string();
            assert!(page.contains("More training photos may not help"), "{page}");
            assert!(page.contains("200") && !page.contains("NaN"), "{page}");
        }
    }
}
