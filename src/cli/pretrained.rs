//! Pretrained weights for a command: found on this machine, or downloaded.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::Args;
use kindling::backbone::Backbone;
use kindling::run::{FrozenBackbone, Model};
use kindling::weights::{
    Download, DownloadError, Patience, Pretrained, Progress, PublishedWeights, WEIGHTS_FOLDER,
    cache_folder, without_credentials,
};
use serde::Serialize;

use super::terminal::{byte_bar, bytes, one_line, text, told, warn};

/// The base of addresses that files are downloaded from, in place of the published ones.
const MIRROR: &str = "KINDLING_WEIGHTS_URL";
/// The folder that holds `weights/` with what was downloaded and `features/` with what was computed, in place of
/// the platform's.
pub const CACHE: &str = "KINDLING_CACHE";

/// The option of every command that may need weights from elsewhere.
#[derive(Args, Clone, Copy, Serialize)]
pub struct NetworkArg {
    /// Never use the network: weights that are not on this machine are then an error
    ///
    /// Downloads go to the cache folder, or to the one that KINDLING_CACHE names, and come from a mirror
    /// where KINDLING_WEIGHTS_URL names one.
    #[arg(long)]
    offline: bool,
}

/// What weights are for: it decides what else there is to do where they cannot be had.
#[derive(Clone, Copy)]
pub enum Use {
    Train,
    Model,
    Fetch,
}

impl NetworkArg {
    /// The weights of the backbone `name`: on this machine, or downloaded now.
    pub fn pretrained(self, name: &str, purpose: Use, quiet: bool) -> Result<Pretrained> {
        if let Some(found) = Pretrained::find(name, &folders())? {
            log::debug!("{name}: {found}");
            return Ok(found);
        }
        let Some(published) = PublishedWeights::of(name) else {
            bail!("nobody publishes weights for {name}: name a file with --weights");
        };
        if self.offline {
            bail!(
                "{} is not on this machine, and --offline forbids to download it. {}",
                published.file,
                remedy(published, purpose)
            );
        }
        download(published, Patience::default(), purpose, quiet)
    }

    /// The model that `asked` is or names: a run folder, a weights file, or a published network.
    pub fn model(self, asked: &Path, quiet: bool, device: &Device) -> Result<Model> {
        let Some(name) = published(asked) else { return Ok(Model::open(asked, device)?) };
        let found = self.pretrained(name, Use::Model, quiet)?;
        let model = Model::from_weights(&found.open()?, device)?;
        holds(&found, &model.backbone, name)?;
        Ok(model)
    }

    /// The backbone of the model that `asked` is or names, which needs no fc layer.
    pub fn backbone(self, asked: &Path, quiet: bool, device: &Device) -> Result<FrozenBackbone> {
        let Some(name) = published(asked) else { return Ok(FrozenBackbone::open(asked, device)?) };
        let found = self.pretrained(name, Use::Model, quiet)?;
        let frozen = FrozenBackbone::from_weights(&found.open()?, device)?;
        holds(&found, &frozen.backbone, name)?;
        Ok(frozen)
    }
}

/// The published network that `asked` names, where nothing of that name is here.
fn published(asked: &Path) -> Option<&str> {
    let name = asked.to_str().filter(|name| PublishedWeights::of(name).is_some());
    name.filter(|_| !asked.exists())
}

/// Sees that a file holds the network that its name says.
fn holds(found: &Pretrained, backbone: &Backbone, name: &str) -> Result<()> {
    let holds = backbone.architecture();
    if holds.to_string() != name {
        bail!("`{found}` holds {holds} and not the {name} that its name says");
    }
    Ok(())
}

/// Downloads a published file into the cache folder, with a progress bar.
pub fn download(
    published: &PublishedWeights,
    patience: Patience,
    purpose: Use,
    quiet: bool,
) -> Result<Pretrained> {
    let remedy = || remedy(published, purpose);
    let Some(folder) = cache() else {
        bail!("there is no folder to download {} to: set {CACHE} to one", published.file);
    };
    let Some(url) = address(published)? else {
        bail!("{} cannot be downloaded from anywhere. {}", published.file, remedy());
    };
    if !quiet {
        let size = published.size.map(|size| format!(" ({})", bytes(size))).unwrap_or_default();
        let from = one_line(&without_credentials(&url));
        let _ = writeln!(io::stderr(), "download  {}{size} from {from}", published.file);
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
    result.map_err(|error| match &error {
        DownloadError::Write(..) => {
            anyhow!("{}. Set {CACHE} to a folder that can be written", told(&error))
        }
        _ => anyhow!("{} could not be downloaded: {}. {}", published.file, told(&error), remedy()),
    })
}

/// What the user can do to have the file, or to do without it.
fn remedy(published: &PublishedWeights, purpose: Use) -> String {
    let mirror = match std::env::var_os(MIRROR).is_some_and(|base| !base.is_empty()) {
        true => format!("Unset or change {MIRROR}, or get"),
        false => "Get".to_owned(),
    };
    let from = published.url.as_ref().map(|url| format!(" from {url}")).unwrap_or_default();
    let folders: Vec<String> =
        folders().iter().map(|folder| format!("`{}`", text(folder))).collect();
    let by_hand = format!(
        "{mirror} {}{from} by hand and put it into {}",
        published.file,
        folders.join(" or ")
    );
    let instead = match (purpose, PublishedWeights::names_built_in().next()) {
        (Use::Train, Some(name)) => {
            format!(
                ", or name another file with --weights, or train with --backbone {name}, which is built in"
            )
        }
        (Use::Train, None) => ", or name another file with --weights".into(),
        (Use::Model, Some(name)) => format!(", or use {name}, which is built in"),
        (Use::Model, None) | (Use::Fetch, _) => String::new(),
    };
    by_hand + &instead
}

/// Where published files are looked for, in this order.
pub fn folders() -> Vec<PathBuf> {
    [Some(PathBuf::from(WEIGHTS_FOLDER)), cache()].into_iter().flatten().collect()
}

/// Where downloads go.
pub fn cache() -> Option<PathBuf> {
    named("weights").or_else(cache_folder)
}

/// A part of the folder that the environment names in place of the platform's cache folder, where it names one.
pub fn named(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(CACHE).filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join(part))
}

/// Where a file is downloaded from: the mirror, where there is one, else where it was published.
fn address(published: &PublishedWeights) -> Result<Option<String>> {
    let Some(base) = std::env::var_os(MIRROR).filter(|base| !base.is_empty()) else {
        return Ok(published.url.clone());
    };
    // Never past a mirror that was asked for, to a server that was not.
    let base = base
        .to_str()
        .filter(|base| base.starts_with("http://") || base.starts_with("https://"))
        .filter(|base| !base.contains(['?', '#']) && !base.contains(char::is_control))
        .ok_or_else(|| {
            anyhow!(
                "{MIRROR} is no address of a folder: it must be like https://mirror.example/models"
            )
        })?;
    Ok(Some(format!("{}/{}", base.trim_end_matches('/'), published.file)))
}
