//! `kindling weights`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use kindling::backbone::Tensors;
use kindling::weights::{
    self, Patience, Pretrained, PretrainedError, PublishedWeights, sha256_of_file,
};
use serde::Serialize;

use super::DeviceArg;
use super::pretrained::{download, folders};
use super::terminal::{bytes, counted, table, text};

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
  HTTPS_PROXY=http://proxy.example:3128 kindling weights fetch resnet34 --timeout 120
  KINDLING_WEIGHTS_URL=https://mirror.example/models kindling weights fetch resnet18")]
    Fetch {
        #[command(flatten)]
        name: NameArg,

        /// Give up when nothing arrives for so long
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
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
        file: PathBuf,

        #[command(flatten)]
        device: DeviceArg,
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
    #[arg(value_name = "NAME", value_parser = published)]
    weights: &'static PublishedWeights,
}

fn published(name: &str) -> Result<&'static PublishedWeights, String> {
    PublishedWeights::of(name).ok_or_else(|| {
        let names: Vec<&str> = PublishedWeights::all().iter().map(|w| w.name.as_str()).collect();
        format!("there are {}", names.join(", "))
    })
}

pub fn run(args: &WeightsArgs) -> Result<()> {
    match &args.command {
        WeightsCommand::List { json } => list(*json),
        WeightsCommand::Fetch { name, timeout, quiet } => {
            fetch(name.weights, Duration::from_secs(*timeout), *quiet)
        }
        WeightsCommand::Check { file, device } => check(file, *device),
        WeightsCommand::Path { name } => path(name.weights),
    }
}

/// A line of `list --json`.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    weights: &'static PublishedWeights,
    built_in: bool,
    path: Option<String>,
    damaged: bool,
}

impl Listed {
    fn of(weights: &'static PublishedWeights) -> Result<Self> {
        let built_in = weights.built_in().is_some();
        let (path, damaged) = match Pretrained::find(&weights.name, &folders()) {
            Ok(found) => (found.and_then(|found| found.path().map(text)), false),
            Err(PretrainedError::Damaged { file, .. }) => (Some(text(&file)), true),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { weights, built_in, path, damaged })
    }

    fn place(&self) -> String {
        match (&self.path, self.built_in) {
            (_, true) => "built in".into(),
            (Some(path), _) if self.damaged => format!("{path} (damaged)"),
            (Some(path), _) => path.clone(),
            (None, _) => "not here (downloaded when needed)".into(),
        }
    }
}

fn list(json: bool) -> Result<()> {
    let listed = PublishedWeights::all().iter().map(Listed::of).collect::<Result<Vec<_>>>()?;
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
    let mut out = io::stdout().lock();
    let found = match Pretrained::find(&weights.name, &folders()) {
        Ok(Some(found)) => found,
        // The download replaces a damaged file in the cache folder; one in weights/ is the user's.
        Err(PretrainedError::Damaged { file, .. })
            if folders().last().is_some_and(|cache| file.starts_with(cache)) =>
        {
            download(weights, Patience { stall, ..Patience::default() }, quiet)?
        }
        Ok(None) => download(weights, Patience { stall, ..Patience::default() }, quiet)?,
        Err(error) => return Err(error.into()),
    };
    writeln!(out, "{found}")?;
    Ok(())
}

fn path(weights: &'static PublishedWeights) -> Result<()> {
    match Pretrained::find(&weights.name, &folders())? {
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

fn check(file: &Path, device: DeviceArg) -> Result<()> {
    let found = Pretrained::file(file)?;
    let mut out = io::stdout().lock();
    writeln!(out, "file      {} ({})", file.display(), bytes(file.metadata()?.len()))?;
    writeln!(out, "sha256    {}", found.sha256())?;
    let known = PublishedWeights::all().iter().find(|w| w.digest.admits(found.sha256()));
    match known {
        Some(known) => writeln!(out, "published {} ({})", known.name, known.source)?,
        None => writeln!(out, "published not among those that are known by name")?,
    }
    let checkpoint = found.open()?;
    let architecture = weights::architecture(&checkpoint)?;
    let (_, device) = device.open()?;
    // Read in whole: what is missing, misshaped or no number is found here and not in training.
    let tensors = weights::backbone(&checkpoint, &architecture, &device)?.tensors().len();
    let head = match weights::head(&checkpoint, &architecture, &device) {
        Ok(head) => format!("an fc layer for {}", counted(head.classes(), "class")),
        Err(_) => "no fc layer".into(),
    };
    writeln!(out, "holds     {architecture}, {tensors} tensors, and {head}")?;
    if let Some(promised) = PublishedWeights::of_file(file)
        && !promised.digest.admits(&sha256_of_file(file)?)
    {
        Pretrained::checked(file, promised)?;
    }
    Ok(())
}
