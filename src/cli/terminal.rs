//! What the commands share in how they print.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar with photos per second and time left, on stderr; nothing where `quiet`, or where nobody
/// watches (stdout is no terminal).
pub fn photo_bar(photos: usize, what: &'static str, quiet: bool) -> ProgressBar {
    let target = match !quiet && io::stdout().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = write!(out, "{:.1} photos/s", state.per_sec());
    };
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len}  {rate}  {eta} left")
        .expect("the template is right")
        .with_key("rate", rate);
    ProgressBar::with_draw_target(Some(photos as u64), target).with_style(style).with_message(what)
}

/// How many files a warning lists one by one.
const LISTED: usize = 20;

/// A warning on stderr, on one line. Where stderr takes nothing there is nobody to warn.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", one_line(text));
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
    joined.join(" ").chars().fold(String::new(), |mut escaped, character| {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
        escaped
    })
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `1 photo`, `2 photos`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The path as it must be written in a shell command.
pub fn shell_word(path: &Path) -> String {
    let mut text = text(path);
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    let plain = |character: char| character.is_alphanumeric() || "-_./+:@%".contains(character);
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
