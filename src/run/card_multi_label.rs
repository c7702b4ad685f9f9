//! The model card of a model that gives a photo any number of classes.

use std::fmt::Write;

use super::card::{CARD_MARK, MAX_LISTED, MIN_SUPPORT, data_set, escaped, published, quoted};
use super::{MODEL_FILE, MultiLabelSummary, RunConfig, Summary};
use crate::evaluation::{LabelScores, MultiLabelFigures, MultiLabelIntervals, MultiLabelScores};
use crate::printable::PathText;

/// The data of a model card, all measured or recorded.
pub struct MultiLabelCard<'a> {
    /// The configuration of the run.
    pub config: &'a RunConfig,
    /// The results of the run.
    pub summary: &'a Summary,
    /// The scores of the run.
    pub scores: &'a MultiLabelSummary,
}

impl MultiLabelCard<'_> {
    /// The card in the format of the Hugging Face Hub: Markdown with a YAML header
    /// (<https://huggingface.co/docs/hub/model-cards>).
    pub fn markdown(&self) -> String {
        // Writing into a String cannot fail.
        let mut card = String::new();
        let _ = self.header(&mut card);
        let _ = self.body(&mut card);
        card
    }

    fn header(&self, card: &mut String) -> std::fmt::Result {
        let published = published(self.config);
        // The Hub uses SPDX identifiers in lower case.
        let licence = published.map_or("unknown".into(), |found| found.licence.to_lowercase());
        let (backbone, data_set) = (&self.config.backbone, data_set(self.config));
        let name = quoted(&format!("{backbone} on {data_set}"));
        let (backbone, data_set) = (quoted(backbone), quoted(&data_set));
        // The test photos chose nothing, so their figures are the honest ones.
        let (split, figures) = match &self.scores.test {
            Some(test) => ("test", test),
            None => ("validation", &self.scores.validation),
        };
        let MultiLabelScores { mean_average_precision, macro_f1, micro_f1, exact_match, .. } =
            &figures.scores;
        write!(
            card,
            "---\n\
             {CARD_MARK}\n\
             license: {licence}\n\
             pipeline_tag: image-classification\n\
             tags:\n- image-classification\n- multi-label-classification\n- transfer-learning\n- burn\n- {backbone}\n\
             metrics:\n- f1\n- accuracy\n\
             model-index:\n\
             - name: {name}\n  results:\n  - task:\n      type: image-classification\n    \
             dataset:\n      name: {data_set}\n      type: imagefolder\n      split: {split}\n    \
             metrics:\n"
        )?;
        if let Some(precision) = mean_average_precision {
            writeln!(
                card,
                "    - type: mean_average_precision\n      name: mAP\n      value: {precision:.4}"
            )?;
        }
        write!(
            card,
            "    - type: f1\n      name: F1 (macro)\n      value: {macro_f1:.4}\n    \
             - type: f1\n      name: F1 (micro)\n      value: {micro_f1:.4}\n    \
             - type: accuracy\n      name: exact match\n      value: {exact_match:.4}\n\
             ---\n\n"
        )
    }

    fn body(&self, card: &mut String) -> std::fmt::Result {
        let Self { config, summary, scores } = self;
        let (classes, published) = (&summary.classes, published(config));
        let names: Vec<String> =
            classes.iter().take(MAX_LISTED).map(|class| escaped(class)).collect();
        let more = if classes.len() > MAX_LISTED { ", ..." } else { "" };
        let backbone = escaped(&config.backbone);
        writeln!(
            card,
            "# {backbone} on {}\n\n\
             An image classifier that says which of {} classes a photo shows, any number of them: {}{more}. Its backbone, \
             {backbone}, {} and was kept frozen. Its last layer was trained with binary cross-entropy by kindling {} with \
             [Burn](https://burn.dev) on {} photos.\n",
            escaped(&data_set(config)),
            classes.len(),
            names.join(", "),
            match published {
                Some(published) => format!("was pretrained on ImageNet ({})", published.source),
                None => format!("comes from {}", escaped(&config.weights.file.shown().to_string())),
            },
            config.versions.kindling,
            summary.train_photos,
        )?;
        writeln!(
            card,
            "## Intended use\n\n\
             The model is meant for photos like those it was trained on. The sigmoid of a logit is the probability that the \
             photo shows the class; the photo is said to show it from the class's threshold on, which the model file holds. \
             Evaluate the model on your own photos before you rely on it.\n"
        )?;
        let preprocessing = &config.preprocessing;
        writeln!(
            card,
            "## Data\n\n\
             {} training photos and {} validation photos{}. The network sees {} x {} pixels; the channels are normalised with \
             mean {:?} and standard deviation {:?}.\n",
            summary.train_photos,
            summary.val_photos,
            match summary.skipped {
                0 => String::new(),
                skipped => format!("; skipped files: {skipped}"),
            },
            preprocessing.crop,
            preprocessing.crop,
            preprocessing.mean,
            preprocessing.std,
        )?;
        writeln!(card, "## Metrics\n")?;
        figures(card, &scores.validation, "validation")?;
        writeln!(
            card,
            "The same photos were used to choose the epoch ({} of {}) and the thresholds, so these figures are slightly \
             optimistic.\n",
            summary.best_epoch.epoch, summary.epochs
        )?;
        if let Some(test) = &scores.test {
            figures(card, test, "test")?;
            writeln!(card, "The test photos chose nothing.\n")?;
        }
        table(card, &scores.validation.scores.per_class)?;
        writeln!(
            card,
            "\n## Use\n\n    \
             kindling predict RUN photo.jpg\n\n\
             `{MODEL_FILE}` uses the tensor names of the backbone's published weights, so it also loads in PyTorch: apply a \
             sigmoid to its logits, and compare with `thresholds` in its metadata. `kindling export` converts it to ONNX and \
             other formats. `report.html` shows which classes were missed and which were wrongly given.\n\n\
             ## How it was made\n\n\
             Trained on {} with kindling {} and Burn {}: {:.1} s for the features and {:.1} s for the training. SHA-256 of the \
             pretrained weights: `{}`. `config.toml` records every option.\n\n\
             ## Licence\n\n\
             {} The rights in the training photos may restrict how the model can be used.",
            escaped(&config.device.to_string()),
            config.versions.kindling,
            config.versions.burn,
            summary.feature_seconds,
            summary.training_seconds,
            config.weights.sha256,
            match published {
                Some(published) => format!(
                    "The backbone's weights were published under {} ({}).",
                    published.licence, published.source
                ),
                None =>
                    "The backbone's weights come from a local file whose licence is unknown.".into(),
            },
        )
    }
}

fn figures(card: &mut String, figures: &MultiLabelFigures, part: &str) -> std::fmt::Result {
    let MultiLabelFigures { scores, intervals } = figures;
    let MultiLabelIntervals { mean_average_precision_interval, .. } = intervals;
    let average = scores.mean_average_precision.zip(*mean_average_precision_interval);
    let average =
        average.map(|(value, interval)| figure("mean average precision", value, interval));
    writeln!(
        card,
        "On the {} {part} photos: {}{}, {}, {}, Hamming loss {:.4}, binary cross-entropy {:.4}. In brackets: 95 % intervals.",
        scores.images,
        average.map(|text| text + ", ").unwrap_or_default(),
        figure("macro F1", scores.macro_f1, intervals.macro_f1_interval),
        figure("micro F1", scores.micro_f1, intervals.micro_f1_interval),
        figure("exact match", scores.exact_match, intervals.exact_match_interval),
        scores.hamming_loss,
        scores.loss,
    )
}

fn figure(name: &str, value: f64, (low, high): (f64, f64)) -> String {
    format!("{name} {value:.4} ({low:.4} to {high:.4})")
}

/// The scores of each class.
fn table(card: &mut String, per_class: &[LabelScores]) -> std::fmt::Result {
    writeln!(
        card,
        "On the validation photos:\n\n\
         | class | average precision | threshold | precision | recall | F1 | photos |\n\
         | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for one in per_class.iter().take(MAX_LISTED) {
        let LabelScores { class, threshold, precision, recall, f1, support, .. } = one;
        let class = escaped(class);
        match one.average_precision {
            None => writeln!(card, "| {class} | n/a | {threshold:.2} | n/a | n/a | n/a | 0 |")?,
            Some(average) => writeln!(
                card,
                "| {class} | {average:.4} | {threshold:.2} | {precision:.4} | {recall:.4} | {f1:.4} | {support} |"
            )?,
        }
    }
    if per_class.len() > MAX_LISTED {
        writeln!(card, "\n... and {} more classes.", per_class.len() - MAX_LISTED)?;
    }
    let scarce = per_class.iter().filter(|one| one.support < MIN_SUPPORT).count();
    match scarce {
        0 => Ok(()),
        _ => writeln!(
            card,
            "\nClasses that fewer than {MIN_SUPPORT} validation photos show: {scarce}. Their scores say little."
        ),
    }
}
