//! The model card: documents the model for people who did not train it.

use std::fmt::Write;

use super::card_figures;
use super::{MODEL_FILE, RunConfig, Summary};
use crate::evaluation::{ClassScores, Scores, accuracy_interval};
use crate::photos::{Fit, Preprocessing};
use crate::printable::{PathText, is_printable};
use crate::weights::PublishedWeights;

/// Marks a card as written by Kindling.
pub(super) const CARD_MARK: &str = "library_name: kindling";
/// Maximum number of classes that the card lists.
pub(super) const MAX_LISTED: usize = 100;
/// A class with fewer validation photos has scores that say little: with 9 of 9 right, the 95 %
/// interval of its recall begins at 0.70.
pub(super) const MIN_SUPPORT: usize = 10;

/// The data of a model card, all measured or recorded.
pub struct Card<'a> {
    /// The configuration of the run.
    pub config: &'a RunConfig,
    /// The results of the run.
    pub summary: &'a Summary,
    /// The scores on the validation photos.
    pub scores: &'a Scores,
}

impl Card<'_> {
    /// The card in the format of the Hugging Face Hub: Markdown with a YAML header
    /// (<https://huggingface.co/docs/hub/model-cards>).
    pub fn markdown(&self) -> String {
        // Writing into a String cannot fail.
        let mut card = String::new();
        let _ = self.header(&mut card);
        let _ = self.body(&mut card);
        card
    }

    fn published(&self) -> Option<&'static PublishedWeights> {
        published(self.config)
    }

    fn data_set(&self) -> String {
        data_set(self.config)
    }

    fn header(&self, card: &mut String) -> std::fmt::Result {
        // The Hub uses SPDX identifiers in lower case.
        let licence =
            self.published().map_or("unknown".into(), |published| published.licence.to_lowercase());
        let [backbone, data_set] =
            [&self.config.backbone, &self.data_set()].map(|text| quoted(text));
        let Scores { accuracy, loss, .. } = self.scores;
        write!(
            card,
            "---\n\
             {CARD_MARK}\n\
             license: {licence}\n\
             pipeline_tag: image-classification\n\
             tags:\n- image-classification\n- transfer-learning\n- burn\n- {backbone}\n\
             metrics:\n- accuracy\n- f1\n\
             model-index:\n\
             - name: {}\n  results:\n  - task:\n      type: image-classification\n    \
             dataset:\n      name: {data_set}\n      type: imagefolder\n      split: validation\n    \
             metrics:\n    \
             - type: accuracy\n      value: {accuracy:.4}\n    \
             - type: f1\n      name: F1 (macro)\n      value: {:.4}\n    \
             - type: loss\n      value: {loss:.4}\n\
             ---\n\n",
            quoted(&format!("{} on {}", self.config.backbone, self.data_set())),
            self.scores.macro_f1,
        )
    }

    fn per_class(&self) -> Vec<ClassScores> {
        self.scores.per_class(&self.summary.classes)
    }

    fn body(&self, card: &mut String) -> std::fmt::Result {
        let Self { config, summary, scores } = self;
        let classes = &summary.classes;
        let names: Vec<String> =
            classes.iter().take(MAX_LISTED).map(|class| escaped(class)).collect();
        let more = if classes.len() > MAX_LISTED { ", ..." } else { "" };
        writeln!(
            card,
            "# {} on {}\n\n\
             An image classifier with {} classes: {}{more}. Its backbone, {}, {} and was kept frozen. Its last layer \
             was trained by kindling {} with [Burn](https://burn.dev) on {} photos.\n",
            escaped(&config.backbone),
            escaped(&self.data_set()),
            classes.len(),
            names.join(", "),
            escaped(&config.backbone),
            match self.published() {
                Some(published) => format!("was pretrained on ImageNet ({})", published.source),
                None => format!("comes from {}", escaped(&config.weights.file.shown().to_string())),
            },
            config.versions.kindling,
            summary.train_photos,
        )?;
        writeln!(
            card,
            "## Intended use\n\n\
             The model is meant for photos like those it was trained on. It assigns one of its classes to every photo, even if \
             the photo shows none of them{}. {}Evaluate it on your own photos before you rely on it.\n",
            match config.preprocessing.fit {
                Fit::Crop => ", and it sees only the centre of the photo",
                Fit::Pad | Fit::Stretch => "",
            },
            match summary.strangers {
                Some(_) =>
                    "`kindling predict RUN PHOTO --reject` says `unknown` instead for a photo that is unlike \
                            everything it was trained on. ",
                None => "",
            }
        )?;
        writeln!(
            card,
            "## Data\n\n\
             {} training photos and {} validation photos{}. {}, and the channels are normalised with mean {:?} and \
             standard deviation {:?}.\n",
            summary.train_photos,
            summary.val_photos,
            match summary.skipped {
                0 => String::new(),
                skipped => format!("; skipped files: {skipped}"),
            },
            fitted(&config.preprocessing),
            config.preprocessing.mean,
            config.preprocessing.std,
        )?;
        let (low, high) = scores.accuracy_interval();
        writeln!(
            card,
            "## Metrics\n\n\
             On the {} validation photos: accuracy {:.4} (95 % interval {low:.4} to {high:.4}), balanced accuracy {:.4}, macro F1 {:.4}, \
             cross-entropy {:.4}. {}\n\n\
             {}\
             | class | precision | recall | F1 | photos |\n| --- | --- | --- | --- | --- |",
            scores.images,
            scores.accuracy,
            scores.balanced_accuracy,
            scores.macro_f1,
            scores.loss,
            how_chosen(summary),
            card_figures::sentences(summary),
        )?;
        for ClassScores { class, precision, recall, f1, support } in
            self.per_class().iter().take(MAX_LISTED)
        {
            let class = escaped(class);
            match support {
                0 => writeln!(card, "| {class} | n/a | n/a | n/a | 0 |")?,
                _ => writeln!(
                    card,
                    "| {class} | {precision:.4} | {recall:.4} | {f1:.4} | {support} |"
                )?,
            }
        }
        if classes.len() > MAX_LISTED {
            writeln!(card, "\n... and {} more classes.", classes.len() - MAX_LISTED)?;
        }
        let scarce = self.per_class().iter().filter(|one| one.support < MIN_SUPPORT).count();
        if scarce > 0 {
            writeln!(
                card,
                "\nClasses with fewer than {MIN_SUPPORT} validation photos: {scarce}. Their scores say little."
            )?;
        }
        if let Some(test) = &summary.test {
            let right = (test.accuracy * test.photos as f64).round() as usize;
            let (low, high) = accuracy_interval(right, test.photos);
            writeln!(
                card,
                "\nOn {} test photos, which chose nothing: accuracy {:.4} (95 % interval {low:.4} to \
                 {high:.4}), cross-entropy {:.4}.",
                test.photos, test.accuracy, test.loss
            )?;
        }
        let licence = match self.published() {
            Some(published) => format!(
                "The backbone's weights were published under {} ({}).",
                published.licence, published.source
            ),
            None => {
                "The backbone's weights come from a local file whose licence is unknown.".into()
            }
        };
        writeln!(
            card,
            "\n## Use\n\n    \
             kindling predict RUN photo.jpg\n\n\
             `{MODEL_FILE}` uses the tensor names of the backbone's published weights, so it also loads in PyTorch. \
             `kindling export` converts it to ONNX and other formats. `report.html` shows which photos the model gets wrong.\n\n\
             ## How it was made\n\n\
             Trained on {} with kindling {} and Burn {}: {:.1} s for the features and {:.1} s for the training. SHA-256 of the \
             pretrained weights: `{}`. `config.toml` records every option.\n\n\
             ## Licence\n\n\
             {licence} The rights in the training photos may restrict how the model can be used.",
            escaped(&config.device.to_string()),
            config.versions.kindling,
            config.versions.burn,
            summary.feature_seconds,
            summary.training_seconds,
            config.weights.sha256,
        )
    }
}

/// The published weights that the backbone comes from, if their digest is known.
pub(super) fn published(config: &RunConfig) -> Option<&'static PublishedWeights> {
    PublishedWeights::all().iter().find(|weights| weights.digest.admits(&config.weights.sha256))
}

/// The name of the folder or table of the photos.
pub(super) fn data_set(config: &RunConfig) -> String {
    let folder = &config.data.folder;
    folder.file_name().unwrap_or(folder.as_os_str()).shown().to_string()
}

/// What chose the head, and how that bears on the figures; each sentence that applies.
fn how_chosen(summary: &Summary) -> String {
    let mut text = match &summary.head.selection {
        Some(selection) => format!(
            "The head is the optimum of the L2-regularised loss; C = {} was chosen by cross-validation on the training photos \
             alone.",
            selection.c
        ),
        None => format!(
            "The same photos were used to choose the epoch ({} of {}), so these figures are slightly optimistic.",
            summary.best_epoch.epoch, summary.epochs
        ),
    };
    if let Some(photos) = summary.head.refit_photos {
        let _ = write!(
            text,
            " Afterwards the head was trained again on all {photos} training and validation photos; the figures are those \
             of the head before that."
        );
    }
    if let Some(folds) = &summary.head.folds {
        let _ = write!(
            text,
            " Cross-validation with {} folds of {} photos: accuracy {:.4} (standard deviation {:.4}), macro F1 {:.4} ({:.4}).",
            folds.folds,
            folds.photos,
            folds.accuracy.mean,
            folds.accuracy.deviation,
            folds.macro_f1.mean,
            folds.macro_f1.deviation
        );
    }
    text
}

/// How photos are fitted into the network's square, as the start of a sentence.
fn fitted(preprocessing: &Preprocessing) -> String {
    let Preprocessing { resize, crop, fit, .. } = preprocessing;
    match fit {
        Fit::Crop => format!(
            "The short side of each photo is resized to {resize} pixels, the centre is cropped to a square of {crop} pixels"
        ),
        Fit::Pad => format!(
            "The long side of each photo is resized to {crop} pixels, the photo is centred on a square of the mean colour"
        ),
        Fit::Stretch => format!("Each photo is stretched to a square of {crop} pixels"),
    }
}

/// A double-quoted YAML string, which is a superset of a JSON string. Characters that YAML treats
/// as line breaks or does not allow are escaped as in JSON.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.chars().fold(String::new(), |mut quoted, character| {
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
        quoted
    })
}

/// Escapes text for Markdown, on one line: class and folder names may contain any character.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    // Some Markdown renderers turn anything that looks like an address into a link.
    let is_address = text.contains("www.") || text.contains("://") || text.contains('@');
    for character in text.chars() {
        if !is_printable(character) {
            escaped.extend(character.escape_default());
            continue;
        }
        if "\\`*_{}[]<>#|~&!".contains(character) || is_address && ".:@".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_name_is_text_in_the_card_whatever_it_is() {
        assert_eq!(escaped("<b>|x|`"), "\\<b\\>\\|x\\|\\`");
        assert_eq!(escaped("a\nb"), "a\\nb");
        assert_eq!(escaped("www.a.b"), "www\\.a\\.b");
        assert_eq!(escaped("r-1.5"), "r-1.5");
        assert_eq!(quoted("a\u{7f}\u{85}\u{2028}é"), r#""a\u007f\u0085\u2028é""#);
        assert_eq!(quoted("a: \"b\"\n# c"), r##""a: \"b\"\n# c""##);
    }
}
