//! The records of a CSV file, with their line numbers.

use super::TableError;

/// The cells of a row of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The line in the file, from 1; of a Parquet file, the row.
    pub line: u64,
    pub cells: Vec<String>,
}

/// A cell with more lines than this is taken for a quote that is not closed.
const MAX_LINES_OF_A_CELL: usize = 100;
/// Number of records that a delimiter is judged by.
const SAMPLE: usize = 20;

/// What may separate the cells of a `.csv` file: a German Excel writes semicolons.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads the records of `text`, without empty ones. `separator` separates labels, and therefore not
/// cells. `is_header` says whether a record is a header that is understood.
///
/// # Errors
/// If a quote is not closed.
pub(super) fn read(
    text: &str,
    is_tsv: bool,
    separator: Option<&str>,
    is_header: impl Fn(&[String]) -> bool,
) -> Result<Vec<Record>, TableError> {
    let mut candidates: Vec<u8> = DELIMITERS
        .into_iter()
        .filter(|delimiter| separator.is_none_or(|text| text.as_bytes() != [*delimiter]))
        .collect();
    if is_tsv {
        candidates.sort_by_key(|delimiter| *delimiter != b'\t');
    }
    let samples: Vec<Vec<Record>> = candidates
        .iter()
        .map(|delimiter| split(text, *delimiter, SAMPLE).unwrap_or_default())
        .collect();
    let width = |sample: &[Record]| sample.first().map_or(0, |record| record.cells.len());
    let has_header = |sample: &Vec<Record>| {
        width(sample) > 1 && sample.first().is_some_and(|record| is_header(&record.cells))
    };
    let is_uniform = |sample: &Vec<Record>| {
        width(sample) > 1 && sample.iter().all(|record| record.cells.len() == width(sample))
    };
    let best = samples
        .iter()
        .position(has_header)
        .or_else(|| samples.iter().position(is_uniform))
        .or_else(|| samples.iter().position(|sample| width(sample) > 1))
        .unwrap_or(0);
    split(text, candidates[best], usize::MAX)
}

/// Splits the text into at most `limit` records.
fn split(text: &str, delimiter: u8, limit: usize) -> Result<Vec<Record>, TableError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let mut found = csv::StringRecord::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let start = reader.position().byte() as usize;
        // The text is UTF-8 and rows may have any length, so reading from memory cannot fail.
        match reader.read_record(&mut found) {
            Ok(true) if records.len() < limit => {}
            _ => return Ok(records),
        }
        let end = reader.position().byte() as usize;
        // The reader has skipped empty lines.
        let start = end - text[start..end].trim_start_matches(['\r', '\n']).len();
        line += newlines(&text[counted..start]);
        counted = start;
        let raw = text[start..end].trim_end_matches(['\r', '\n']);
        let lines = newlines(raw);
        let is_last = text[end..].trim().is_empty();
        let is_open = is_last && lines > 0 && raw.matches('"').count() % 2 == 1;
        if is_open || lines as usize > MAX_LINES_OF_A_CELL {
            return Err(TableError::OpenQuote { line });
        }
        let cells: Vec<String> = found.iter().map(str::to_owned).collect();
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            records.push(Record { line, cells });
        }
    }
}

/// The number of line ends: `\n`, `\r\n`, or `\r` alone, as on old Macs.
fn newlines(text: &str) -> u64 {
    let next = text.bytes().skip(1).chain([0]);
    let is_end = |(byte, next): &(u8, u8)| *byte == b'\n' || (*byte == b'\r' && *next != b'\n');
    text.bytes().zip(next).filter(is_end).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(u64, Vec<String>)> {
        let records = read(text, false, None, |_| false).unwrap();
        records.into_iter().map(|record| (record.line, record.cells)).collect()
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lines_are_counted_over_empty_lines_and_cells_of_several_lines() {
        let text = "a,b\r\n\r\n\"c\r\nd\",e\r\n,\r\n\nf,g";
        let expected = [row(1, &["a", "b"]), row(3, &["c\r\nd", "e"]), row(7, &["f", "g"])];
        assert_eq!(cells(text), expected);
        assert_eq!(
            cells("a,b\rc,d\re,f"),
            [row(1, &["a", "b"]), row(2, &["c", "d"]), row(3, &["e", "f"])]
        );
    }

    #[test]
    fn semicolons_tabs_and_bars_are_found_as_delimiters() {
        for delimiter in [';', '\t', '|', ','] {
            let text = format!("a.jpg{delimiter}cat\nb.jpg{delimiter}dog\n");
            assert_eq!(cells(&text)[1], row(2, &["b.jpg", "dog"]));
        }
        let labels = read("a.jpg,x;y\n", false, Some(";"), |_| false).unwrap();
        assert_eq!(labels[0].cells, ["a.jpg", "x;y"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_an_error_with_its_line() {
        let text = format!("a,b\nc,\"d\n{}", "e,f\n".repeat(1000));
        let error = read(&text, false, None, |_| false).unwrap_err();
        assert!(matches!(error, TableError::OpenQuote { line: 2 }), "{error}");
        let error = read("a,b\nc,\"d\ne,f\n", false, None, |_| false).unwrap_err();
        assert!(matches!(error, TableError::OpenQuote { line: 2 }), "{error}");
    }
}
