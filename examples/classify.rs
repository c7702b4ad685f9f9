//! Classifies photos with a trained model, in Rust.
//!
//!     cargo run --release --example classify -- runs/first photo.jpg
//!
//! The model is a run folder, or an exported .safetensors or .bpk file.

use std::error::Error;
use std::path::{Path, PathBuf};

use kindling::Precision;
use kindling::device::{self, Choice};
use kindling::evaluation::{label_sets, most_probable};
use kindling::run::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, photos @ ..] = paths.as_slice() else {
        return Err("usage: classify MODEL PHOTO...".into());
    };
    let info = device::resolve(Choice::Auto)?;
    let device = device::open(&info)?;
    let model = Model::open(Path::new(model), &device)?;
    let extractor = model.extractor(&device, 16).on(&info, Precision::F32)?;
    let extraction = extractor.all(photos, |_done| ())?;
    for (photo, error) in &extraction.failed {
        eprintln!("{} {error}", photos[*photo].display());
    }
    let logits = model.calibrated(model.logits(&extraction.rows, &device)?);
    for (photo, row) in extraction.photos.iter().zip(logits.chunks(model.classes.len())) {
        let probabilities = model.task.probabilities(row);
        let shown = match model.task.thresholds() {
            // Any number of classes.
            Some(thresholds) => label_sets(row, thresholds).remove(0),
            None => vec![most_probable(row)],
        };
        let shown: Vec<String> = shown
            .iter()
            .map(|class| {
                format!("{} {:.1} %", model.classes[*class], probabilities[*class] * 100.0)
            })
            .collect();
        println!("{}  {}", photos[*photo].display(), shown.join(", "));
    }
    Ok(())
}
