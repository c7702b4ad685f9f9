//! Pretrained weights for a command: found on this machine, or downloaded.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::Args;
use kindling::run::Model;
use kindling::weights::{
    Download, Patience, Pretrained, Progress, PublishedWeights, WEIGHTS_FOLDER, cache_folder,
};
use serde::Serialize;

use super::terminal::{byte_bar, bytes, text, told, warn};

/// The base of addresses that files are downloaded from, in place of the published ones.
const MIRROR: &str = "KINDLING_WEIGHTS_URL";
/// The folder that holds `weights/` with what was downloaded, in place of the platform's.
const CACHE: &str = "KINDLING_CACHE";

/// The option of every command that may need weights from elsewhere.
#[derive(Args, Clone, Copy, Serialize)]
pub struct NetworkArg {
    /// Never use the network: weights that are not on this machine are then an error
    #[arg(long)]
    offline: bool,
}

impl NetworkArg {
    /// The weights of the backbone `name`: on this machine, or downloaded now.
    pub fn pretrained(self, name: &str, quiet: bool) -> Result<Pretrained> {
        let found = Pretrained::find(name, &folders())?;
        if let Some(found) = found {
            log::debug!("{name}: {found}");
            return Ok(found);
        }
        let Some(published) = PublishedWeights::of(name) else {
            bail!("nobody publishes weights for {name}: name a file with --weights");
        };
        if self.offline {
            bail!(
                "{} is not on this machine, and --offline forbids to download it: {}",
                published.file,
                remedy(published)
            );
        }
        download(published, Patience::default(), quiet)
    }

    /// The model that `asked` is or names: a run folder, a weights file, or a published network.
    pub fn model(self, asked: &Path, quiet: bool, device: &Device) -> Result<Model> {
        let name = asked.to_str().filter(|name| PublishedWeights::of(name).is_some());
        match name {
            Some(name) if !asked.exists() => {
                let checkpoint = self.pretrained(name, quiet)?.open()?;
                Ok(Model::from_weights(&checkpoint, device)?)
            }
            _ => Ok(Model::open(asked, device)?),
        }
    }
}

/// Downloads a published file into the cache folder, with a progress bar.
pub fn download(
    published: &PublishedWeights,
    patience: Patience,
    quiet: bool,
) -> Result<Pretrained> {
    let Some(folder) = cache() else {
        bail!("there is no folder to download {} to: set {CACHE} to one", published.file);
    };
    let url = address(published).ok_or_else(|| {
        anyhow!("{} cannot be downloaded from anywhere: {}", published.file, remedy(published))
    })?;
    if !quiet {
        let size = published.size.map(|size| format!(" ({})", bytes(size))).unwrap_or_default();
        let _ = writeln!(io::stderr(), "download  {}{size} from {url}", published.file);
    }
    let bar = byte_bar(quiet);
    let download = Download { weights: published, url: &url, folder: &folder, patience };
    let result = download.run(&mut |progress| match progress {
        Progress::Waiting => bar.suspend(|| {
            if !quiet {
                let _ = writeln!(io::stderr(), "download  another process is at it; waiting");
            }
        }),
        Progress::Started { resumed_from, total } => {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(resumed_from);
            bar.reset_eta();
        }
        Progress::Received(received) => bar.set_position(received),
        Progress::Retrying { reason } => bar.suspend(|| warn(&format!("{reason}; trying again"))),
    });
    bar.finish_and_clear();
    result.map_err(|error| {
        anyhow!(
            "{} could not be downloaded: {}. {}",
            published.file,
            told(&error),
            remedy(published)
        )
    })
}

/// What the user can do to have the file.
fn remedy(published: &PublishedWeights) -> String {
    let from = address(published).map(|url| format!(" from {url}")).unwrap_or_default();
    let folders: Vec<String> =
        folders().iter().map(|folder| format!("`{}`", text(folder))).collect();
    let built_in: String = PublishedWeights::all()
        .iter()
        .filter(|weights| weights.built_in().is_some())
        .map(|weights| format!(", or use --backbone {}, which is built in", weights.name))
        .collect();
    format!(
        "get {}{from} and put it into {}, or name a file with --weights{built_in}",
        published.file,
        folders.join(" or "),
    )
}

/// Where published files are looked for, in this order.
pub fn folders() -> Vec<PathBuf> {
    [Some(PathBuf::from(WEIGHTS_FOLDER)), cache()].into_iter().flatten().collect()
}

/// Where downloads go.
fn cache() -> Option<PathBuf> {
    match std::env::var_os(CACHE).filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(Path::new(&folder).join("weights")),
        None => cache_folder(),
    }
}

/// Where a file is downloaded from: the mirror, where there is one, else where it was published.
fn address(published: &PublishedWeights) -> Option<String> {
    match std::env::var(MIRROR).ok().filter(|base| !base.is_empty()) {
        Some(base) => Some(format!("{}/{}", base.trim_end_matches('/'), published.file)),
        None => published.url.clone(),
    }
}
