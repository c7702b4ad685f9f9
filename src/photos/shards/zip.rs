//! Members of a zip archive: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use zip::CompressionMethod;
use zip::read::{ZipArchive, ZipFile};
use zip::result::ZipError;

use super::samples::{LabelFile, MemberKind, Samples};
use super::{Shard, ShardError};
use crate::photos::PhotoPlace;
use crate::photos::place::ArchiveMember;
use crate::regular_file;

/// Lists the photos of the archive.
///
/// # Errors
/// If the file cannot be read, is no zip archive, or has a photo that is encrypted or compressed
/// otherwise than by DEFLATE.
pub(super) fn read(path: &Path) -> Result<Shard, ShardError> {
    let failed = |error: ZipError| match error {
        ZipError::Io(error) => ShardError::Read(path.to_owned(), error),
        error => ShardError::Damaged(path.to_owned(), error.to_string()),
    };
    let (file, bytes) = regular_file::open(path).map_err(|error| failed(error.into()))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(failed)?;
    let shared: Arc<Path> = path.into();
    let mut samples = Samples::default();
    for index in 0..archive.len() {
        // The raw bytes of a photo are not read, so that they may be compressed in any way here.
        let member = archive.by_index_raw(index).map_err(failed)?;
        if !member.is_file() {
            continue;
        }
        let name = member.name_raw().to_vec();
        match Samples::kind(&name) {
            MemberKind::Photo => {
                let place = place(&member, &shared, bytes)
                    .map_err(|reason| ShardError::Damaged(path.to_owned(), reason))?;
                samples.photo(&name, place);
            }
            MemberKind::Label(file) => {
                drop(member);
                let mut content = Vec::new();
                let member = archive.by_index(index).map_err(failed)?;
                member
                    .take(LabelFile::MAX_BYTES)
                    .read_to_end(&mut content)
                    .map_err(|error| failed(error.into()))?;
                samples.label(&name, file, &content);
            }
            MemberKind::Other => {}
        }
    }
    Ok(Shard::of_archive(path, bytes, samples.finish()))
}

fn place(
    member: &ZipFile<BufReader<File>>,
    archive: &Arc<Path>,
    bytes: u64,
) -> Result<PhotoPlace, String> {
    let name = || super::name_text(member.name_raw());
    let is_deflated = match member.compression() {
        _ if member.encrypted() => return Err(format!("`{}` is encrypted", name())),
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => return Err(format!("`{}` is compressed by {other}, which is not read", name())),
    };
    let (stored, length) = (member.compressed_size(), member.size());
    let at = member.data_start().filter(|at| at.saturating_add(stored) <= bytes);
    let at = at.ok_or_else(|| format!("`{}` is not in it whole", name()))?;
    let archive = archive.clone();
    Ok(PhotoPlace::Member(ArchiveMember { archive, at, stored, length, is_deflated }))
}
