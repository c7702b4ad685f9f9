//! Members of a tar archive: <https://www.gnu.org/software/tar/manual/html_node/Standard.html>.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use tar::{Archive, Entry};

use super::samples::{LabelFile, MemberKind, Samples};
use super::{Shard, ShardError};
use crate::photos::PhotoPlace;
use crate::photos::place::ArchiveMember;
use crate::regular_file;

/// Members start at multiples of this many bytes.
const BLOCK: u64 = 512;
/// The first bytes of a file of gzip: RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Lists the photos of the archive.
///
/// # Errors
/// If the file cannot be read, is no tar archive, or lacks its end.
pub(super) fn read(path: &Path) -> Result<Shard, ShardError> {
    let failed = |error| ShardError::Read(path.to_owned(), error);
    let damaged = |error: io::Error| ShardError::Damaged(path.to_owned(), error.to_string());
    let (mut file, bytes) = regular_file::open(path).map_err(failed)?;
    let mut start = Vec::new();
    (&mut file).take(GZIP.len() as u64).read_to_end(&mut start).map_err(failed)?;
    if start == GZIP {
        let reason = "is compressed by gzip: run `gunzip` on it, so that photos can be found in it";
        return Err(ShardError::NotRead(path.to_owned(), reason.into()));
    }
    file.rewind().map_err(failed)?;
    let mut archive = Archive::new(file);
    let shared: Arc<Path> = path.into();
    let mut samples = Samples::default();
    let cut_off =
        |samples: &Samples| ShardError::CutOff { path: path.to_owned(), photos: samples.count() };
    // Where the members are, for links to them.
    let mut places: HashMap<Vec<u8>, (u64, u64)> = HashMap::new();
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let stored = stored(&entry).map_err(damaged)?;
        end = entry.raw_file_position().saturating_add(stored);
        if end > bytes {
            return Err(cut_off(&samples));
        }
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let at = entry.raw_file_position();
            places.insert(entry.path_bytes().into_owned(), (at, stored));
            add(&mut samples, &mut entry, stored, &shared).map_err(failed)?;
        } else if kind.is_hard_link() || kind.is_symlink() {
            let target = entry.link_name_bytes().filter(|_| kind.is_hard_link());
            let target = target.and_then(|name| places.get(&*name).copied());
            add_link(&mut samples, &entry.path_bytes(), target, &shared).map_err(failed)?;
        }
    }
    if !is_ended(archive.into_inner(), end.next_multiple_of(BLOCK)).map_err(failed)? {
        return Err(cut_off(&samples));
    }
    Ok(Shard::of_archive(path, bytes, samples.finish()))
}

/// The bytes that a member takes. Of a file with holes, its size says how long it is with them.
fn stored(entry: &Entry<File>) -> io::Result<u64> {
    match entry.header().entry_type().is_gnu_sparse() {
        true => entry.header().entry_size(),
        false => Ok(entry.size()),
    }
}

fn add(
    samples: &mut Samples,
    entry: &mut Entry<File>,
    length: u64,
    archive: &Arc<Path>,
) -> io::Result<()> {
    let name = entry.path_bytes().into_owned();
    match Samples::kind(&name) {
        MemberKind::Photo => {
            samples.photo(&name, place(archive, entry.raw_file_position(), length));
        }
        MemberKind::Label(file) => {
            let mut content = Vec::new();
            entry.take(LabelFile::MAX_BYTES).read_to_end(&mut content)?;
            samples.label(&name, file, &content);
        }
        MemberKind::Other => {}
    }
    Ok(())
}

/// Adds a link, which tar writes for a file that it has written under another name. `target`
/// is where the content is, and its length.
fn add_link(
    samples: &mut Samples,
    name: &[u8],
    target: Option<(u64, u64)>,
    archive: &Arc<Path>,
) -> io::Result<()> {
    match (Samples::kind(name), target) {
        (MemberKind::Photo, Some((at, length))) => {
            samples.photo(name, place(archive, at, length));
        }
        (MemberKind::Photo, None) => {
            let reason = "it is a link to a file that the archive does not have";
            samples.photo(name, PhotoPlace::Absent(reason.into()));
        }
        (MemberKind::Label(file), Some((at, length))) => {
            let (mut content, mut from) = (Vec::new(), regular_file::open(archive)?.0);
            from.seek(SeekFrom::Start(at))?;
            from.take(length.min(LabelFile::MAX_BYTES)).read_to_end(&mut content)?;
            samples.label(name, file, &content);
        }
        (MemberKind::Label(_), None) | (MemberKind::Other, _) => {}
    }
    Ok(())
}

/// A member, which tar stores as it is.
fn place(archive: &Arc<Path>, at: u64, length: u64) -> PhotoPlace {
    let archive = archive.clone();
    PhotoPlace::Member(ArchiveMember { archive, at, stored: length, length, is_deflated: false })
}

/// Whether a block of zeros follows the last member, as at the end of every archive. An archive
/// that was cut off between two members would look whole without this.
fn is_ended(mut file: File, end: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(end))?;
    let mut block = Vec::new();
    file.take(BLOCK).read_to_end(&mut block)?;
    Ok(block.len() as u64 == BLOCK && block.iter().all(|byte| *byte == 0))
}
