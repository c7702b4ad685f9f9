//! What the cells of a row mean: labels, parts and groups.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::columns::{Columns, LabelColumns, indicator};
use super::lookup::same_path;
use super::problems::{Kind, Problems};
use super::records::Record;
use super::{TableError, TableOptions, TableRow};
use crate::photos::Part;
use crate::printable::shortened;

/// Separates the elements of a list in a cell of a Parquet file.
pub(super) const LIST: char = '\u{1f}';

/// A row whose file was not looked for yet.
pub(super) struct Row {
    pub line: u64,
    pub path: String,
    pub labels: Vec<String>,
    pub part: Option<Part>,
    pub group: Option<String>,
}

/// The names that the indices of rows stand for, in byte order.
#[derive(Default)]
pub(super) struct Names {
    pub classes: Vec<String>,
    pub groups: Vec<String>,
}

/// Reads the cells of the records. Rows without a path or label become problems.
///
/// # Errors
/// If a 0/1 column or the split column holds something else.
pub(super) fn read(
    records: Vec<Record>,
    columns: &Columns,
    options: &TableOptions,
    problems: &mut Problems,
) -> Result<Vec<Row>, TableError> {
    let first_width = records.first().map_or(0, |record| record.cells.len());
    let width = if columns.header.is_empty() { first_width } else { columns.header.len() };
    let mut rows = Vec::with_capacity(records.len());
    let mut unknown_parts = Vec::new();
    for Record { line, cells } in records {
        let path = cells.get(columns.path).map(|cell| cleaned(cell)).unwrap_or_default();
        let has_more = cells.iter().skip(width).any(|cell| !cell.trim().is_empty());
        if has_more || !has_all(&cells, columns) {
            let seen = format!("{} cells instead of {width}", cells.len());
            problems.add(Kind::Ragged, line, if path.is_empty() { seen } else { path });
            continue;
        }
        if is_missing(&path) {
            problems.add(Kind::NoPath, line, path);
            continue;
        }
        let part = columns.split.map(|column| Part::of_text(&cells[column]));
        if part == Some(None) {
            unknown_parts.push((line, cleaned(&cells[columns.split.unwrap_or_default()])));
        }
        let group = columns.group.map(|column| cleaned(&cells[column]));
        let group = group.filter(|group| !is_missing(group));
        let labels = match &columns.labels {
            LabelColumns::None => Vec::new(),
            LabelColumns::One(column) => {
                let labels = labels_of(&cells[*column], options.label_separator.as_deref());
                let may_be_empty =
                    options.label_separator.is_some() || cells[*column].contains(LIST);
                if labels.is_empty() && !may_be_empty {
                    problems.add(Kind::NoLabel, line, path);
                    continue;
                }
                if labels.is_empty() {
                    problems.without_class(line);
                }
                if labels.iter().any(|label| label.contains(['\n', '\r'])) {
                    return Err(TableError::ClassName { place: problems.place(line) });
                }
                labels
            }
            LabelColumns::Indicators(found) => indicators(line, &cells, found, columns, problems),
        };
        rows.push(Row { line, path, labels, part: part.flatten(), group });
    }
    problems.check_indicators()?;
    match unknown_parts.first() {
        None => Ok(rows),
        Some((line, value)) => Err(TableError::UnknownPart {
            value: value.clone(),
            place: problems.place(*line),
            more: unknown_parts.len() - 1,
        }),
    }
}

/// Whether the record has all cells that are used.
fn has_all(cells: &[String], columns: &Columns) -> bool {
    let Columns { header: _, path, labels, split, group } = columns;
    let labels = match labels {
        LabelColumns::None => &[][..],
        LabelColumns::One(column) => std::slice::from_ref(column),
        LabelColumns::Indicators(columns) => columns,
    };
    let single = [Some(*path), *split, *group];
    single.iter().flatten().chain(labels).all(|column| *column < cells.len())
}

/// The cell without spaces and quotes around it.
fn cleaned(cell: &str) -> String {
    let text = cell.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}

/// Whether the cell is empty, or what programs write for an empty one.
fn is_missing(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("nan") || ["<NA>", "#N/A"].contains(&text)
}

fn labels_of(cell: &str, separator: Option<&str>) -> Vec<String> {
    let cell = cleaned(cell);
    let parts: Vec<&str> = match separator {
        _ if cell.contains(LIST) => cell.split(LIST).collect(),
        Some(separator) if !separator.is_empty() => cell.split(separator).collect(),
        _ => vec![&cell],
    };
    let mut labels: Vec<String> = parts.into_iter().map(cleaned).collect();
    labels.retain(|label| !is_missing(label));
    labels.sort();
    labels.dedup();
    labels
}

fn indicators(
    line: u64,
    cells: &[String],
    found: &[usize],
    columns: &Columns,
    problems: &mut Problems,
) -> Vec<String> {
    let mut labels = Vec::new();
    for column in found {
        let cell = cleaned(&cells[*column]);
        match indicator(&cell) {
            Some(true) => labels.push(columns.name(*column)),
            Some(false) => {}
            None if is_missing(&cell) => problems.empty_indicator(line),
            None => problems.not_an_indicator(line, columns.name(*column), cell),
        }
    }
    labels
}

/// The rows with indices for names, each photo once.
///
/// # Errors
/// If rows about the same photo contradict each other.
pub(super) fn rows(
    photos: Vec<(Row, PathBuf)>,
    columns: &Columns,
    options: &TableOptions,
    problems: &mut Problems,
) -> Result<(Vec<TableRow>, Names), TableError> {
    let photos = distinct(photos, options, problems)?;
    let mut classes: BTreeSet<&str> =
        photos.iter().flat_map(|(row, _)| &row.labels).map(String::as_str).collect();
    let whole = whole_numbers(&classes);
    let named = |label: &str| -> String {
        let text = if whole { label.split('.').next().unwrap_or(label) } else { label };
        text.to_owned()
    };
    let header: Vec<String>;
    if let LabelColumns::Indicators(found) = &columns.labels {
        // A class that no photo shows is a class all the same.
        header = found.iter().map(|column| columns.name(*column)).collect();
        classes.extend(header.iter().map(String::as_str));
    }
    let classes: BTreeSet<String> = classes.into_iter().map(named).collect();
    let classes: Vec<String> = classes.into_iter().collect();
    problems.look_at_classes(&classes, options.label_separator.is_some());
    let groups: BTreeSet<&String> =
        photos.iter().filter_map(|(row, _)| row.group.as_ref()).collect();
    let groups: Vec<String> = groups.into_iter().cloned().collect();
    let position = |names: &[String], name: &str| {
        names.binary_search_by(|known| known.as_str().cmp(name)).unwrap_or_default()
    };
    let row = |(row, path): &(Row, PathBuf)| {
        let labels = row.labels.iter().map(|label| position(&classes, &named(label)));
        let mut labels: Vec<usize> = labels.collect();
        labels.sort_unstable();
        TableRow {
            path: path.clone(),
            labels,
            part: row.part,
            group: row.group.as_ref().map(|group| position(&groups, group)),
            line: row.line,
        }
    };
    let rows = photos.iter().map(row).collect();
    Ok((rows, Names { classes, groups }))
}

/// Whether all labels are whole numbers, some of which pandas has written as `1.0`.
fn whole_numbers(classes: &BTreeSet<&str>) -> bool {
    let is_whole = |label: &&str| {
        let (number, rest) = label.split_once('.').unwrap_or((label, ""));
        let digits = number.strip_prefix('-').unwrap_or(number);
        !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && rest.bytes().all(|byte| byte == b'0')
    };
    classes.iter().any(|label| label.contains('.')) && classes.iter().all(is_whole)
}

/// Each photo once. Rows that repeat another one are counted.
fn distinct(
    photos: Vec<(Row, PathBuf)>,
    options: &TableOptions,
    problems: &mut Problems,
) -> Result<Vec<(Row, PathBuf)>, TableError> {
    let mut first: HashMap<PathBuf, usize> = HashMap::with_capacity(photos.len());
    let mut kept: Vec<(Row, PathBuf)> = Vec::with_capacity(photos.len());
    let mut contradictions = Vec::new();
    for (row, path) in photos {
        let known = *first.entry(same_path(&path)).or_insert(kept.len());
        let Some((earlier, _)) = kept.get(known) else {
            kept.push((row, path));
            continue;
        };
        match difference(earlier, &row) {
            None => problems.repeated(earlier.line, row.line),
            Some((one, other)) => contradictions.push((known, one, other, row.line)),
        }
    }
    let more = contradictions.len().saturating_sub(1);
    match contradictions.into_iter().next() {
        None => Ok(kept),
        Some((known, one, other, line)) => Err(TableError::Contradiction {
            photo: super::error::short(&kept[known].1),
            one: format!("{one} in {}", problems.place(kept[known].0.line)),
            other: format!("{other} in {}", problems.place(line)),
            more,
            may_be_several: options.label_separator.is_none(),
        }),
    }
}

/// What two rows about the same photo say, if they contradict each other.
fn difference(one: &Row, other: &Row) -> Option<(String, String)> {
    let labels = |row: &Row| match row.labels.as_slice() {
        [] => "without a label".to_owned(),
        labels => format!("`{}`", shortened(&labels.join(", "), 40)),
    };
    let part = |row: &Row| format!("in the part `{}`", row.part.map_or("", Part::name));
    let group = |row: &Row| match &row.group {
        None => "in no group".to_owned(),
        Some(group) => format!("in the group `{}`", shortened(group, 40)),
    };
    let both = |text: &dyn Fn(&Row) -> String| Some((text(one), text(other)));
    match () {
        () if one.labels != other.labels => both(&labels),
        () if one.part != other.part => both(&part),
        () if one.group != other.group => both(&group),
        () => None,
    }
}
