//! The model card: what the model is, for whoever gets it without having trained it.

use std::fmt::Write;

use super::{MODEL_FILE, RunConfig, Summary};
use crate::evaluation::{ClassScores, Scores};
use crate::weights::PublishedWeights;

/// What every card of ours has, and hardly another file.
pub(super) const CARD_MARK: &str = "library_name: kindling";
/// Most classes whose scores the card lists.
const LISTED: usize = 100;

/// What a model card tells, all of it measured or recorded.
pub struct Card<'a> {
    /// How the model was made.
    pub config: &'a RunConfig,
    /// What came of it.
    pub summary: &'a Summary,
    /// Its scores on the validation photos.
    pub scores: &'a Scores,
}

impl Card<'_> {
    /// The card as Hugging Face's hub takes it: Markdown behind a YAML header
    /// (<https://huggingface.co/docs/hub/model-cards>).
    pub fn markdown(&self) -> String {
        // Writing into a String cannot fail.
        let mut card = String::new();
        let _ = self.header(&mut card);
        let _ = self.body(&mut card);
        card
    }

    /// The published weights that the backbone is from, where they are known by their digest.
    fn published(&self) -> Option<&'static PublishedWeights> {
        let sha256 = &self.config.weights.sha256;
        PublishedWeights::all().iter().find(|weights| weights.digest.admits(sha256))
    }

    fn data_set(&self) -> String {
        let folder = &self.config.data.folder;
        folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
    }

    fn header(&self, card: &mut String) -> std::fmt::Result {
        // The hub's identifiers are SPDX's in lower case.
        let licence = self.published().map_or("unknown".into(), |from| from.licence.to_lowercase());
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
            macro_f1(&self.per_class()),
        )
    }

    fn per_class(&self) -> Vec<ClassScores> {
        self.scores.per_class(&self.summary.classes)
    }

    fn body(&self, card: &mut String) -> std::fmt::Result {
        let Self { config, summary, scores } = self;
        let classes = &summary.classes;
        let names: Vec<String> = classes.iter().take(LISTED).map(|class| escaped(class)).collect();
        let more = if classes.len() > LISTED { ", ..." } else { "" };
        writeln!(
            card,
            "# {} on {}\n\n\
             A classifier of photos into {} classes: {}{more}. Its backbone, {}, {} and is frozen; its last \
             layer was trained with [Burn](https://burn.dev) by kindling {} on {} photos.\n",
            escaped(&config.backbone),
            escaped(&self.data_set()),
            classes.len(),
            names.join(", "),
            escaped(&config.backbone),
            match self.published() {
                Some(from) => format!("was pretrained on ImageNet ({})", from.source),
                None => format!("is from {}", escaped(&config.weights.file.to_string_lossy())),
            },
            config.versions.kindling,
            summary.train_photos,
        )?;
        writeln!(
            card,
            "## Intended use\n\n\
             Photos like those that it was trained on. It names one of its classes for any photo, also for one that shows none of \
             them, and it sees the centre of the photo alone. Measure it on photos of your own before you rely on it.\n"
        )?;
        writeln!(
            card,
            "## Data\n\n\
             {} photos to train on and {} to validate on{}. Photos are resized to {} pixels on the short side, {} pixels are cut \
             out of the centre, and the channels are normalised with mean {:?} and deviation {:?}.\n",
            summary.train_photos,
            summary.val_photos,
            match summary.skipped {
                0 => String::new(),
                skipped => format!("; {skipped} files that were no photos were left out"),
            },
            config.preprocessing.resize,
            config.preprocessing.crop,
            config.preprocessing.mean,
            config.preprocessing.std,
        )?;
        writeln!(
            card,
            "## Metrics\n\n\
             On the {} validation photos: accuracy {:.4}, cross-entropy {:.4}. The epoch ({} of {}) was chosen on these same photos, \
             so the figures are a little flattering.\n\n\
             | class | precision | recall | F1 | photos |\n| --- | --- | --- | --- | --- |",
            scores.images, scores.accuracy, scores.loss, summary.best_epoch.epoch, summary.epochs,
        )?;
        for ClassScores { class, precision, recall, f1, support } in
            self.per_class().iter().take(LISTED)
        {
            let class = escaped(class);
            writeln!(card, "| {class} | {precision:.4} | {recall:.4} | {f1:.4} | {support} |")?;
        }
        if classes.len() > LISTED {
            writeln!(card, "\n... and {} classes more.", classes.len() - LISTED)?;
        }
        let licence = match self.published() {
            Some(from) => format!(
                "The backbone's weights were published under {} ({}).",
                from.licence, from.source
            ),
            None => "The backbone's weights are from a file of the trainer's own, whose licence is not known here.".into(),
        };
        writeln!(
            card,
            "\n## Use\n\n    \
             kindling predict RUN photo.jpg\n\n\
             `{MODEL_FILE}` has the tensor names of the backbone's published files, so that it loads in PyTorch too; `kindling export` \
             makes ONNX and other formats of it. `report.html` shows what it gets wrong.\n\n\
             ## How it was made\n\n\
             On {} with kindling {} and Burn {}, {:.1} s for the features and {:.1} s for the training. Weights' SHA-256: `{}`. \
             Every option is in `config.toml`.\n\n\
             ## Licence\n\n\
             {licence} What the photos allow is for whoever has the rights in them to say.",
            escaped(&config.device.to_string()),
            config.versions.kindling,
            config.versions.burn,
            summary.feature_seconds,
            summary.training_seconds,
            config.weights.sha256,
        )
    }
}

/// The mean of the classes' F1, over those that have photos.
fn macro_f1(per_class: &[ClassScores]) -> f64 {
    let met: Vec<f64> = per_class.iter().filter(|one| one.support > 0).map(|one| one.f1).collect();
    met.iter().sum::<f64>() / met.len().max(1) as f64
}

/// A YAML scalar: its double-quoted strings are a superset of JSON's. What YAML takes for no character of
/// a text, or for the end of a line, is escaped as JSON does it.
fn quoted(text: &str) -> String {
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

/// Text that Markdown takes as it stands, on one line: class names and folders may be called anything.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    // Some readers make links of whatever looks like an address.
    let is_address = text.contains("www.") || text.contains("://") || text.contains('@');
    for character in text.chars() {
        if character.is_control() {
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
