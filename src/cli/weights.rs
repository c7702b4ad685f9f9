//! `kindling weights`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use kindling::backbone::Tensors;
use kindling::device::{self, Backend, Choice};
use kindling::weights::{
    self, Checkpoint, Patience, Pretrained, PretrainedError, PublishedWeights, sha256_of_file,
};
use serde::Serialize;

use super::pretrained::{Use, cache, download, folders};
use super::terminal::{bytes, counted, one_line, table, text, told};

/// List, download and check pretrained weights
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling weights list                what is known, and what is here
  kindling weights fetch resnet18      so that training needs no network later
  kindling weights path resnet18       where that is
  kindling weights check resnet18.pth  what a file holds")]
pub struct WeightsArgs {
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Subcommand)]
enum WeightsCommand {
    /// List the published networks that are known, and where their weights are
    #[command(after_help = "\
Examples:
  kindling weights list
  kindling weights list --json | jq '.[].name'")]
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Download a network's weights into the cache folder and print where they are
    ///
    /// A download that broke off is resumed, and a file whose SHA-256 is not the published one is deleted.
    /// Proxies are taken from HTTPS_PROXY, ALL_PROXY and NO_PROXY, a mirror from KINDLING_WEIGHTS_URL,
    /// another cache folder from KINDLING_CACHE.
    #[command(after_help = "\
Examples:
  kindling weights fetch resnet18
  kindling weights fetch resnet34 --timeout 120
  KINDLING_WEIGHTS_URL=https://mirror.example kindling weights fetch resnet18")]
    Fetch {
        #[command(flatten)]
        name: NameArg,

        /// Give up when nothing arrives for so long
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86400))]
        timeout: u64,

        /// Print nothing but warnings, errors and the file
        #[arg(long, short)]
        quiet: bool,
    },
    /// Say what a weights file holds, and whether it is the published one that its name promises
    #[command(after_help = "\
Examples:
  kindling weights check weights/resnet18-f37072fd.pth
  kindling weights check runs/first/model.safetensors")]
    Check {
        /// Weights file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print where a network's weights are on this machine
    #[command(after_help = "\
Examples:
  kindling weights path resnet18
  cp \"$(kindling weights path resnet18)\" /media/stick/")]
    Path {
        #[command(flatten)]
        name: NameArg,
    },
}

#[derive(Args)]
struct NameArg {
    /// A name from `kindling weights list`
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    weights: &'static PublishedWeights,
}

fn names() -> impl TypedValueParser<Value = &'static PublishedWeights> {
    let names = PublishedWeights::all().iter().map(|weights| weights.name.as_str());
    PossibleValuesParser::new(names)
        .map(|name| PublishedWeights::of(&name).expect("it is one of the names"))
}

pub fn run(args: &WeightsArgs) -> Result<()> {
    match &args.command {
        WeightsCommand::List { json } => list(*json),
        WeightsCommand::Fetch { name, timeout, quiet } => {
            fetch(name.weights, Duration::from_secs(*timeout), *quiet)
        }
        WeightsCommand::Check { file } => check(file),
        WeightsCommand::Path { name } => path(name.weights),
    }
}

/// A line of `list --json`.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    weights: &'static PublishedWeights,
    built_in: bool,
    /// The file that would be used, if any.
    path: Option<String>,
    /// Whether that has the published content.
    published: bool,
    /// Why it cannot be used.
    problem: Option<String>,
}

impl Listed {
    fn of(weights: &'static PublishedWeights) -> Self {
        let path = |found: Pretrained| found.path().map(text);
        let (path, published, problem) = match Pretrained::published(weights, &folders()) {
            Ok(Some(found)) => (path(found), true, None),
            Err(error) => (None, false, Some(told(&error))),
            Ok(None) => match usable_own(weights) {
                Ok(own) => (own.and_then(path), false, None),
                Err(error) => (None, false, Some(told(&error))),
            },
        };
        let built_in = weights.built_in().is_some();
        Self { weights, built_in, path, published, problem }
    }

    fn place(&self) -> String {
        match (&self.problem, &self.path) {
            _ if self.built_in => "built in".into(),
            (Some(problem), _) => problem.clone(),
            (None, Some(path)) if self.published => path.clone(),
            (None, Some(path)) => format!("{path} (yours, unchecked)"),
            (None, None) => "not here (downloaded when needed)".into(),
        }
    }
}

/// A file of the user's own under the backbone's name, opened to see that it can be.
fn usable_own(weights: &PublishedWeights) -> Result<Option<Pretrained>, PretrainedError> {
    let own = Pretrained::own(&weights.name)?;
    if let Some(own) = &own {
        own.open()?;
    }
    Ok(own)
}

fn list(json: bool) -> Result<()> {
    let listed = PublishedWeights::all().iter().map(Listed::of).collect::<Vec<_>>();
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&listed)?)?;
        return Ok(());
    }
    let heading = ["NAME", "IMAGENET TOP-1", "SIZE", "LICENCE", "FROM", "WHERE"].map(String::from);
    let rows = listed.iter().map(|listed| {
        let weights = listed.weights;
        [
            weights.name.clone(),
            format!("{} %", weights.top1),
            weights.size.map_or_else(|| "-".into(), bytes),
            weights.licence.clone(),
            weights.source.clone(),
            listed.place(),
        ]
    });
    table(&mut out, std::iter::once(heading).chain(rows).collect())?;
    Ok(())
}

fn fetch(weights: &'static PublishedWeights, stall: Duration, quiet: bool) -> Result<()> {
    let damaged_in_cache = |file: &Path| cache().is_some_and(|cache| file.starts_with(cache));
    let found = match Pretrained::published(weights, &folders()) {
        Ok(Some(found)) => found,
        // The download replaces what is damaged in the cache folder; what is in weights/ is the user's.
        Err(PretrainedError::Damaged { file, .. }) if !damaged_in_cache(&file) => {
            Pretrained::checked(&file, weights)?
        }
        Err(PretrainedError::Checkpoint(error)) => return Err(error.into()),
        Ok(None) | Err(PretrainedError::Damaged { .. }) => {
            download(weights, Patience { stall, ..Patience::default() }, Use::Fetch, quiet)?
        }
    };
    match found.path() {
        Some(path) => writeln!(io::stdout(), "{}", path.display())?,
        None => writeln!(io::stderr(), "{} is built in: there is nothing to fetch", weights.name)?,
    }
    Ok(())
}

fn path(weights: &'static PublishedWeights) -> Result<()> {
    match Pretrained::published(weights, &folders())? {
        Some(found) => match found.path() {
            Some(path) => writeln!(io::stdout(), "{}", path.display())?,
            None => bail!("{} is built into this program, and no file", weights.name),
        },
        None => bail!(
            "{} is not on this machine: kindling weights fetch {}",
            weights.file,
            weights.name
        ),
    }
    Ok(())
}

fn check(file: &Path) -> Result<()> {
    let sha256 = sha256_of_file(file)?;
    let mut out = io::stdout().lock();
    writeln!(out, "file       {} ({})", one_line(&text(file)), bytes(file.metadata()?.len()))?;
    writeln!(out, "sha256     {sha256}")?;
    match PublishedWeights::all().iter().find(|weights| weights.digest.admits(&sha256)) {
        Some(known) => writeln!(out, "published  {} ({})", known.name, known.source)?,
        None => writeln!(out, "published  no: no file that is known by name has this SHA-256")?,
    }
    if let Some(promised) = PublishedWeights::of_file(file).filter(|w| !w.digest.admits(&sha256)) {
        let (file, expected) = (file.to_owned(), promised.digest.clone());
        return Err(PretrainedError::Damaged { file, expected, found: sha256 }.into());
    }
    let checkpoint = Checkpoint::open(file)?;
    let architecture = weights::architecture(&checkpoint)?;
    // Read in whole: what is missing, misshaped or no number is found here and not in training.
    let device = any_device()?;
    let tensors = weights::backbone(&checkpoint, &architecture, &device)?.tensors().len();
    let head = match weights::head(&checkpoint, &architecture, &device) {
        Ok(head) => format!("an fc layer for {}", counted(head.classes(), "class")),
        Err(_) => "no fc layer".into(),
    };
    writeln!(out, "holds      {architecture}, {tensors} tensors, and {head}")?;
    Ok(())
}

/// Where tensors can be put: the processor, in a build that computes there.
fn any_device() -> Result<Device> {
    let choices = [Backend::Flex, Backend::Ndarray].map(|backend| Choice::Named(backend, None));
    let on_the_processor = choices.into_iter().find_map(|choice| device::resolve(choice).ok());
    let info = on_the_processor.map_or_else(|| device::resolve(Choice::Auto), Ok)?;
    Ok(device::open(&info)?)
}
