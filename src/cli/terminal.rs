//! Terminal output shared by the commands.

use std::borrow::Cow;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use kindling::evaluation::{MultiLabelFigures, ScoreIntervals, accuracy_interval};
use kindling::photos::PassedOver;
use kindling::printable::{PathText, printable};

/// A progress bar on stderr, with photos per second and the time left. Hidden if `quiet` is set or
/// stdout is not a terminal.
pub fn photo_bar(photos: usize, what: impl Into<Cow<'static, str>>, quiet: bool) -> ProgressBar {
    item_bar(photos, "photos", what, quiet)
}

/// A progress bar over the views of photos, hidden as [`photo_bar`] is.
pub fn view_bar(views: usize, what: &'static str, quiet: bool) -> ProgressBar {
    item_bar(views, "views", what, quiet)
}

fn item_bar(
    items: usize,
    unit: &'static str,
    what: impl Into<Cow<'static, str>>,
    quiet: bool,
) -> ProgressBar {
    let rate = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.1} {unit}/s", state.per_sec());
    };
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len}  {rate}  {eta} left")
        .expect("the template is valid")
        .with_key("rate", rate);
    let bar = ProgressBar::with_draw_target(Some(items as u64), draw_target(quiet));
    bar.with_style(style).with_message(what)
}

/// A progress bar over optimiser steps, hidden as [`photo_bar`] is. Its time left is an upper
/// bound, because training may stop early.
pub fn step_bar(quiet: bool) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.0} steps/s", state.per_sec());
    };
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}  {rate}  {eta} left at most")
            .expect("the template is valid")
            .with_key("rate", rate);
    ProgressBar::with_draw_target(Some(0), draw_target(quiet)).with_style(style)
}

/// A progress bar over downloaded bytes, hidden as [`photo_bar`] is.
pub fn byte_bar(quiet: bool) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:9} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left",
    )
    .expect("the template is valid");
    ProgressBar::with_draw_target(Some(0), draw_target(quiet))
        .with_style(style)
        .with_message("download")
}

fn draw_target(quiet: bool) -> ProgressDrawTarget {
    match !quiet && io::stdout().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

/// Formats a size in decimal units: `46.83 MB`.
pub fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// Writes rows as aligned columns, separated by two spaces.
pub fn table<const N: usize>(out: &mut impl Write, rows: Vec<[String; N]>) -> io::Result<()> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints a line to stdout.
pub fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// What the command prints cannot be written: the disk is full, for example.
#[derive(Debug, thiserror::Error)]
#[error("the output cannot be written")]
pub struct Unprinted(#[source] pub io::Error);

/// Handles the result of printing after the work was done and its files were written. What was
/// asked has happened, so a failure is a warning.
pub fn printed_afterwards(printed: io::Result<()>) {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            warn(&format!("{}; the file was written", error_text(&Unprinted(error))));
        }
        _ => {}
    }
}

/// Maximum number of skipped files to list.
const LISTED: usize = 20;

/// Prints a warning to stderr, on one line. A write error is ignored.
pub fn warn(text: &str) {
    labelled("warning", AnsiColor::Yellow, &one_line(text));
}

/// Prints the error that ends the program to stderr, on one line, and each of its hints on a line
/// of its own.
pub fn fail(error: &(dyn Error + 'static)) {
    labelled("error", AnsiColor::Red, &error_text(error));
    let hinted = anyhow::Chain::new(error).find_map(|error| error.downcast_ref::<Hinted>());
    if let Some(hinted) = hinted {
        hinted.hints.iter().for_each(|hint| labelled("hint", AnsiColor::Cyan, &one_line(hint)));
    }
}

/// An error with what the user can do about it.
#[derive(Debug)]
pub struct Hinted {
    message: String,
    hints: Vec<String>,
}

impl Hinted {
    /// The error `message` with its `hints`, each an alternative to the others.
    pub fn new(message: String, hints: Vec<String>) -> Self {
        Self { message, hints }
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Hinted {}

fn labelled(label: &str, colour: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let _ = writeln!(anstream::stderr(), "{style}{label}:{style:#} {text}");
}

/// Warns of skipped files: lists the first `LISTED` of them and counts the rest. Files that are no
/// pictures are counted in one line. Rows of a table have their own warnings.
pub fn warn_skipped(skipped: &[(String, String)]) {
    let skipped = skipped.iter().filter(|(_, reason)| !reason.starts_with(PassedOver::ROW));
    let (others, skipped): (Vec<_>, Vec<_>) =
        skipped.partition(|(_, reason)| reason == PassedOver::NOT_A_PICTURE);
    for (path, reason) in skipped.iter().take(LISTED) {
        warn(&format!("skipped `{path}`: it {reason}"));
    }
    if skipped.len() > LISTED {
        warn(&format!("... and {} more", skipped.len() - LISTED));
    }
    match others.as_slice() {
        [] => {}
        [(path, reason)] => warn(&format!("skipped `{path}`: it {reason}")),
        [(path, _), ..] => warn(&format!(
            "skipped {} that are not pictures, such as `{path}`",
            counted(others.len(), "file")
        )),
    }
}

/// Warns of photos that were read though their files are damaged: lists the first `LISTED` of them
/// and counts the rest.
pub fn warn_damaged(damaged: impl ExactSizeIterator<Item = (String, String)>) {
    let rest = damaged.len().saturating_sub(LISTED);
    for (path, reason) in damaged.take(LISTED) {
        warn(&format!("`{path}` {reason}"));
    }
    if rest > 0 {
        warn(&format!("... and {rest} more damaged photos"));
    }
}

/// Formats an error with its causes, joined by `: `. A cause that the text already contains is not
/// repeated.
pub fn error_text(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message += &format!(": {text}");
        }
        cause = error.source();
    }
    one_line(&message)
}

/// Joins the lines of a text and escapes control characters: file names may hold terminal escape
/// sequences.
pub fn one_line(text: &str) -> String {
    let joined = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    printable(&joined.join(" "))
}

/// At most `length` characters of a text, with `...` for the rest.
pub fn shortened(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some(_) => text.chars().take(length - 3).chain("...".chars()).collect(),
        None => text.to_owned(),
    }
}

/// Converts a path to text, from which it can be found again: see [`PathText`].
pub fn text(path: &Path) -> String {
    path.shown().to_string()
}

/// `1 photo`, `2 photos`; `1 class`, `2 classes`.
pub fn counted(count: usize, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}

/// Seed of the bootstrap intervals, so that all commands show the same ones.
pub const SEED: u64 = 0;

/// How far an accuracy can be trusted that was measured on `photos` photos.
pub fn interval(accuracy: f64, photos: usize) -> String {
    let right = (accuracy * photos as f64).round() as usize;
    let (low, high) = accuracy_interval(right, photos);
    format!("95 % interval {low:.4} to {high:.4}")
}

/// The headline figures of a model that gives a photo any number of classes, on one line.
pub fn multi_label_figures(figures: &MultiLabelFigures) -> String {
    let MultiLabelFigures { scores, intervals } = figures;
    let average = scores.mean_average_precision.zip(intervals.mean_average_precision_interval);
    let average = average.map_or_else(String::new, |(value, (low, high))| {
        format!("mean average precision {value:.4} (95 % interval {low:.4} to {high:.4}), ")
    });
    let (low, high) = intervals.macro_f1_interval;
    format!(
        "{average}macro F1 {:.4} ({low:.4} to {high:.4}), exact match {:.4} on {}",
        scores.macro_f1,
        scores.exact_match,
        counted(scores.images, "photo")
    )
}

/// The macro-averaged scores, with their 95 % intervals if they are known.
pub fn class_means(
    balanced_accuracy: f64,
    macro_f1: f64,
    intervals: Option<ScoreIntervals>,
) -> String {
    let within = |score: f64, of: fn(ScoreIntervals) -> (f64, f64)| match intervals.map(of) {
        Some((low, high)) => format!("{score:.4} ({low:.4} to {high:.4})"),
        None => format!("{score:.4}"),
    };
    format!(
        "mean over the classes: recall (balanced accuracy) {}, F1 {}",
        within(balanced_accuracy, |intervals| intervals.balanced_accuracy_interval),
        within(macro_f1, |intervals| intervals.macro_f1_interval)
    )
}

/// The program as the user invoked it, for commands to paste into a shell.
pub fn this_program() -> String {
    std::env::args_os().next().map_or("kindling".into(), |program| shell_word(Path::new(&program)))
}

/// Quotes a path for a shell command.
pub fn shell_word(path: &Path) -> String {
    if path.to_str().is_none() {
        // Bash, zsh and others read the escapes of the text between these quotes.
        return format!("$'{}'", text(path).replace('\'', r"\'"));
    }
    let mut text = path.to_string_lossy().into_owned();
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    quoted(text)
}

/// Formats the command `program words...`, quoted for a shell.
pub fn shell_command(program: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let words = words.into_iter().map(|word| match word.as_ref().to_str() {
        Some(word) => quoted(word.to_owned()),
        None => shell_word(Path::new(&word)),
    });
    std::iter::once(program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(text: String) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./+:@%=".contains(character);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_neither_break_a_line_nor_reach_the_terminal_raw() {
        assert_eq!(one_line("two  words\n  and\x1b[31m more\n"), "two  words and\\u{1b}[31m more");
    }

    #[test]
    fn a_text_is_shortened_between_characters() {
        assert_eq!(shortened("déjà vu", 7), "déjà vu");
        assert_eq!(shortened("déjà vu!", 7), "déjà...");
    }

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        for (path, word) in [
            ("runs/a", "runs/a"),
            ("my run", "'my run'"),
            ("it's", r"'it'\''s'"),
            ("-x", "./-x"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
