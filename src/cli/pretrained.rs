//! Finds pretrained weights on this machine, or downloads them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::Args;
use kindling::backbone::Backbone;
use kindling::run::{FrozenBackbone, Model};
use kindling::weights::{
    Download, DownloadError, Patience, Pretrained, Progress, PublishedWeights, Reading,
    WEIGHTS_FOLDER, cache_folder, without_credentials,
};
use serde::Serialize;

use super::opened::put_back;
use super::terminal::{Hinted, byte_bar, bytes, error_text, one_line, text, warn};

/// Environment variable: base URL of a mirror to download from instead of the published URLs.
const MIRROR: &str = "KINDLING_WEIGHTS_URL";
/// Environment variable: cache folder to use instead of the platform's. It holds `weights/`
/// (downloads) and `features/` (the feature cache).
pub const CACHE: &str = "KINDLING_CACHE";
/// Why nothing is downloaded with `--offline`.
const FORBIDDEN: &str = "--offline forbids downloading it";
/// The patience with a server whose file the user did not ask for by name: seconds, where
/// [`Patience::default`] allows minutes.
const BRIEF: Patience =
    Patience { stall: Duration::from_secs(3), attempts: 1, pause: Duration::ZERO };

/// The option shared by every command that may download weights.
#[derive(Args, Clone, Copy, Serialize)]
pub struct NetworkArg {
    /// Never download weights, and fail if they are not on this machine
    ///
    /// Without this option, missing weights are downloaded to the cache folder. KINDLING_CACHE sets
    /// another cache folder, and KINDLING_WEIGHTS_URL a mirror.
    #[arg(long)]
    offline: bool,
}

/// What the weights are for. It decides which remedies an error suggests.
#[derive(Clone, Copy)]
pub enum Use {
    Train,
    Model,
    Fetch,
}

impl NetworkArg {
    /// Finds the weights of the backbone `name` on this machine, or downloads them.
    pub fn pretrained(self, name: &str, purpose: Use, quiet: bool) -> Result<Pretrained> {
        if let Some(found) = Pretrained::find(name, &folders())? {
            log::debug!("{name}: {found}");
            return Ok(found);
        }
        let Some(published) = PublishedWeights::of(name) else {
            let hints = vec!["give a file with --weights".into()];
            return Err(
                Hinted::new(format!("there are no published weights for {name}"), hints).into()
            );
        };
        if self.offline {
            let message = format!("{} is not on this machine, and {FORBIDDEN}", published.file);
            return Err(Hinted::new(message, remedies(published, purpose)).into());
        }
        download(published, Patience::default(), purpose, quiet)
    }

    /// Finds the weights of the backbone `name` on this machine, or downloads them without waiting
    /// long for a server that does not answer. The inner error says why there are none.
    ///
    /// # Errors
    /// If a file on this machine is damaged, or the user named an invalid mirror.
    pub fn if_available(self, name: &str, quiet: bool) -> Result<Result<Pretrained, String>> {
        if let Some(found) = Pretrained::find(name, &folders())? {
            return Ok(Ok(found));
        }
        let Some(published) = PublishedWeights::of(name) else {
            return Ok(Err("there are no published weights".into()));
        };
        if self.offline {
            return Ok(Err(FORBIDDEN.into()));
        }
        let Some(folder) = cache() else { return Ok(Err("there is no cache folder".into())) };
        let Some(url) = address(published)? else {
            return Ok(Err("they have no download address".into()));
        };
        let mut has_started = false;
        let result = transfer(published, &url, &folder, BRIEF, quiet, &mut has_started);
        // A server that has sent something is worth waiting for.
        let result = match result {
            Err(DownloadError::BrokeOff { .. }) if has_started => {
                transfer(published, &url, &folder, Patience::default(), quiet, &mut has_started)
            }
            result => result,
        };
        Ok(result.map_err(|error| match error {
            DownloadError::Unreachable { reason, .. } | DownloadError::BrokeOff { reason, .. } => {
                reason
            }
            error => error_text(&error),
        }))
    }

    /// Opens the model `source`: a run folder, a weights file, or the name of a published network.
    pub fn model(
        self,
        source: &Path,
        quiet: bool,
        device: &Device,
        reading: Reading,
    ) -> Result<Model> {
        put_back(source);
        let Some(name) = published(source) else {
            let model = Model::open_with(source, device, reading)?;
            model.notes.iter().for_each(|note| warn(note));
            return Ok(model);
        };
        let found = self.pretrained(name, Use::Model, quiet)?;
        let model = Model::from_weights_with(&found.open()?, device, reading)?;
        check_architecture(&found, &model.backbone, name)?;
        Ok(model)
    }

    /// Opens the backbone of the model `source`, which needs no fc layer.
    pub fn backbone(
        self,
        source: &Path,
        quiet: bool,
        device: &Device,
        reading: Reading,
    ) -> Result<FrozenBackbone> {
        put_back(source);
        let Some(name) = published(source) else {
            let frozen = FrozenBackbone::open_with(source, device, reading)?;
            frozen.notes.iter().for_each(|note| warn(note));
            return Ok(frozen);
        };
        let found = self.pretrained(name, Use::Model, quiet)?;
        let frozen = FrozenBackbone::from_weights_with(&found.open()?, device, reading)?;
        check_architecture(&found, &frozen.backbone, name)?;
        Ok(frozen)
    }
}

/// The published network that `source` names. `None` if there is a file or folder of that name.
fn published(source: &Path) -> Option<&str> {
    let name = source.to_str().filter(|name| PublishedWeights::of(name).is_some());
    name.filter(|_| !source.exists())
}

/// Checks that a file holds the network that its name says.
fn check_architecture(found: &Pretrained, backbone: &Backbone, name: &str) -> Result<()> {
    let architecture = backbone.architecture();
    if architecture.to_string() != name {
        bail!("`{found}` holds {architecture}, not {name} as its name says: rename or delete it");
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
    let remedies = || remedies(published, purpose);
    let Some(folder) = cache() else {
        let message = format!("there is no cache folder to download {} to", published.file);
        return Err(Hinted::new(message, vec![format!("set {CACHE}")]).into());
    };
    let Some(url) = address(published)? else {
        let message = format!("{} has no download address", published.file);
        return Err(Hinted::new(message, remedies()).into());
    };
    transfer(published, &url, &folder, patience, quiet, &mut false).map_err(|error| {
        let text = error_text(&error);
        let hinted = match &error {
            DownloadError::Write(..) => {
                Hinted::new(text, vec![format!("set {CACHE} to a writable folder")])
            }
            _ => Hinted::new(
                format!("{} could not be downloaded: {text}", published.file),
                remedies(),
            ),
        };
        hinted.into()
    })
}

/// Downloads `url` into `folder`, with a progress bar. Sets `has_started` once the server sends the
/// file.
fn transfer(
    published: &PublishedWeights,
    url: &str,
    folder: &Path,
    patience: Patience,
    quiet: bool,
    has_started: &mut bool,
) -> Result<Pretrained, DownloadError> {
    if !quiet {
        let size = published.size.map(|size| format!(" ({})", bytes(size))).unwrap_or_default();
        let from = one_line(&without_credentials(url));
        let _ = writeln!(io::stderr(), "download  {}{size} from {from}", published.file);
    }
    let bar = byte_bar(quiet);
    let download = Download { weights: published, url, folder, patience };
    let result = download.run(&mut |progress| match progress {
        Progress::Waiting => bar.suspend(|| {
            if !quiet {
                let _ = writeln!(io::stderr(), "download  waiting for another process");
            }
        }),
        Progress::Started { resumed_from, total } => {
            *has_started = true;
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
    result
}

/// What the user can do to get the file, or to do without it.
fn remedies(published: &PublishedWeights, purpose: Use) -> Vec<String> {
    let built_in = PublishedWeights::names_built_in().next();
    let mut remedies = Vec::new();
    match (purpose, built_in) {
        (Use::Train, Some(name)) => {
            remedies.push(format!("train with --backbone {name}, which is built in"));
        }
        (Use::Model, Some(name)) => remedies.push(format!("use {name}, which is built in")),
        _ => {}
    }
    if let Use::Train = purpose {
        remedies.push("or give another file with --weights".into());
    }
    let or = if remedies.is_empty() { "" } else { "or " };
    let mirror = match std::env::var_os(MIRROR).is_some_and(|base| !base.is_empty()) {
        true => format!("unset or change {MIRROR}, or "),
        false => String::new(),
    };
    let from = published.url.as_ref().map(|url| format!(" from {url}")).unwrap_or_default();
    let folders: Vec<String> =
        folders().iter().map(|folder| format!("`{}`", text(folder))).collect();
    remedies.push(format!(
        "{or}{mirror}get {}{from} by hand and put it into {}",
        published.file,
        folders.join(" or ")
    ));
    remedies
}

/// The folders to search for published files, in this order.
pub fn folders() -> Vec<PathBuf> {
    [Some(PathBuf::from(WEIGHTS_FOLDER)), cache()].into_iter().flatten().collect()
}

/// The folder for downloads. `None` if the user has no cache folder.
pub fn cache() -> Option<PathBuf> {
    named("weights").or_else(cache_folder)
}

/// The subfolder `part` of the cache folder that `KINDLING_CACHE` names. `None` if it is not set.
pub fn named(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(CACHE).filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join(part))
}

/// The URL to download a file from: on the mirror if there is one, otherwise as published.
fn address(published: &PublishedWeights) -> Result<Option<String>> {
    let Some(base) = std::env::var_os(MIRROR).filter(|base| !base.is_empty()) else {
        return Ok(published.url.clone());
    };
    // An invalid mirror is an error: never fall back to a server that the user did not choose.
    let base = base
        .to_str()
        .filter(|base| base.starts_with("http://") || base.starts_with("https://"))
        .filter(|base| !base.contains(['?', '#']) && !base.contains(char::is_control))
        .ok_or_else(|| {
            anyhow!("{MIRROR} is not a valid URL: it must look like https://mirror.example/models")
        })?;
    Ok(Some(format!("{}/{}", base.trim_end_matches('/'), published.file)))
}
