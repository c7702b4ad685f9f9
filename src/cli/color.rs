//! Chooses whether output is coloured.

use std::ffi::OsString;

use clap::ColorChoice;

/// Finds the value of `--color` in `words` before they are parsed, because clap colours its own
/// help and errors too. An invalid value gives `Auto`; clap reports it later.
pub fn asked(words: impl Iterator<Item = OsString>) -> ColorChoice {
    let words: Vec<OsString> = words.take_while(|word| word != "--").collect();
    let value = |index: usize, word: &OsString| {
        let word = word.to_str()?;
        match word.strip_prefix("--color=") {
            Some(value) => Some(value.to_owned()),
            None if word == "--color" => words.get(index + 1)?.to_str().map(str::to_owned),
            None => None,
        }
    };
    words
        .iter()
        .enumerate()
        .find_map(|(index, word)| value(index, word))
        .and_then(|value| value.parse().ok())
        .unwrap_or(ColorChoice::Auto)
}

/// Applies the choice to all output. `Auto` uses colour on a terminal, unless `NO_COLOR` is set.
pub fn apply(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_is_known_before_the_words_are_parsed() {
        let choice = |words: &[&str]| asked(words.iter().map(OsString::from));
        assert_eq!(choice(&["kindling", "--color", "never", "train"]), ColorChoice::Never);
        assert_eq!(choice(&["kindling", "train", "--color=always"]), ColorChoice::Always);
        assert_eq!(choice(&["kindling", "predict", "--", "--color=always"]), ColorChoice::Auto);
        assert_eq!(choice(&["kindling", "--color"]), ColorChoice::Auto);
        assert_eq!(choice(&["kindling", "--color", "pink"]), ColorChoice::Auto);
    }
}
