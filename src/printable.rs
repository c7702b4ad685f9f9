//! Text of others that is shown: names of files and classes may hold anything.

/// The text with its control characters escaped: a terminal would obey them.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
        escaped
    })
}
