//! Photos in archives by their paths: `photos-000.tar/000123.jpg` is a member of `photos-000.tar`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{Kind, Shard, ShardPhoto};
use crate::photos::PhotoPlace;
use crate::printable::path_of;

/// The members of an archive, by their paths in it.
type Members = HashMap<PathBuf, PhotoPlace>;

/// The archives that were listed. An archive that cannot be read has no members.
static LISTED: LazyLock<Mutex<HashMap<PathBuf, Arc<Members>>>> = LazyLock::new(Mutex::default);

/// The path of a photo in an archive. Members may have any name, absolute ones included.
pub(in crate::photos) fn path_in(archive: &Path, photo: &ShardPhoto) -> PathBuf {
    let mut path: OsString = archive.into();
    path.push("/");
    path.push(path_of(&photo.name));
    path.into()
}

/// Where the photo with this path is, if a folder in the path is an archive with such a member.
pub(in crate::photos) fn member(path: &Path) -> Option<PhotoPlace> {
    let is_archive = |folder: &&Path| matches!(Kind::of(folder), Some(Kind::Tar | Kind::Zip));
    let archive = path.ancestors().skip(1).filter(is_archive).find(|folder| folder.is_file())?;
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let members = match listed.get(archive) {
        Some(members) => members,
        None => {
            let members = Shard::read(archive).map(|shard| members(&shard)).unwrap_or_default();
            listed.entry(archive.to_owned()).or_insert(Arc::new(members))
        }
    };
    members.get(path.strip_prefix(archive).ok()?).cloned()
}

/// Keeps the members of a shard, so that [`member`] need not list them again.
pub(in crate::photos) fn remember(shard: &Shard) {
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    listed.insert(shard.path.clone(), Arc::new(members(shard)));
}

fn members(shard: &Shard) -> Members {
    let member = |photo: &ShardPhoto| {
        let path = path_in(&shard.path, photo);
        Some((path.strip_prefix(&shard.path).ok()?.to_owned(), photo.place.clone()))
    };
    // Of members with the same name, the first counts.
    shard.photos.iter().rev().filter_map(member).collect()
}
