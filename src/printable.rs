//! Printable forms of file names, class names and bytes.

/// Escapes the control characters of the text, which a terminal would execute.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
        escaped
    })
}

/// The text on one line, cut to `limit` characters.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
