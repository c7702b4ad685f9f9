//! What the commands share in how they print.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use kindling::printable::printable;

/// A bar with photos per second and time left, on stderr; nothing where `quiet`, or where nobody
/// watches (stdout is no terminal).
pub fn photo_bar(photos: usize, what: &'static str, quiet: bool) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.1} photos/s", state.per_sec());
    };
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len}  {rate}  {eta} left")
        .expect("the template is right")
        .with_key("rate", rate);
    let bar = ProgressBar::with_draw_target(Some(photos as u64), watched(quiet));
    bar.with_style(style).with_message(what)
}

/// A bar of the optimiser's steps, likewise, which says how long the training may still take.
pub fn step_bar(quiet: bool) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.0} steps/s", state.per_sec());
    };
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}  {rate}  {eta} left at most")
            .expect("the template is right")
            .with_key("rate", rate);
    ProgressBar::with_draw_target(Some(0), watched(quiet)).with_style(style)
}

/// A bar of bytes that arrive, likewise.
pub fn byte_bar(quiet: bool) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:9} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left",
    )
    .expect("the template is right");
    ProgressBar::with_draw_target(Some(0), watched(quiet))
        .with_style(style)
        .with_message("download")
}

fn watched(quiet: bool) -> ProgressDrawTarget {
    match !quiet && io::stdout().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

/// A size for people: `46.83 MB`.
pub fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// Rows in columns, two blanks apart.
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

/// A line on stdout.
pub fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// How many files a warning lists one by one.
const LISTED: usize = 20;

/// A warning on stderr, on one line. Where stderr takes nothing there is nobody to warn.
pub fn warn(text: &str) {
    labelled("warning", AnsiColor::Yellow, &one_line(text));
}

/// Why the program ends, likewise.
pub fn fail(error: &(dyn Error + 'static)) {
    labelled("error", AnsiColor::Red, &told(error));
}

fn labelled(label: &str, colour: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let _ = writeln!(anstream::stderr(), "{style}{label}:{style:#} {text}");
}

/// Files that were left out: the first of them one by one.
pub fn warn_skipped(skipped: &[(String, String)]) {
    for (path, reason) in skipped.iter().take(LISTED) {
        warn(&format!("skipped `{path}`: it {reason}"));
    }
    if skipped.len() > LISTED {
        warn(&format!("... and {} more", skipped.len() - LISTED));
    }
}

/// An error with its causes, joined by `: `. Some errors tell their cause themselves: that is told
/// once.
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told += &format!(": {text}");
        }
        cause = error.source();
    }
    one_line(&told)
}

/// A text with its lines joined and control characters escaped: some files' names have them, and a
/// terminal would obey.
pub fn one_line(text: &str) -> String {
    let joined = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    printable(&joined.join(" "))
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `1 photo`, `2 photos`; `1 class`, `2 classes`.
pub fn counted(count: usize, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}

/// The program as it was called, for commands to paste.
pub fn this_program() -> String {
    std::env::args_os().next().map_or("kindling".into(), |program| shell_word(Path::new(&program)))
}

/// The path as it must be written in a shell command.
pub fn shell_word(path: &Path) -> String {
    let mut text = text(path);
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    quoted(text)
}

/// Words as they must be typed to be this command of the program `program`.
pub fn shell_command(program: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let words = words.into_iter().map(|word| quoted(text(Path::new(&word))));
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
