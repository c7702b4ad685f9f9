//! `kindling cache`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueHint};
use kindling::features::cache::{self, CacheInfo, FeatureCache, SpaceInfo};
use serde::Serialize;

use super::pretrained::{CACHE, named};
use super::terminal::{bytes, counted, one_line, say, table, text};

/// Say what is kept of photos that went through a network before, or delete it
///
/// Numbers are kept, never pictures, names or places: the features of each photo, found by the SHA-256 of
/// its file, for each network, preprocessing and device. At most 1 GiB of them: what was not used for
/// longest is deleted first. It may all be deleted at any time, and is then computed anew.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling cache info      where it is, how large, what for
  kindling cache clear     delete all of it")]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Say where the feature cache is, how large, and what is in it
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
    /// Delete what is kept; what is not of the cache stays, wherever it lies
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
    /// Folder of the cache; without it `features` in the folder that KINDLING_CACHE names, or in the
    /// platform's cache folder
    #[arg(long = "cache", value_name = "DIR", value_hint = ValueHint::DirPath)]
    asked: Option<PathBuf>,
}

impl CacheFolderArg {
    fn folder(&self) -> Result<PathBuf> {
        folder(self.asked.as_deref()).ok_or_else(|| {
            anyhow!("this user has no cache folder: name one with --cache or {CACHE}")
        })
    }
}

/// The folder that features are kept in: the one that is asked for, or the usual one, where there is one.
pub fn folder(asked: Option<&Path>) -> Option<PathBuf> {
    asked.map(Path::to_owned).or_else(|| named("features")).or_else(cache::default_folder)
}

pub fn run(args: &CacheArgs) -> Result<()> {
    match &args.command {
        CacheCommand::Info { json, folder } => info(&folder.folder()?, *json),
        CacheCommand::Clear { folder } => clear(&folder.folder()?),
    }
}

/// What `info --json` prints.
#[derive(Serialize)]
struct Told {
    folder: String,
    photos: usize,
    files: usize,
    bytes: u64,
    /// Bytes that are kept at most.
    limit: u64,
    spaces: Vec<ToldSpace>,
}

#[derive(Serialize)]
struct ToldSpace {
    space: String,
    features: Option<usize>,
    photos: usize,
    files: usize,
    bytes: u64,
    last_used: String,
}

impl Told {
    fn of(folder: &Path, info: &CacheInfo) -> Self {
        let space = |space: &SpaceInfo| ToldSpace {
            space: space.space.clone(),
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
        }
    }
}

fn info(folder: &Path, json: bool) -> Result<()> {
    let info = cache::info(folder)?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&Told::of(folder, &info))?)?;
        return Ok(());
    }
    writeln!(out, "folder    {}", one_line(&text(folder)))?;
    writeln!(out, "photos    {}", info.photos())?;
    writeln!(
        out,
        "size      {} in {}, at most {} are kept",
        bytes(info.bytes()),
        counted(info.files(), "file"),
        bytes(FeatureCache::DEFAULT_LIMIT)
    )?;
    if info.spaces.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let heading = ["NETWORK AND PREPROCESSING", "FEATURES", "PHOTOS", "SIZE", "LAST USED"];
    let rows = info.spaces.iter().map(|space| {
        [
            // Enough to tell them apart.
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
    let gone = cache::clear(folder)?;
    let folder = one_line(&text(folder));
    if gone.files() == 0 {
        return say(&format!("nothing to delete in {folder}"));
    }
    say(&format!(
        "deleted   the features of {} ({}, {}) from {folder}",
        counted(gone.photos(), "photo"),
        counted(gone.files(), "file"),
        bytes(gone.bytes()),
    ))
}

fn local(time: SystemTime) -> chrono::DateTime<chrono::Local> {
    time.into()
}
