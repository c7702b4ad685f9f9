//! The drawings: curves of the epochs, reliability, receiver operating characteristic.
//!
//! Each is an SVG drawing of its own, dark on white. In the page, style sheets take the colours over:
//! the colours here are names that `style.css` knows.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::evaluation::{Calibration, Roc};
use crate::head::EpochMetrics;

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Blue and vermilion of Okabe and Ito's palette, told apart by the colour-blind too.
const TRAIN: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const VALIDATION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const FONT: &str = "sans-serif";

/// What plotters says where it cannot draw; with text as its canvas it always can.
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Loss and accuracy of each epoch, side by side, the epoch that was kept marked.
pub fn curves(epochs: &[EpochMetrics], best: usize) -> String {
    svg((900, 340), |canvas| {
        let (left, right) = canvas.split_horizontally(450);
        let top =
            epochs.iter().map(|epoch| epoch.train_loss.max(epoch.val_loss)).fold(0.0, f64::max);
        let loss = [|epoch: &EpochMetrics| epoch.train_loss, |epoch: &EpochMetrics| epoch.val_loss];
        panel(
            &left,
            "Loss (cross-entropy, nats)",
            epochs,
            best,
            loss,
            (0.0, top.max(1e-3) * 1.05),
        )?;
        let accuracy = [
            |epoch: &EpochMetrics| epoch.train_accuracy,
            |epoch: &EpochMetrics| epoch.val_accuracy,
        ];
        let lowest = epochs
            .iter()
            .map(|epoch| epoch.train_accuracy.min(epoch.val_accuracy))
            .fold(1.0, f64::min);
        // A tenth below the lowest, on a round number: a curve between 0.97 and 0.99 is to be seen.
        let bottom = ((lowest * 10.0).floor() / 10.0 - 0.1).max(0.0);
        panel(&right, "Accuracy", epochs, best, accuracy, (bottom, 1.0 + (1.0 - bottom) * 0.05))
    })
}

fn panel(
    area: &Canvas,
    caption: &str,
    epochs: &[EpochMetrics],
    best: usize,
    [train, validation]: [fn(&EpochMetrics) -> f64; 2],
    (bottom, top): (f64, f64),
) -> Drawn {
    let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 17).into_font().color(&INK))
        .margin(10)
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
    for (value, colour, name) in [(train, TRAIN, "train"), (validation, VALIDATION, "validation")] {
        let points = || epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
        chart
            .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        chart.draw_series(points().map(|point| {
            let is_best = point.0 == best as f64;
            Circle::new(point, if is_best { 5 } else { 2 }, colour.filled())
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font((FONT, 13).into_font().color(&INK))
        .draw()
}

/// Accuracy by confidence: a bar a bin, beside the diagonal of perfect calibration.
pub fn reliability(calibration: &Calibration) -> String {
    let bins = calibration.bins.len() as f64;
    svg((440, 400), |area| {
        let mut chart = unit_square(area, "confidence", "accuracy")?;
        chart.draw_series(
            calibration.bins.iter().enumerate().filter(|(_, bin)| bin.photos > 0).map(
                |(index, bin)| {
                    let (left, right) = (index as f64 / bins, (index + 1) as f64 / bins);
                    Rectangle::new([(left, 0.0), (right, bin.accuracy)], TRAIN.filled())
                },
            ),
        )?;
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

/// The share of `positive`'s photos found against the share of the other class' taken for it.
pub fn roc(roc: &Roc, positive: &str) -> String {
    svg((440, 400), |area| {
        let mut chart = unit_square(
            area,
            &format!("others taken for {positive}"),
            &format!("photos of {positive} found"),
        )?;
        diagonal(&mut chart)?;
        chart.draw_series(LineSeries::new(roc.points.iter().copied(), TRAIN.stroke_width(3)))?;
        Ok(())
    })
}

type UnitSquare<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn unit_square<'a, 'b>(
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

fn svg(size: (u32, u32), draw: impl FnOnce(&Canvas) -> Drawn) -> String {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, size).into_drawing_area();
        canvas
            .fill(&WHITE)
            .and_then(|()| draw(&canvas))
            .and_then(|()| canvas.present())
            .expect("a drawing into text cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize, loss: f64, accuracy: f64) -> EpochMetrics {
        EpochMetrics {
            epoch,
            train_loss: loss,
            train_accuracy: accuracy,
            val_loss: loss,
            val_accuracy: accuracy,
            seconds: 0.0,
        }
    }

    #[test]
    fn curves_are_drawn_of_one_epoch_and_of_many_and_of_losses_of_any_size() {
        for epochs in [
            vec![epoch(1, 0.0, 0.0)],
            vec![epoch(1, 1e30, 1.0), epoch(2, 1e-30, 0.5)],
            (1..=500).map(|number| epoch(number, 1.0 / number as f64, 0.97)).collect(),
        ] {
            let svg = curves(&epochs, 1);
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
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
}
