//! What `compare` prints for people: the table, a sentence for each difference, and the options.

use std::io::{self, Write};

use kindling::run::{Comparison, Difference, OptionDifference, PairedDifference, RunScores, words};

use crate::cli::terminal::{counted, one_line, shortened};

/// Maximum width of a run's name and of an option's value, in characters.
const WIDEST: usize = 40;
/// From this number of runs, the best one is better than it should be by having been chosen.
const MANY_RUNS: usize = 3;

/// Writes the comparison.
pub fn write(
    out: &mut impl Write,
    comparison: &Comparison,
    options: &[OptionDifference],
    sentences: &[String],
) -> io::Result<()> {
    writeln!(out, "photos    {}\n", photos(comparison))?;
    columns(out, scores(comparison))?;
    writeln!(out)?;
    for sentence in sentences {
        writeln!(out, "{sentence}")?;
    }
    if options.is_empty() {
        return writeln!(out, "\nThe runs have the same options.");
    }
    writeln!(out)?;
    let header = std::iter::once("differs".to_owned()).chain(comparison.runs.iter().map(name));
    let rows = options.iter().map(|row| {
        let value = |value: &Option<String>| {
            value.as_ref().map_or("-".to_owned(), |value| shortened(&one_line(value), WIDEST))
        };
        std::iter::once(row.option.clone()).chain(row.values.iter().map(value)).collect()
    });
    columns(out, std::iter::once(header.collect()).chain(rows).collect())
}

/// Which photos were compared.
fn photos(comparison: &Comparison) -> String {
    let Comparison { photos, relabelled, matched_by_name, runs, .. } = comparison;
    let part = words(comparison.part);
    let Some(photos) = photos else {
        return format!("each run's own {part} photos, not paired");
    };
    let mut text =
        format!("{} that all runs predicted", counted(*photos, &format!("{part} photo")));
    if runs.iter().any(|run| run.photos != *photos) {
        let own: Vec<String> = runs.iter().map(|run| run.photos.to_string()).collect();
        text += &format!(" (of {})", own.join(", "));
    }
    if *matched_by_name > 0 {
        text += &format!(", {matched_by_name} of them known by file name and label");
    }
    if *relabelled > 0 {
        text += &format!("; {relabelled} more have different labels and are left out");
    }
    text
}

fn name(run: &RunScores) -> String {
    shortened(&one_line(&run.run), WIDEST)
}

/// The rows of the table of scores.
fn scores(comparison: &Comparison) -> Vec<Vec<String>> {
    let further = comparison.runs.first().and_then(|run| run.further);
    let within = |(low, high): (f64, f64)| format!("{low:.4} to {high:.4}");
    // Of photos with several labels, all must be right.
    let is_multi_label = further.is_some_and(|further| further.macro_f1.is_none());
    let accuracy = if is_multi_label { "exact match" } else { "accuracy" };
    let mut header = vec!["  run", accuracy, "95 % interval"];
    match further {
        Some(further) => {
            if further.macro_f1.is_some() {
                header.extend(["macro F1", "95 % interval"]);
            }
            header.extend(["loss", "95 % interval"]);
        }
        None => header.push("photos"),
    }
    let row = |run: &RunScores| {
        let mark = if run.best { "*" } else { " " };
        let mut cells = vec![
            format!("{mark} {}", name(run)),
            format!("{:.4}", run.accuracy),
            within(run.accuracy_interval),
        ];
        match &run.further {
            Some(further) => {
                if let Some((score, interval)) = further.macro_f1.zip(further.macro_f1_interval) {
                    cells.extend([format!("{score:.4}"), within(interval)]);
                }
                cells.extend([format!("{:.4}", further.loss), within(further.loss_interval)]);
            }
            None => cells.push(run.photos.to_string()),
        }
        cells
    };
    let header = header.into_iter().map(String::from).collect();
    std::iter::once(header).chain(comparison.runs.iter().map(row)).collect()
}

/// Writes rows of equally many cells in columns, two spaces apart.
fn columns(out: &mut impl Write, rows: Vec<Vec<String>>) -> io::Result<()> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// One sentence for each difference, and what else to know.
pub fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences: Vec<String> = comparison.differences.iter().map(sentence).collect();
    if comparison.runs.len() >= MANY_RUNS {
        sentences.push(format!(
            "The p-values are adjusted to {} comparisons. The best of {} runs on these photos looks \
             better than it is: score it once on photos that nothing was chosen by.",
            comparison.differences.len(),
            comparison.runs.len()
        ));
    }
    sentences
}

fn sentence(difference: &Difference) -> String {
    let Difference { run, best, p_adjusted, within_noise, paired, .. } = difference;
    let (low, high) = difference.accuracy_difference_interval;
    let (run, best) = (one_line(run), one_line(best));
    let p = p_value(*p_adjusted);
    // Adding 0 turns -0 into 0.
    let points = |share: f64| format!("{:.1}", (1000.0 * share).round() / 10.0 + 0.0);
    let by = format!(
        "{} points (95 % interval {} to {})",
        points(-difference.accuracy_difference),
        points(-high),
        points(-low)
    );
    let Some(paired) = paired else {
        return match within_noise {
            true => format!("`{run}` and `{best}` differ within noise: by {by}, {p}."),
            false => format!("`{best}` is better than `{run}`: by {by}, {p}."),
        };
    };
    let PairedDifference { only_run_right, only_best_right, photos_needed, .. } = paired;
    if only_run_right + only_best_right == 0 {
        return format!("`{run}` and `{best}` are right about the same photos{}.", loss(paired));
    }
    let counts = format!(
        "only `{best}` is right about {}, only `{run}` about {only_run_right}",
        counted(*only_best_right, "photo")
    );
    match within_noise {
        false => format!("`{best}` is better than `{run}`: by {by}; {counts} ({p})."),
        true => {
            let needed = photos_needed.map_or(String::new(), |needed| {
                format!(" It would take some {needed} photos to confirm such a difference.")
            });
            format!(
                "`{run}` and `{best}` differ within noise: {counts} ({p}){}.{needed}",
                loss(paired)
            )
        }
    }
}

/// Whether the probabilities of one are better though the classes are not.
fn loss(paired: &PairedDifference) -> String {
    let (low, high) = paired.loss_difference_interval;
    let which = match (low > 0.0, high < 0.0) {
        (true, _) => "latter's",
        (_, true) => "former's",
        _ => return String::new(),
    };
    format!(
        "; but the {which} probabilities are better: its loss is lower by {:.4} (95 % interval {:.4} to {:.4})",
        paired.loss_difference.abs(),
        low.abs().min(high.abs()),
        low.abs().max(high.abs())
    )
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") }
}
