//! What the commands share in how they print.

use std::io::{self, IsTerminal};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar with photos per second and time left, on stderr; nothing where `quiet`, or where nobody
/// watches (stdout is no terminal).
pub fn photo_bar(photos: usize, what: &'static str, quiet: bool) -> ProgressBar {
    let target = match !quiet && io::stdout().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template(
        "{msg:10} {wide_bar} {pos}/{len} photos  {per_sec}  {eta} left",
    )
    .expect("the template is right");
    ProgressBar::with_draw_target(Some(photos as u64), target).with_style(style).with_message(what)
}

/// How many files a warning lists one by one.
const LISTED: usize = 20;

/// Files that were left out: the first of them one by one, on stderr.
pub fn warn_skipped(skipped: &[(String, String)]) {
    for (path, reason) in skipped.iter().take(LISTED) {
        eprintln!("warning: skipped `{path}`: it {reason}");
    }
    if skipped.len() > LISTED {
        eprintln!("warning: ... and {} more", skipped.len() - LISTED);
    }
}

/// An error with its causes, on one line.
pub fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told.split_whitespace().collect::<Vec<_>>().join(" ")
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
    let text = text(path);
    let plain = |character: char| character.is_alphanumeric() || "-_./+:@%".contains(character);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
