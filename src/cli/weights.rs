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
use kindling::printable::PathText;
use kindling::weights::{
    self, Checkpoint, Description, ImportError, Patience, Pretrained, PretrainedError,
    PublishedWeights, sha256_of_file,
};
use serde::Serialize;

use super::pretrained::{Use, cache, download, folders};
use super::terminal::{Hinted, bytes, counted, error_text, one_line, table, text};

/// List, download and check pretrained weights
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling weights list                list the published networks
  kindling weights fetch resnet18      download weights ahead of training
  kindling weights path resnet18       print where they are
  kindling weights check resnet18.pth  show what a file contains")]
pub struct WeightsArgs {
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Subcommand)]
enum WeightsCommand {
    /// List the published networks, and where their weights are
    #[command(after_help = "\
Examples:
  kindling weights list
  kindling weights list --json | jq '.[].name'")]
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Download a network's weights into the cache folder and print their path
    ///
    /// An interrupted download is resumed, and a file without the published SHA-256 is deleted.
    /// HTTPS_PROXY, ALL_PROXY and NO_PROXY set the proxies, KINDLING_WEIGHTS_URL a mirror, and
    /// KINDLING_CACHE another cache folder.
    #[command(after_help = "\
Examples:
  kindling weights fetch resnet18
  kindling weights fetch resnet34 --timeout 120
  KINDLING_WEIGHTS_URL=https://mirror.example kindling weights fetch resnet18")]
    Fetch {
        #[command(flatten)]
        name: NameArg,

        /// Give up if no data arrives for this long
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86400))]
        timeout: u64,

        /// Print only warnings, errors and the path
        #[arg(long, short)]
        quiet: bool,
    },
    /// Show what a weights file contains, and check it against the published file of that name
    #[command(after_help = "\
Examples:
  kindling weights check weights/resnet18-f37072fd.pth
  kindling weights check runs/first/model.safetensors")]
    Check {
        /// Weights file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the path of a network's weights on this machine
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
    /// Name from `kindling weights list`
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    weights: &'static PublishedWeights,
}

fn names() -> impl TypedValueParser<Value = &'static PublishedWeights> {
    let names = PublishedWeights::all().iter().map(|weights| weights.name.as_str());
    PossibleValuesParser::new(names)
        .map(|name| PublishedWeights::of(&name).expect("clap accepts only published names"))
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

/// An entry of `list --json`.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    weights: &'static PublishedWeights,
    built_in: bool,
    /// The file that would be used, if any.
    path: Option<String>,
    /// Whether the file has the published SHA-256.
    published: bool,
    /// Why the file cannot be used.
    problem: Option<String>,
}

impl Listed {
    fn of(weights: &'static PublishedWeights) -> Self {
        let path = |found: Pretrained| found.path().map(text);
        let (path, published, problem) = match Pretrained::published(weights, &folders()) {
            Ok(Some(found)) => (path(found), true, None),
            Err(error) => (None, false, Some(error_text(&error))),
            Ok(None) => match usable_own(weights) {
                Ok(own) => (own.and_then(path), false, None),
                Err(error) => (None, false, Some(error_text(&error))),
            },
        };
        let built_in = weights.built_in.is_some();
        Self { weights, built_in, path, published, problem }
    }

    fn location(&self) -> String {
        match (&self.problem, &self.path) {
            _ if self.built_in => "built in".into(),
            (Some(problem), _) => problem.clone(),
            (None, Some(path)) if self.published => path.clone(),
            (None, Some(path)) => format!("{path} (your own file, not verified)"),
            (None, None) => "not here (downloaded when needed)".into(),
        }
    }
}

/// The user's own file for this backbone, if there is one. Checks that it can be opened.
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
            listed.location(),
        ]
    });
    table(&mut out, std::iter::once(heading).chain(rows).collect())?;
    Ok(())
}

fn fetch(weights: &'static PublishedWeights, stall: Duration, quiet: bool) -> Result<()> {
    let damaged_in_cache = |file: &Path| cache().is_some_and(|cache| file.starts_with(cache));
    let found = match Pretrained::published(weights, &folders()) {
        Ok(Some(found)) => found,
        // A download replaces a damaged file in the cache folder, but weights/ belongs to the user.
        Err(PretrainedError::Damaged { file, .. }) if !damaged_in_cache(&file) => {
            Pretrained::checked(&file, weights)?
        }
        Err(PretrainedError::Checkpoint(error)) => return Err(error.into()),
        Ok(None) | Err(PretrainedError::Damaged { .. }) => {
            download(weights, Patience { stall, ..Patience::default() }, Use::Fetch, quiet)?
        }
    };
    match found.path() {
        Some(path) => writeln!(io::stdout(), "{}", path.shown())?,
        None => writeln!(io::stderr(), "{} is built in: there is nothing to fetch", weights.name)?,
    }
    Ok(())
}

fn path(weights: &'static PublishedWeights) -> Result<()> {
    match Pretrained::published(weights, &folders())? {
        Some(found) => match found.path() {
            Some(path) => writeln!(io::stdout(), "{}", path.shown())?,
            None => bail!("{} is built into this program, so it has no path", weights.name),
        },
        None => {
            let message = format!("{} is not on this machine", weights.file);
            let hint = format!("run `kindling weights fetch {}`", weights.name);
            return Err(Hinted::new(message, vec![hint]).into());
        }
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
        None => writeln!(out, "published  no: this SHA-256 matches no published file")?,
    }
    if let Some(promised) = PublishedWeights::of_file(file).filter(|w| !w.digest.admits(&sha256)) {
        let (file, expected) = (file.to_owned(), promised.digest.clone());
        return Err(PretrainedError::Damaged { file, expected, found: sha256 }.into());
    }
    let checkpoint = Checkpoint::open(file)?;
    let architecture = weights::architecture(&checkpoint)?;
    // Load everything, to find a missing, misshapen or NaN tensor here and not in training.
    let device = any_device()?;
    let tensors = weights::backbone(&checkpoint, &architecture, &device)?.tensors().len();
    let (head, classes) = match weights::head(&checkpoint, &architecture, &device) {
        Ok(head) => {
            let layer = checkpoint.renamed_head().map(|name| format!(" (`{}`)", one_line(name)));
            let classes = counted(head.classes(), "class");
            let layer = layer.unwrap_or_default();
            (format!("an fc layer for {classes}{layer}"), checkpoint.class_names(head.classes())?)
        }
        Err(ImportError::NoHead { weight: None, bias: None, .. }) => ("no fc layer".into(), None),
        Err(ImportError::OtherHead { tensors, .. }) => {
            (format!("a head that cannot be used: {tensors}"), None)
        }
        Err(error) => return Err(error.into()),
    };
    writeln!(out, "holds      {architecture}, {tensors} tensors, and {head}")?;
    let preprocessing = Description::read(checkpoint.metadata())?
        .map_or(architecture.preprocessing(), |description| description.preprocessing);
    writeln!(out, "photos     {}", preprocessing.geometry())?;
    if !checkpoint.prefix().is_empty() {
        writeln!(out, "names      begin with `{}`", one_line(checkpoint.prefix()))?;
    }
    if let Some(classes) = classes {
        let names = some_of(&classes.names);
        writeln!(out, "classes    {names} (from `{}`)", one_line(&classes.key))?;
    }
    if !checkpoint.unused().is_empty() {
        let count = counted(checkpoint.unused().len(), "other tensor");
        writeln!(out, "unused     {count}: {}", some_of(checkpoint.unused()))?;
    }
    if let Some(choice) = checkpoint.choice() {
        writeln!(out, "choice     {}", one_line(choice))?;
    }
    Ok(())
}

/// The first names of a list.
fn some_of(names: &[String]) -> String {
    /// The most names that are shown.
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| one_line(name)).collect();
    if names.len() > SHOWN {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}

/// A device to load tensors on: a CPU backend if this build has one.
fn any_device() -> Result<Device> {
    let choices = [Backend::Flex, Backend::Ndarray].map(|backend| Choice::Named(backend, None));
    let on_the_processor = choices.into_iter().find_map(|choice| device::resolve(choice).ok());
    let info = on_the_processor.map_or_else(|| device::resolve(Choice::Auto), Ok)?;
    Ok(device::open(&info)?)
}
