//! Text that can be shown: names of files and classes may hold anything, and so may bytes.

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

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
