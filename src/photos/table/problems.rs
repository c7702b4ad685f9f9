//! What is wrong with a table without making it useless: one warning for each kind of fault.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::TableError;
use super::error::short;
use super::lookup::Missing;
use crate::photos::PassedOver;
use crate::printable::{PathText, shortened};

/// Why a row is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ragged,
    NoPath,
    NoLabel,
    File(Missing),
}

impl Kind {
    fn reason(self) -> &'static str {
        match self {
            Self::Ragged => "it has more or fewer cells than the header",
            Self::NoPath => "it has no path",
            Self::NoLabel => "it has no label",
            Self::File(Missing::NotThere) => "there is no such file",
            Self::File(Missing::NotAFile) => "it names a folder or device",
            Self::File(Missing::Ambiguous) => "several files have that name and other endings",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Ragged => "; put a text with a delimiter in it into quotes",
            Self::NoPath => "; write one, or name another column with --path-column",
            Self::NoLabel => "; write one, or name another column with --label-column",
            Self::File(Missing::NotThere) => "; correct it, or give --photo-folder",
            Self::File(_) => "; write the whole name of a file",
        }
    }
}

/// Rows that a warning is about: the first ones, and how many there are.
#[derive(Default)]
struct Rows {
    examples: Vec<(u64, String)>,
    count: usize,
}

impl Rows {
    fn add(&mut self, line: u64, text: String) {
        const SHOWN: usize = 3;
        self.count += 1;
        if self.examples.len() < SHOWN {
            self.examples.push((line, text));
        }
    }
}

/// The faults that were found.
pub(super) struct Problems {
    table: PathBuf,
    unused: BTreeMap<Kind, Rows>,
    passed_over: Vec<PassedOver>,
    /// Lines that repeat an earlier one.
    repeated: Rows,
    /// Rows with none of the classes.
    without_class: Rows,
    empty_indicators: Rows,
    /// Column, line and cell.
    not_indicators: Vec<(String, u64, String)>,
    /// Whether every class is a number.
    labels_are_numbers: bool,
    /// Further warnings, without the table's name.
    sentences: Vec<String>,
}

/// The place of a row for people.
pub(super) fn place(table: &Path, line: u64) -> String {
    let is_parquet = table.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    format!("{} {line}", if is_parquet { "row" } else { "line" })
}

impl Problems {
    pub fn new(table: &Path) -> Self {
        Self {
            table: table.to_owned(),
            unused: BTreeMap::new(),
            passed_over: Vec::new(),
            repeated: Rows::default(),
            without_class: Rows::default(),
            empty_indicators: Rows::default(),
            not_indicators: Vec::new(),
            labels_are_numbers: false,
            sentences: Vec::new(),
        }
    }

    pub fn place(&self, line: u64) -> String {
        place(&self.table, line)
    }

    /// A row that is not used. `text` is its path, or what can be said of it.
    pub fn add(&mut self, kind: Kind, line: u64, text: String) {
        let reason = format!("{}{}: {}", PassedOver::ROW, self.place(line), kind.reason());
        let path = if text.is_empty() { self.table.clone() } else { PathBuf::from(&text) };
        self.passed_over.push(PassedOver { path, reason });
        self.unused.entry(kind).or_default().add(line, text);
    }

    pub fn repeated(&mut self, earlier: u64, line: u64) {
        self.repeated.add(line, format!("as {}", self.place(earlier)));
    }

    pub fn without_class(&mut self, line: u64) {
        self.without_class.add(line, String::new());
    }

    pub fn empty_indicator(&mut self, line: u64) {
        self.empty_indicators.add(line, String::new());
    }

    pub fn not_an_indicator(&mut self, line: u64, column: String, cell: String) {
        self.not_indicators.push((column, line, cell));
    }

    /// # Errors
    /// If a cell of a 0/1 column was neither.
    pub fn check_indicators(&self) -> Result<(), TableError> {
        match self.not_indicators.first() {
            None => Ok(()),
            Some((column, line, value)) => Err(TableError::NotAnIndicator {
                column: column.clone(),
                value: value.clone(),
                place: self.place(*line),
                more: self.not_indicators.len() - 1,
            }),
        }
    }

    /// Lines that are not UTF-8.
    pub fn other_encoding(&mut self, line: u64, count: usize) {
        let (are, are_they) =
            if count == 1 { ("line is", "it is") } else { ("lines are", "they are") };
        self.sentences.push(format!(
            "{count} {are} not UTF-8 (the first is line {line}): {are_they} read as Windows-1252; \
             save the table as UTF-8 if names look wrong"
        ));
    }

    /// Class names that may not be meant.
    pub fn look_at_classes(&mut self, classes: &[String], has_separator: bool) {
        let mut by_lower: BTreeMap<String, &String> = BTreeMap::new();
        for class in classes {
            if let Some(other) = by_lower.insert(class.to_lowercase(), class) {
                self.sentences.push(format!(
                    "the classes `{}` and `{}` differ only in upper and lower case",
                    shortened(other, 40),
                    shortened(class, 40)
                ));
                break;
            }
        }
        self.labels_are_numbers =
            !classes.is_empty() && classes.iter().all(|class| class.parse::<f64>().is_ok());
        let missing =
            |class: &&String| ["NA", "N/A", "n/a", "null", "NULL"].contains(&class.as_str());
        if let Some(class) = classes.iter().find(missing) {
            self.sentences.push(format!(
                "`{class}` is taken for a class; leave the cell empty if the label is not known"
            ));
        }
        let is_known =
            |name: &str| classes.binary_search_by(|class| class.as_str().cmp(name)).is_ok();
        let several = classes.iter().find_map(|class| {
            let separator = [';', '|', ','].into_iter().find(|mark| class.contains(*mark))?;
            let is_several = class.split(separator).map(str::trim).any(is_known);
            is_several.then_some((class, separator))
        });
        if let (Some((class, separator)), false) = (several, has_separator) {
            self.sentences.push(format!(
                "`{}` is taken for one class; --label-separator '{separator}' reads several",
                shortened(class, 60)
            ));
        }
    }

    /// Why there is no row that can be used: the most frequent reason, with an example.
    pub fn why_nothing(&self, searched: &str) -> String {
        let most = self.unused.iter().max_by_key(|(_, rows)| rows.count);
        let Some((kind, rows)) = most else { return "it has only a header".into() };
        let example = self.examples(rows, 1);
        match (kind, rows.examples.first()) {
            (Kind::File(_), Some((_, path))) if path.contains("://") => {
                format!("they are addresses of files: {example}; download the photos first")
            }
            (Kind::File(Missing::NotThere), _) => format!(
                "there is no such file in {searched}: {example}; --photo-folder names the folder \
                 that paths are relative to"
            ),
            _ => format!("{}: {example}{}", kind.reason(), kind.remedy()),
        }
    }

    pub fn passed_over(&self) -> Vec<PassedOver> {
        self.passed_over.clone()
    }

    /// A sentence for each kind of fault in the table of `count` rows.
    pub fn warnings(&self, count: usize) -> Vec<String> {
        let table = format!("`{}`: ", short(&self.table));
        let mut sentences = self.sentences.clone();
        for (kind, rows) in &self.unused {
            sentences.push(format!(
                "{} of {count} rows {} not used, because {}: {}{}",
                rows.count,
                if rows.count == 1 { "is" } else { "are" },
                match rows.count {
                    1 => kind.reason().to_owned(),
                    _ => kind
                        .reason()
                        .replace("it has", "they have")
                        .replace("it names a folder", "they name a folder"),
                },
                self.examples(rows, rows.examples.len()),
                kind.remedy()
            ));
        }
        // Each for one row, and for several.
        let kinds = [
            (&self.repeated, "row is repeated, and used once", "rows are repeated, and used once"),
            (
                &self.without_class,
                "row is without a label, and used as a photo that shows no class",
                "rows are without a label, and used as photos that show no class",
            ),
            (
                &self.empty_indicators,
                "empty cell of a 0/1 column counts as 0",
                "empty cells of 0/1 columns count as 0",
            ),
        ];
        for (rows, one, several) in kinds {
            if rows.count > 0 {
                let examples = self.examples(rows, rows.examples.len());
                let what = if rows.count == 1 { one } else { several };
                sentences.push(format!("{} {what}: {examples}", rows.count));
            }
        }
        if self.labels_are_numbers {
            let sentence = "the labels are numbers, and each of them is a class; --label-column \
                            names another column";
            sentences.push(sentence.into());
        }
        sentences.iter().map(|sentence| format!("{table}{sentence}")).collect()
    }

    fn examples(&self, rows: &Rows, shown: usize) -> String {
        let example = |(line, text): &(u64, String)| match text.is_empty() {
            true => self.place(*line),
            false if text.starts_with("as ") => format!("{} ({text})", self.place(*line)),
            false => {
                const WIDEST: usize = 32;
                let cut = text.chars().count().saturating_sub(WIDEST);
                let end: String = text.chars().skip(cut).collect();
                let dots = if cut > 0 { "..." } else { "" };
                format!("{} (`{dots}{}`)", self.place(*line), end.shown())
            }
        };
        let mut text = rows.examples.iter().take(shown).map(example).collect::<Vec<_>>().join(", ");
        if rows.count > shown && shown > 1 {
            text += &format!(" and {} more", rows.count - shown);
        }
        text
    }
}
