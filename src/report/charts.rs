//! The SVG charts: loss and accuracy curves, reliability diagram and ROC curve.
//!
//! Each is a standalone drawing, dark on white. On the page, `style.css` replaces these colours to
//! suit the theme, so it must list the same values.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::MARK;
use crate::evaluation::{Calibration, Roc};
use crate::head::EpochMetrics;

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Blue and vermilion of the Okabe-Ito palette, which colour-blind readers can distinguish.
pub(super) const TRAIN: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VALIDATION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub(super) const FONT: &str = "sans-serif";

/// The result of drawing with plotters. Drawing into a string never fails.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What the loss and the accuracy of an epoch are called, above their charts.
pub type Captions = [&'static str; 2];

/// The captions if a photo has one class.
pub const CAPTIONS: Captions = ["Loss (cross-entropy, nats)", "Accuracy"];

/// Loss and accuracy of each epoch, side by side, with a line at the epoch that was kept.
pub fn curves(epochs: &[EpochMetrics], best: usize, captions: Captions) -> String {
    let [loss, accuracy] = Panel::of(epochs, captions);
    svg((900, 340), |canvas| {
        let (left, right) = canvas.split_horizontally(450);
        loss.draw(&left, epochs, best)?;
        accuracy.draw(&right, epochs, best)
    })
}

/// Loss and accuracy of each epoch, as drawings of their own, which a narrow page can stack.
pub fn panels(epochs: &[EpochMetrics], best: usize, captions: Captions) -> [String; 2] {
    Panel::of(epochs, captions)
        .map(|panel| svg((450, 340), |canvas| panel.draw(canvas, epochs, best)))
}

/// One chart over the epochs.
struct Panel {
    caption: &'static str,
    /// The metric on the training and on the validation photos.
    values: [fn(&EpochMetrics) -> f64; 2],
    range: (f64, f64),
}

impl Panel {
    /// The panels of the loss and of the accuracy.
    fn of(epochs: &[EpochMetrics], captions: Captions) -> [Self; 2] {
        let extreme = |values: [fn(&EpochMetrics) -> f64; 2], of: fn(f64, f64) -> f64, start| {
            epochs.iter().flat_map(|epoch| values.map(|value| value(epoch))).fold(start, of)
        };
        let losses: [fn(&EpochMetrics) -> f64; 2] =
            [|epoch| epoch.train_loss, |epoch| epoch.val_loss];
        let accuracies: [fn(&EpochMetrics) -> f64; 2] =
            [|epoch| epoch.train_accuracy, |epoch| epoch.val_accuracy];
        // Start the axis at a round number below the lowest accuracy, so that a curve between 0.97 and
        // 0.99 is not flat.
        let bottom = ((extreme(accuracies, f64::min, 1.0) * 20.0).floor() / 20.0 - 0.05).max(0.0);
        let loss = Panel {
            caption: captions[0],
            values: losses,
            range: (0.0, extreme(losses, f64::max, 1e-3) * 1.05),
        };
        let accuracy = Panel {
            caption: captions[1],
            values: accuracies,
            range: (bottom, 1.0 + (1.0 - bottom) * 0.05),
        };
        [loss, accuracy]
    }

    fn draw(self, area: &Canvas, epochs: &[EpochMetrics], best: usize) -> Drawn {
        let Self { caption, values: [train, validation], range: (bottom, top) } = self;
        let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_top(HEADER_HEIGHT)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d(0.5..last + 0.5, bottom..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(epochs.len().min(10) + 1)
            .x_label_formatter(&|epoch| match epoch.fract() == 0.0 {
                true => format!("{epoch:.0}"),
                false => String::new(),
            })
            .y_label_formatter(&|value| format!("{value:.2}"))
            .x_desc("epoch")
            .label_style((FONT, 13).into_font().color(&INK))
            .draw()?;
        chart.draw_series(std::iter::once(PathElement::new(
            [(best as f64, bottom), (best as f64, top)],
            INK.stroke_width(1),
        )))?;
        for (value, colour) in [(train, TRAIN), (validation, VALIDATION)] {
            let points: Vec<(f64, f64)> =
                epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch))).collect();
            chart.draw_series(LineSeries::new(thinned(&points), colour.stroke_width(2)))?;
            let dots =
                points.iter().filter(|point| point.0 == best as f64 || epochs.len() <= MAX_DOTS);
            chart.draw_series(dots.map(|point| {
                let size = if point.0 == best as f64 { 5 } else { 2 };
                Circle::new(*point, size, colour.filled())
            }))?;
        }
        // Caption and legend above the plot, so that they cover no curve.
        let text = |size: i32| (FONT, size).into_font().color(&INK);
        area.draw(&Text::new(caption, (62, 12), text(16)))?;
        for (x, colour, name) in [(270, TRAIN, "train"), (340, VALIDATION, "validation")] {
            area.draw(&PathElement::new([(x, 20), (x + 16, 20)], colour.stroke_width(3)))?;
            area.draw(&Text::new(name, (x + 22, 14), text(13)))?;
        }
        Ok(())
    }
}

/// Height of the caption and the legend above the plot, in pixels.
const HEADER_HEIGHT: i32 = 40;
/// Up to this number of epochs, each has a dot.
const MAX_DOTS: usize = 200;
/// Maximum number of points in a line: more than the chart has pixels across.
const MAX_POINTS: usize = 1000;

/// At most about `MAX_POINTS` of the points, evenly spaced, always including the last one.
pub(super) fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(move |(at, _)| at % step == 0 || *at == last);
    kept.map(|(_, point)| *point)
}

/// Reliability diagram: accuracy by confidence, one bar per bin. The diagonal is perfect
/// calibration.
pub fn reliability(calibration: &Calibration) -> String {
    let bins = calibration.bins.len() as f64;
    svg((440, 400), |area| {
        let mut chart = unit_square(area, "confidence", "accuracy")?;
        let filled = || calibration.bins.iter().enumerate().filter(|(_, bin)| bin.photos > 0);
        let most = calibration.bins.iter().map(|bin| bin.photos).max().unwrap_or(1) as f64;
        chart.draw_series(filled().map(|(index, bin)| {
            let (left, right) = (index as f64 / bins, (index + 1) as f64 / bins);
            let opacity = PALEST + (1.0 - PALEST) * (bin.photos as f64 / most).sqrt();
            Rectangle::new([(left, 0.0), (right, bin.accuracy)], TRAIN.mix(opacity).filled())
        }))?;
        let label = TextStyle::from((FONT, 11).into_font()).color(&INK);
        let label = label.pos(Pos::new(HPos::Center, VPos::Bottom));
        chart.draw_series(filled().map(|(index, bin)| {
            // Above the bar and its dot, and below the top of the chart.
            let at = ((index as f64 + 0.5) / bins, (bin.accuracy + 0.015).min(0.965));
            Text::new(short_count(bin.photos), at, label.clone())
        }))?;
        diagonal(&mut chart)?;
        chart.draw_series(
            calibration
                .bins
                .iter()
                .filter(|bin| bin.photos > 0)
                .map(|bin| Circle::new((bin.confidence, bin.accuracy), 4, VALIDATION.filled())),
        )?;
        Ok(())
    })
}

/// Opacity of a bar of the reliability diagram that stands for hardly any of the photos.
const PALEST: f64 = 0.2;

/// A count in at most four characters, for a bar: `999`, `12k`, `3M`.
fn short_count(count: usize) -> String {
    match count {
        0..=9_999 => count.to_string(),
        10_000..=999_999 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// ROC curve: the true positive rate for the class `positive` against the false positive rate.
pub fn roc(roc: &Roc, positive: &str) -> String {
    // The axes have room for 24 characters.
    let positive = match positive.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &positive[..end]),
        None => positive.to_owned(),
    };
    svg((440, 400), |area| {
        let mut chart = unit_square(
            area,
            &format!("false positive rate for {positive}"),
            &format!("true positive rate for {positive}"),
        )?;
        diagonal(&mut chart)?;
        chart.draw_series(LineSeries::new(thinned(&roc.points), TRAIN.stroke_width(3)))?;
        Ok(())
    })
}

pub(super) type UnitSquare<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

pub(super) fn unit_square<'a, 'b>(
    area: &'a Canvas<'b>,
    x: &str,
    y: &str,
) -> Result<UnitSquare<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(6)
        .y_labels(6)
        .x_desc(x)
        .y_desc(y)
        .label_style((FONT, 13).into_font().color(&INK))
        .draw()?;
    Ok(chart)
}

fn diagonal(chart: &mut UnitSquare) -> Drawn {
    let line = PathElement::new([(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1));
    chart.draw_series(std::iter::once(line)).map(|_| ())
}

pub(super) fn svg(size: (u32, u32), draw: impl FnOnce(&Canvas) -> Drawn) -> String {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, size).into_drawing_area();
        canvas
            .fill(&WHITE)
            .and_then(|()| draw(&canvas))
            .and_then(|()| canvas.present())
            .expect("a drawing into text cannot fail");
    }
    // The mark identifies the drawing as written by Kindling.
    text.replacen("<svg ", &format!("<svg data-generator=\"{MARK}\" "), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::CalibrationBin;

    fn epoch(epoch: usize, loss: f64, accuracy: f64) -> EpochMetrics {
        EpochMetrics {
            epoch,
            train_loss: loss,
            train_accuracy: accuracy,
            val_loss: loss,
            val_accuracy: accuracy,
            seconds: 0.0,
            val_macro_f1: None,
        }
    }

    #[test]
    fn curves_are_drawn_of_one_epoch_and_of_many_and_of_losses_of_any_size() {
        for epochs in [
            vec![epoch(1, 0.0, 0.0)],
            vec![epoch(1, 1e30, 1.0), epoch(2, 1e-30, 0.5)],
            (1..=500).map(|number| epoch(number, 1.0 / number as f64, 0.97)).collect(),
            (1..=100_000).map(|number| epoch(number, 1.0, 0.5)).collect(),
        ] {
            let svg = curves(&epochs, 1, CAPTIONS);
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.len() < 200_000, "{} bytes", svg.len());
            assert!(svg.contains("Accuracy") && !svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn a_class_name_in_a_drawing_is_escaped() {
        let curve = Roc { points: vec![(0.0, 0.0), (1.0, 1.0)], auc: 0.5 };
        let svg = roc(&curve, "<script>alert(1)</script>");
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;script&gt;"), "{svg}");
    }

    #[test]
    fn a_bar_of_few_photos_is_paler_than_one_of_many_and_tells_their_number() {
        let bin = |photos| CalibrationBin { photos, confidence: 0.5, accuracy: 0.5 };
        let calibration = Calibration { bins: vec![bin(1), bin(0), bin(12_345)], error: 0.0 };
        let svg = reliability(&calibration);
        let bars: Vec<f64> = svg
            .split("<rect ")
            .filter(|rect| rect.contains("#0072B2"))
            .map(|rect| rect.split("opacity=\"").nth(1).unwrap().split('"').next().unwrap())
            .map(|opacity| opacity.parse().unwrap())
            .collect();
        let [few, many] = bars.as_slice() else { panic!("{svg}") };
        assert!(*few < 0.3 && *many == 1.0, "{few} {many}");
        let labels: Vec<&str> = svg
            .split("</text>")
            .map(|text| text.rsplit('>').next().unwrap().trim())
            .filter(|label| ["1", "0", "12k"].contains(label))
            .collect();
        assert_eq!(labels, ["1", "12k"], "{svg}");
    }
}
