//! `kindling predict`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kindling::evaluation::probabilities;
use kindling::features::{Extractor, FeatureBatch, Stopped};
use kindling::photos::walk;
use serde::Serialize;

use super::pretrained::NetworkArg;
use super::terminal::{one_line, text, told, warn, warn_skipped};
use super::{DeviceArg, forward_batch};

/// Name the class of photos
///
/// MODEL is a run folder, a weights file with its own fc layer, or a name from `kindling weights list`. A
/// network with 1000 classes is taken for one of ImageNet's. Folders are walked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling predict runs/first holiday.jpg
  kindling predict runs/first holiday/ --top 5 --json
  kindling predict efficientnet-lite0 holiday.jpg   one of ImageNet's classes")]
pub struct PredictArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    model: PathBuf,

    /// Photos, or folders of photos
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Show the K most probable classes
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    network: NetworkArg,

    /// Print a JSON object a line, one for each photo
    #[arg(long)]
    json: bool,
}

/// A class and how probable it is.
#[derive(Serialize)]
struct Guess<'a> {
    class: &'a str,
    probability: f64,
}

/// What `--json` prints for a photo.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Prediction {
        path: &'a str,
        class: &'a str,
        probability: f64,
        top: &'a [Guess<'a>],
        device: &'a str,
    },
    Failure {
        path: &'a str,
        error: &'a str,
    },
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let (paths, unreadable) = photos(&args.paths)?;
    let (info, device) = args.device.open()?;
    let model = args.network.model(&args.model, args.json, &device)?;
    let extractor = Extractor {
        backbone: &model.backbone,
        recipe: model.recipe,
        device: &device,
        batch_size: forward_batch(&info),
    };
    let mut printer = Printer {
        out: io::stdout().lock(),
        json: args.json,
        width: paths.iter().map(|path| text(path).chars().count()).max().unwrap_or(0).min(60),
        device: &info.device,
    };
    if !args.json {
        writeln!(printer.out, "device    {info}")?;
    }
    let mut failures = 0;
    let printed = extractor.for_each(&paths, |batch: FeatureBatch| -> Result<()> {
        failures += batch.failed.len();
        let logits = model.logits(&batch.rows, &device)?;
        let mut rows = batch.photos.into_iter().zip(logits.chunks(model.classes.len())).peekable();
        // Failures lie among the photos, and the output keeps the order that was asked for.
        for (failed, error) in &batch.failed {
            while let Some((index, row)) = rows.next_if(|(index, _)| index < failed) {
                printer.prediction(&paths[index], &guesses(row, &model.classes, args.top))?;
            }
            printer.failure(&paths[*failed], &told(error))?;
        }
        for (index, row) in rows {
            printer.prediction(&paths[index], &guesses(row, &model.classes, args.top))?;
        }
        Ok(())
    });
    match printed {
        Ok(()) => {}
        // As itself, so that a reader that left early is recognised.
        Err(Stopped::Receiver(error)) => return Err(error),
        Err(Stopped::Extract(error)) => return Err(error.into()),
    }
    if failures > 0 {
        bail!("{failures} of {} files could not be read", paths.len());
    }
    if unreadable > 0 {
        bail!("{unreadable} folders could not be looked into");
    }
    Ok(())
}

/// The files to predict, folders walked, and how much could not be looked into.
fn photos(asked: &[PathBuf]) -> Result<(Vec<PathBuf>, usize)> {
    let (mut paths, mut unreadable) = (Vec::new(), 0);
    for path in asked {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let walked = walk(path);
        let left_out: Vec<_> = walked
            .unreadable
            .iter()
            .chain(&walked.passed_over)
            .map(|file| (text(&file.path), file.reason.clone()))
            .collect();
        warn_skipped(&left_out);
        unreadable += walked.unreadable.len();
        if walked.photos.is_empty() {
            bail!("no photo in `{}` (JPEG, PNG, WebP, BMP or GIF)", path.display());
        }
        paths.extend(walked.photos);
    }
    Ok((paths, unreadable))
}

/// The `top` most probable classes, most probable first.
fn guesses<'a>(logits: &[f32], classes: &'a [String], top: u32) -> Vec<Guess<'a>> {
    let probabilities = probabilities(logits);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]));
    order
        .into_iter()
        .take(top as usize)
        .map(|index| Guess { class: &classes[index], probability: probabilities[index] })
        .collect()
}

struct Printer<'a, W> {
    out: W,
    json: bool,
    width: usize,
    device: &'a str,
}

impl<W: Write> Printer<'_, W> {
    fn prediction(&mut self, path: &Path, guesses: &[Guess]) -> io::Result<()> {
        let (path, best) = (&text(path), &guesses[0]);
        if self.json {
            let Guess { class, probability } = *best;
            let device = self.device;
            return self.line(&Line::Prediction { path, class, probability, top: guesses, device });
        }
        let guesses: Vec<String> = guesses
            .iter()
            .map(|guess| format!("{} {:.1} %", guess.class, guess.probability * 100.0))
            .collect();
        let path = one_line(path);
        writeln!(self.out, "{path:width$}  {}", guesses.join(", "), width = self.width)
    }

    fn failure(&mut self, path: &Path, error: &str) -> io::Result<()> {
        let path = &text(path);
        match self.json {
            true => self.line(&Line::Failure { path, error }),
            false => {
                warn(&format!("`{path}` {error}"));
                Ok(())
            }
        }
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        writeln!(self.out)
    }
}
