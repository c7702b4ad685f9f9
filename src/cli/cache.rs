//! `kindling cache`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueHint};
use kindling::engine::{PackedCache, PackedFiles};
use kindling::features::cache::{self, CacheInfo, FeatureCache, SpaceInfo};
use kindling::printable::PathText;
use serde::Serialize;

use super::pretrained::{CACHE, named};
use super::terminal::{bytes, counted, one_line, say, table, text};

/// Show or delete the feature cache
///
/// The cache stores the features that a network computed for each photo. The key is the SHA-256 of
/// the photo's file, together with the network, the preprocessing and the device. Pictures, file
/// names and paths are not stored. The cache holds at most 1 GiB and drops the least recently used
/// features first. You can delete it at any time; features are then computed again.
///
/// In its subfolder `packed` it keeps networks' weights in the order in which the processor reads
/// them, at most 512 MiB, so that `predict` starts sooner.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling cache info      show its folder, size and contents
  kindling cache clear     delete all cached features and packed weights")]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Show the folder, size and contents of the feature cache
    #[command(after_help = "\
Examples:
  kindling cache info
  kindling cache info --json | jq .bytes
  kindling cache info --cache /media/disk/features")]
    Info {
        /// Print a JSON object
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        folder: CacheFolderArg,
    },
    /// Delete all cached features and packed weights, but no other files in the folder
    #[command(after_help = "\
Examples:
  kindling cache clear
  kindling cache clear --cache /media/disk/features")]
    Clear {
        #[command(flatten)]
        folder: CacheFolderArg,
    },
}

#[derive(Args)]
struct CacheFolderArg {
    /// Folder of the feature cache
    ///
    /// The default is `features` in the folder that KINDLING_CACHE names, or in the platform's
    /// cache folder.
    #[arg(long = "cache", value_name = "DIR", value_hint = ValueHint::DirPath)]
    explicit: Option<PathBuf>,
}

impl CacheFolderArg {
    fn folder(&self) -> Result<PathBuf> {
        folder(self.explicit.as_deref()).ok_or_else(|| {
            anyhow!("this user has no cache folder: choose one with --cache or {CACHE}")
        })
    }
}

/// The folder of the feature cache: `explicit` if given, otherwise the default. `None` if the user
/// has no cache folder.
pub fn folder(explicit: Option<&Path>) -> Option<PathBuf> {
    explicit.map(Path::to_owned).or_else(|| named("features")).or_else(cache::default_folder)
}

pub fn run(args: &CacheArgs) -> Result<()> {
    match &args.command {
        CacheCommand::Info { json, folder } => info(&folder.folder()?, *json),
        CacheCommand::Clear { folder } => clear(&folder.folder()?),
    }
}

/// The output of `info --json`.
#[derive(Serialize)]
struct InfoJson {
    folder: String,
    photos: usize,
    files: usize,
    bytes: u64,
    /// The maximum size of the cache, in bytes.
    limit: u64,
    spaces: Vec<SpaceJson>,
    packed: PackedJson,
}

#[derive(Serialize)]
struct PackedJson {
    files: usize,
    bytes: u64,
    /// The maximum size of packed weights, in bytes.
    limit: u64,
}

#[derive(Serialize)]
struct SpaceJson {
    space: String,
    network: Option<String>,
    features: Option<usize>,
    photos: usize,
    files: usize,
    bytes: u64,
    last_used: String,
}

impl InfoJson {
    fn of(folder: &Path, info: &CacheInfo, packed: PackedFiles) -> Self {
        let space = |space: &SpaceInfo| SpaceJson {
            space: space.space.clone(),
            network: space.label.clone(),
            features: space.width,
            photos: space.photos,
            files: space.files,
            bytes: space.bytes,
            last_used: local(space.last_used).to_rfc3339_opts(chrono::SecondsFormat::Secs, false),
        };
        Self {
            folder: text(folder),
            photos: info.photos(),
            files: info.files(),
            bytes: info.bytes(),
            limit: FeatureCache::DEFAULT_LIMIT,
            spaces: info.spaces.iter().map(space).collect(),
            packed: PackedJson {
                files: packed.files,
                bytes: packed.bytes,
                limit: PackedCache::LIMIT,
            },
        }
    }
}

fn info(folder: &Path, json: bool) -> Result<()> {
    let info = cache::info(folder)?;
    let packed = PackedCache::beside(folder);
    let packed = packed.files().with_context(|| unusable(&packed))?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&InfoJson::of(folder, &info, packed))?)?;
        return Ok(());
    }
    writeln!(out, "folder    {}", one_line(&text(folder)))?;
    writeln!(out, "photos    {}", info.photos())?;
    writeln!(
        out,
        "size      {} in {}, limited to {}",
        bytes(info.bytes()),
        counted(info.files(), "file"),
        bytes(FeatureCache::DEFAULT_LIMIT)
    )?;
    writeln!(
        out,
        "packed    {} of weights in {}, limited to {}",
        bytes(packed.bytes),
        counted(packed.files, "file"),
        bytes(PackedCache::LIMIT)
    )?;
    if info.spaces.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let heading = ["NETWORK", "SPACE", "FEATURES", "PHOTOS", "SIZE", "LAST USED"];
    let rows = info.spaces.iter().map(|space| {
        [
            space.label.clone().unwrap_or_else(|| "-".into()),
            // A prefix long enough to be unique.
            space.space.chars().take(16).collect(),
            space.width.map_or_else(|| "-".into(), |width| width.to_string()),
            space.photos.to_string(),
            bytes(space.bytes),
            local(space.last_used).format("%Y-%m-%d %H:%M").to_string(),
        ]
    });
    table(&mut out, std::iter::once(heading.map(String::from)).chain(rows).collect())?;
    Ok(())
}

fn clear(folder: &Path) -> Result<()> {
    let deleted = cache::clear(folder)?;
    let packed = PackedCache::beside(folder);
    let packed = packed.clear().with_context(|| unusable(&packed))?;
    let folder = one_line(&text(folder));
    if deleted.files() + packed.files == 0 {
        return say(&format!("nothing to delete in {folder}"));
    }
    if deleted.files() > 0 {
        say(&format!(
            "deleted   the features of {} ({}, {}) from {folder}",
            counted(deleted.photos(), "photo"),
            counted(deleted.files(), "file"),
            bytes(deleted.bytes()),
        ))?;
    }
    if packed.files > 0 {
        say(&format!(
            "deleted   packed weights ({}, {}) from {folder}",
            counted(packed.files, "file"),
            bytes(packed.bytes),
        ))?;
    }
    Ok(())
}

/// The message for packed weights that cannot be listed or deleted.
fn unusable(packed: &PackedCache) -> String {
    format!("`{}` cannot be read or emptied", packed.folder().shown())
}

fn local(time: SystemTime) -> chrono::DateTime<chrono::Local> {
    time.into()
}
