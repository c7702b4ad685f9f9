//! Photos in archives by their paths: `photos-000.tar/000123.jpg` is a member of `photos-000.tar`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Kind, Shard, ShardPhoto};
use crate::photos::PhotoPlace;
use crate::printable::path_of;

/// The members of an archive, by their paths in it.
type Members = HashMap<PathBuf, PhotoPlace>;

/// The archives that were listed: their members, or why they cannot be read.
static LISTED: LazyLock<Mutex<HashMap<PathBuf, Result<Members, String>>>> =
    LazyLock::new(Mutex::default);

/// The path of a photo in an archive. Members may have any name, absolute ones included.
pub(in crate::photos) fn path_in(archive: &Path, photo: &ShardPhoto) -> PathBuf {
    let mut path: OsString = archive.into();
    path.push("/");
    path.push(path_of(&photo.name));
    path.into()
}

/// Where the photo with this path is, if a folder in the path is an archive.
pub(in crate::photos) fn member(path: &Path) -> Option<PhotoPlace> {
    let is_archive = |folder: &&Path| matches!(Kind::of(folder), Some(Kind::Tar | Kind::Zip));
    let archive = path.ancestors().skip(1).filter(is_archive).find(|folder| folder.is_file())?;
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let members = match listed.get(archive) {
        Some(members) => members,
        None => {
            let members = Shard::read(archive).map(|shard| members(&shard));
            listed.entry(archive.to_owned()).or_insert(members.map_err(|error| error.to_string()))
        }
    };
    let absent = |reason: &str| Some(PhotoPlace::Absent(reason.into()));
    match members {
        Err(reason) => absent(reason),
        Ok(members) => match members.get(path.strip_prefix(archive).ok()?) {
            Some(place) => Some(place.clone()),
            None => absent("the archive has no such photo"),
        },
    }
}

/// Keeps the members of a shard, so that [`member`] need not list them again.
pub(in crate::photos) fn remember(shard: &Shard) {
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    listed.insert(shard.path.clone(), Ok(members(shard)));
}

fn members(shard: &Shard) -> Members {
    let member = |photo: &ShardPhoto| {
        let path = path_in(&shard.path, photo);
        Some((path.strip_prefix(&shard.path).ok()?.to_owned(), photo.place.clone()))
    };
    // Of members with the same name, the first counts.
    shard.photos.iter().rev().filter_map(member).collect()
}
