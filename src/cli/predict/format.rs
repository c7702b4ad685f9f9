//! Output formats of `kindling predict`: columns for people, JSON lines or CSV for programs.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kindling::device::DeviceInfo;
use kindling::gallery::Gallery;
use kindling::printable::{PathText, printable};
use kindling::run::joined_labels;
use serde::Serialize;

use crate::cli::strangers::{Stranger, UNKNOWN};
use crate::cli::terminal::{counted, one_line, shortened, text, warn};

/// A class and its probability.
#[derive(Serialize)]
pub struct Guess<'a> {
    /// Index into the model's classes.
    #[serde(skip)]
    pub index: usize,
    pub class: &'a str,
    pub probability: f64,
}

/// The prediction for a photo.
pub struct Predicted<'a> {
    /// The most probable classes, at least one, the most probable first.
    pub guesses: Vec<Guess<'a>>,
    /// All classes, if the model gives a photo any number of them.
    pub labels: Option<Vec<Label<'a>>>,
    /// How far the photo is from those trained on, if the model knows these.
    pub stranger: Option<Stranger>,
}

/// A class that a photo may show beside others.
#[derive(Serialize)]
pub struct Label<'a> {
    /// Index into the model's classes.
    #[serde(skip)]
    pub index: usize,
    pub class: &'a str,
    pub probability: f64,
    /// The probability from which on the photo is said to show the class.
    pub threshold: f64,
    pub present: bool,
}

impl Predicted<'_> {
    /// The classes that the photo shows, the most probable first: the most probable one, unless the
    /// model gives a photo any number of them.
    pub fn shown(&self) -> Vec<Guess<'_>> {
        let guess = |index, class, probability| Guess { index, class, probability };
        let Some(labels) = &self.labels else {
            let best = &self.guesses[0];
            return vec![guess(best.index, best.class, best.probability)];
        };
        let present = labels.iter().filter(|label| label.present);
        let mut shown: Vec<Guess> =
            present.map(|label| guess(label.index, label.class, label.probability)).collect();
        shown.sort_by(|one, other| other.probability.total_cmp(&one.probability));
        shown
    }
}

/// What is said of a photo that shows none of the classes.
pub const NONE: &str = "none";

/// An output format. Photos are written in input order, as soon as their predictions are available.
pub trait Format {
    /// Writes a prediction.
    fn prediction(&mut self, path: &Path, predicted: &Predicted) -> io::Result<()>;

    /// Writes why a photo has no prediction.
    fn failure(&mut self, path: &Path, error: &str) -> io::Result<()>;

    /// Writes how many of the `photos` each class has.
    fn counts(&mut self, _counts: &[(&str, usize)], _photos: usize) -> io::Result<()> {
        Ok(())
    }

    /// Writes where the photos were saved.
    fn saved(&mut self, _gallery: &Gallery) -> io::Result<()> {
        Ok(())
    }

    /// Flushes the output.
    fn flush(&mut self) -> io::Result<()>;
}

/// Maximum width of the path column, in characters.
const WIDEST_PATH: usize = 60;
/// Maximum width of the class column, in characters. Some ImageNet class names have a hundred.
const WIDEST_CLASS: usize = 30;
/// Maximum number of classes whose photos are counted at the end: the most frequent ones.
const MAX_COUNTS: usize = 8;

/// One line per photo, in columns whose widths are known in advance.
pub struct People<W> {
    out: W,
    /// Whether strangers are called unknown.
    reject: bool,
    path_width: usize,
    class_width: usize,
}

impl<W: Write> People<W> {
    pub fn begin(
        mut out: W,
        device: &DeviceInfo,
        paths: &[PathBuf],
        classes: &[String],
        reject: bool,
    ) -> io::Result<Self> {
        writeln!(out, "device    {device}")?;
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| one_line(&text).chars().count()).max().unwrap_or(0)
        };
        Ok(Self {
            out,
            reject,
            path_width: widest(&mut paths.iter().map(|path| text(path))).min(WIDEST_PATH),
            class_width: widest(&mut classes.iter().cloned()).min(WIDEST_CLASS),
        })
    }
}

impl<W: Write> Format for People<W> {
    fn prediction(&mut self, path: &Path, predicted: &Predicted) -> io::Result<()> {
        let path = one_line(&text(path));
        let (path_width, class_width) = (self.path_width, self.class_width);
        let refused = predicted.stranger.filter(|stranger| self.reject && stranger.is_unknown);
        if let Some(Stranger { score, threshold, .. }) = refused {
            return writeln!(
                self.out,
                "{path:path_width$}  {UNKNOWN:class_width$}  {}, but its stranger score is {score:.3} > {threshold:.3}",
                predicted.guesses.iter().map(with_percent).collect::<Vec<_>>().join(", ")
            );
        }
        if predicted.labels.is_some() {
            let shown: Vec<String> = predicted.shown().iter().map(with_percent).collect();
            let shown = if shown.is_empty() { NONE.to_owned() } else { shown.join(", ") };
            return writeln!(self.out, "{path:path_width$}  {shown}");
        }
        let best = &predicted.guesses[0];
        let (class, percent) = (one_line(best.class), best.probability * 100.0);
        write!(self.out, "{path:path_width$}  {class:class_width$}  {percent:5.1} %")?;
        for guess in &predicted.guesses[1..] {
            write!(self.out, ", {}", with_percent(guess))?;
        }
        writeln!(self.out)
    }

    fn failure(&mut self, path: &Path, error: &str) -> io::Result<()> {
        warn(&format!("`{}` {error}", path.shown()));
        Ok(())
    }

    fn counts(&mut self, counts: &[(&str, usize)], photos: usize) -> io::Result<()> {
        let mut counts: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        write!(self.out, "total     {}: ", counted(photos, "photo"))?;
        let class = |(class, count): &&(&str, usize)| {
            format!("{count} {}", shortened(&one_line(class), WIDEST_CLASS))
        };
        let listed: Vec<String> = counts.iter().take(MAX_COUNTS).map(class).collect();
        write!(self.out, "{}", listed.join(", "))?;
        match counts.len().saturating_sub(MAX_COUNTS) {
            0 => writeln!(self.out),
            more => writeln!(self.out, ", and {}", counted(more, "other class")),
        }
    }

    fn saved(&mut self, gallery: &Gallery) -> io::Result<()> {
        let folder = one_line(&text(gallery.folder()));
        writeln!(self.out, "saved     {} in {folder}", counted(gallery.saved(), "photo"))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `cat 98.1 %`.
fn with_percent(guess: &Guess) -> String {
    format!("{} {:.1} %", one_line(guess.class), guess.probability * 100.0)
}

/// One JSON object per line.
pub struct JsonLines<'a, W> {
    out: W,
    device: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Prediction {
        path: &'a str,
        class: &'a str,
        probability: f64,
        top: &'a [Guess<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        classes: Option<&'a [Label<'a>]>,
        #[serde(flatten)]
        stranger: Option<Stranger>,
        device: &'a str,
    },
    Failure {
        path: &'a str,
        error: &'a str,
    },
}

impl<'a, W: Write> JsonLines<'a, W> {
    pub fn new(out: W, device: &'a str) -> Self {
        Self { out, device }
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        writeln!(self.out)
    }
}

impl<W: Write> Format for JsonLines<'_, W> {
    fn prediction(&mut self, path: &Path, predicted: &Predicted) -> io::Result<()> {
        let Predicted { guesses, labels, stranger } = predicted;
        let Guess { class, probability, .. } = guesses[0];
        self.line(&Line::Prediction {
            path: &text(path),
            class,
            probability,
            top: guesses,
            classes: labels.as_deref(),
            stranger: *stranger,
            device: self.device,
        })
    }

    fn failure(&mut self, path: &Path, error: &str) -> io::Result<()> {
        self.line(&Line::Failure { path: &text(path), error })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// One row per photo, with the header `path,class,probability,class_2,probability_2,...,error`. If
/// photos have several classes, `labels` before `error` names them; if the model knows the photos that
/// it was trained on, `stranger_score,unknown` follow.
pub struct Csv<W: Write> {
    rows: csv::Writer<W>,
    guesses: usize,
    several: bool,
    has_scores: bool,
}

impl<W: Write> Csv<W> {
    /// Writes the header for `guesses` guesses per photo, for its classes if there may be `several`,
    /// and for its stranger score if it has one.
    pub fn begin(out: W, guesses: usize, several: bool, has_scores: bool) -> io::Result<Self> {
        let mut csv = Self { rows: csv::Writer::from_writer(out), guesses, several, has_scores };
        let further = (2..=guesses)
            .flat_map(|rank| ["class", "probability"].map(|name| format!("{name}_{rank}")));
        let names = ["path", "class", "probability"].map(String::from).into_iter();
        let labels = several.then(|| "labels".to_owned());
        let scores = has_scores.then(|| ["stranger_score", "unknown"].map(String::from));
        let last = scores.into_iter().flatten().chain(["error".to_owned()]);
        csv.row(names.chain(further).chain(labels).chain(last))?;
        Ok(csv)
    }

    fn row(&mut self, fields: impl Iterator<Item = String>) -> io::Result<()> {
        self.rows.write_record(fields.map(String::into_bytes)).map_err(|error| {
            // Unwrap the I/O error, so that `main` recognises a broken pipe.
            match error.into_kind() {
                csv::ErrorKind::Io(error) => error,
                other => io::Error::other(format!("{other:?}")),
            }
        })
    }
}

impl<W: Write> Format for Csv<W> {
    fn prediction(&mut self, path: &Path, predicted: &Predicted) -> io::Result<()> {
        // `to_string` writes enough digits to read the same number back.
        let cells = predicted
            .guesses
            .iter()
            .flat_map(|guess| [printable(guess.class), guess.probability.to_string()]);
        let shown = predicted.shown();
        let labels = self.several.then(|| joined_labels(shown.iter().map(|shown| shown.class)));
        let scores = predicted
            .stranger
            .map(|stranger| [stranger.score.to_string(), stranger.is_unknown.to_string()]);
        let last = scores.into_iter().flatten().chain([String::new()]);
        self.row([text(path)].into_iter().chain(cells).chain(labels).chain(last))
    }

    fn failure(&mut self, path: &Path, error: &str) -> io::Result<()> {
        let scores = 2 * usize::from(self.has_scores);
        let columns = 2 * self.guesses + usize::from(self.several) + scores;
        let empty = std::iter::repeat_n(String::new(), columns);
        self.row([text(path)].into_iter().chain(empty).chain([error.to_owned()]))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.flush()
    }
}
