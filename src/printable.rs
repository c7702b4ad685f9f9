//! Printable forms of file names, class names and bytes.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// Paths as text, a different one for each path.
pub trait PathText {
    /// The path as text, from which it can be found again.
    ///
    /// A path that is not UTF-8, or that holds `\x` and two hexadecimal digits, is escaped: each
    /// byte that is not UTF-8 becomes `\x` and two digits, and each backslash becomes two. Any
    /// other path is written as it is. So a text with `\x` and two digits is an escaped one.
    ///
    /// ```
    /// use kindling::printable::PathText;
    /// assert_eq!(r"a\b.jpg".shown().to_string(), r"a\b.jpg");
    /// # #[cfg(unix)]
    /// assert_eq!(r"a\x41.jpg".shown().to_string(), r"a\\x41.jpg");
    /// ```
    fn shown(&self) -> ShownPath<'_>;
}

impl<P: AsRef<Path> + ?Sized> PathText for P {
    fn shown(&self) -> ShownPath<'_> {
        let path = self.as_ref();
        ShownPath(match path.to_str() {
            // On Windows, backslashes separate folders, and `C:\x64` is no escape.
            Some(text) if cfg!(windows) || !has_escape(text) => Cow::Borrowed(text),
            _ => Cow::Owned(escaped(path)),
        })
    }
}

/// The text of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPath<'a>(Cow<'a, str>);

impl fmt::Display for ShownPath<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

fn has_escape(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|bytes| bytes.starts_with(b"\\x") && bytes[2..].iter().all(u8::is_ascii_hexdigit))
}

fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text += &chunk.valid().replace('\\', r"\\");
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// The path that a text of [`PathText`] stands for.
pub(crate) fn path_of(text: &str) -> PathBuf {
    if cfg!(windows) || !has_escape(text) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(1..3).and_then(|digits| str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, length) = match (first, after, escaped) {
            (b'\\', [b'x', ..], Some(byte)) => (byte, 4),
            (b'\\', [b'\\', ..], _) => (b'\\', 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    path_of_bytes(bytes)
}

#[cfg(unix)]
fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Escapes the control characters of the text, which a terminal would execute, and those that
/// change the direction of the text after them, which make a name look like another one.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match is_printable(character) {
            true => escaped.push(character),
            false => escaped.extend(character.escape_default()),
        }
        escaped
    })
}

/// Whether a character may reach a terminal or a page as it is.
pub(crate) fn is_printable(character: char) -> bool {
    // Unicode's bidirectional formatting characters: <https://www.unicode.org/reports/tr9/>.
    let turns_text = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !turns_text
}

/// The text on one line, cut to `limit` characters.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// The shape of a tensor, cut if it has far more axes than a layer's.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    shortened(&format!("{shape:?}"), 48)
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn what_a_terminal_would_execute_or_turn_around_is_escaped() {
        assert_eq!(printable("cat\u{1b}[31m\n"), "cat\\u{1b}[31m\\n");
        assert_eq!(printable("dog\u{202e}gpj.exe"), "dog\\u{202e}gpj.exe");
        assert_eq!(printable("katze ä 猫 \u{5d0}"), "katze ä 猫 \u{5d0}");
    }

    #[test]
    fn every_path_has_a_text_of_its_own_from_which_it_is_found_again() {
        let parts: [&[u8]; 9] =
            [b"a", b"\xff", b"\xe9", "é".as_bytes(), b"\\", b"x", b"f", b"\\xff", b" "];
        let mut texts = HashSet::new();
        let count = parts.len().pow(5);
        for number in 0..count {
            let digits = (0..5).map(|place| number / parts.len().pow(place) % parts.len());
            let path: Vec<u8> = digits.flat_map(|digit| parts[digit]).copied().collect();
            let text = OsStr::from_bytes(&path).shown().to_string();
            assert_eq!(path_of(&text).as_os_str().as_bytes(), path, "{text}");
            // Different paths may be put together from different parts.
            texts.insert((text, path));
        }
        let different: HashSet<&String> = texts.iter().map(|(text, _)| text).collect();
        assert_eq!(different.len(), texts.len());
    }

    #[test]
    fn an_ordinary_path_is_written_as_it_is() {
        for path in ["photos/cat 1.jpg", "café", r"a\b", r"\server", ""] {
            assert_eq!(path.shown().to_string(), path);
        }
        assert_eq!(OsStr::from_bytes(b"caf\xe9.jpg").shown().to_string(), r"caf\xe9.jpg");
        assert_eq!(r"caf\xe9.jpg".shown().to_string(), r"caf\\xe9.jpg");
    }
}
