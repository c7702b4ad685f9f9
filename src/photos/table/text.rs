//! The text of a table file, whatever its encoding.

use super::TableError;

/// The text of a table, and what was wrong with its encoding.
pub(super) struct TableText {
    pub text: String,
    /// The first line that is not UTF-8, and the number of such lines.
    pub other_encoding: Option<(u64, usize)>,
}

/// First bytes of files that are no text, and what they are.
const OTHER_FILES: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a spreadsheet or an archive: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of an old Excel: save it as CSV"),
    (b"\x1f\x8b", "compressed: unpack it with `gunzip`"),
    (b"PAR1", "a Parquet file: give it the ending .parquet"),
    (b"%PDF", "a PDF file: save the table as CSV"),
    (b"SQLite format 3\0", "a database: save the table as CSV"),
];

/// Decodes a table: UTF-8 and UTF-16 with or without a byte order mark. Lines that are not UTF-8
/// are Windows-1252, which Excel writes; each line is decoded by itself, because tables are put
/// together from several sources.
///
/// # Errors
/// If the bytes are no text.
pub(super) fn decode(bytes: &[u8]) -> Result<TableText, TableError> {
    if let Some((_, what)) = OTHER_FILES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(TableError::NotText((*what).into()));
    }
    let plain = |text: String| TableText { text, other_encoding: None };
    let head = &bytes[..bytes.len().min(512)];
    let zeros = |parity| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    // A table is mostly ASCII, of which UTF-16 makes every other byte zero.
    let mostly = |count: usize| count * 4 > head.len();
    match bytes {
        [0xff, 0xfe, rest @ ..] => Ok(plain(utf16(rest, u16::from_le_bytes)?)),
        [0xfe, 0xff, rest @ ..] => Ok(plain(utf16(rest, u16::from_be_bytes)?)),
        _ if mostly(zeros(1)) => Ok(plain(utf16(bytes, u16::from_le_bytes)?)),
        _ if mostly(zeros(0)) => Ok(plain(utf16(bytes, u16::from_be_bytes)?)),
        _ if bytes.contains(&0) => {
            Err(TableError::NotText("binary: save the table as CSV in UTF-8".into()))
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(by_lines(rest)),
        _ => Ok(by_lines(bytes)),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TableError> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|text| bytes.len().is_multiple_of(2) && !text.contains('\0')).ok_or_else(
        || TableError::NotText("damaged: it is no valid UTF-16; save it as CSV in UTF-8".into()),
    )
}

fn by_lines(bytes: &[u8]) -> TableText {
    if let Ok(text) = str::from_utf8(bytes) {
        return TableText { text: text.to_owned(), other_encoding: None };
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 16);
    let mut other_encoding = None;
    for (line, bytes) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        match str::from_utf8(bytes) {
            Ok(line) => text += line,
            Err(_) => {
                other_encoding.get_or_insert((line, 0)).1 += 1;
                text.extend(bytes.iter().copied().map(windows_1252));
            }
        }
    }
    TableText { text, other_encoding }
}

/// The character of a byte: <https://encoding.spec.whatwg.org/#windows-1252>.
fn windows_1252(byte: u8) -> char {
    const FROM_128: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match byte {
        0x80..=0x9f => FROM_128.chars().nth(usize::from(byte) - 0x80).unwrap_or('\u{fffd}'),
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        decode(bytes).unwrap().text
    }

    #[test]
    fn every_usual_encoding_gives_the_same_text() {
        let text = "path,label\ncafé.jpg,naïve €\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (mark, bytes) in [
            (&b""[..], text.as_bytes()),
            (b"\xef\xbb\xbf", text.as_bytes()),
            (b"\xff\xfe", &little),
            (b"\xfe\xff", &big),
            (b"", &little),
            (b"", &big),
        ] {
            assert_eq!(decoded(&[mark, bytes].concat()), text);
        }
    }

    #[test]
    fn a_line_of_another_encoding_is_counted_and_the_others_are_utf_8() {
        let table = decode(
            "a,caf\u{e9}\n"
                .as_bytes()
                .iter()
                .chain(b"b,caf\xe9 \x80\n")
                .copied()
                .collect::<Vec<u8>>()
                .as_slice(),
        )
        .unwrap();
        assert_eq!(table.text, "a,café\nb,café €\n");
        assert_eq!(table.other_encoding, Some((2, 1)));
    }

    #[test]
    fn a_spreadsheet_and_other_binary_files_are_refused() {
        for bytes in [&b"PK\x03\x04rest"[..], b"PAR1", b"a,b\nc\0,d\n", b"\xff\xfea"] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(decoded(b""), "");
    }
}
