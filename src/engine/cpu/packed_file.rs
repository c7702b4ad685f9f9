//! Files of packed weights, which a process maps into its memory instead of packing them anew.
//!
//! ```text
//! head    64 bytes: mark, offset of the index, number of arrays, padding
//! arrays  each from a multiple of 64 bytes: floats of this processor
//! index   for each array its offset, its number of floats and their checksum
//! digest  SHA-256 of key, head and index
//! ```
//!
//! The key names the weights, the instructions, the tuning, the photos' size and the program, so a
//! file that belongs to anything else has another digest. What the arrays hold is checked on
//! every opening, with sums that cost about as much as the page faults of their first use. So it is
//! no danger that the file is not synced to the disk: after a power cut, missing blocks are noticed
//! and the file is made anew.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::time::SystemTime;

use memmap2::Mmap;
use pulp::Simd;
use tempfile::NamedTempFile;

use super::parallelism::Parallelism;
use crate::device::{Instructions, Task};
use crate::engine::packed_cache::{self, Key, PACKED, PackedCache};
use crate::output::hidden_file;
use crate::regular_file;
use crate::sha256::Sha256;

/// The first bytes of a file.
const MARK: &[u8; 16] = b"kindling packed\n";
/// Bytes of the head, and what each array's offset is a multiple of: a cache line.
const LINE: usize = 64;
/// Bytes of an array's entry in the index.
const ENTRY: usize = 24;
/// Bytes of the digest.
const DIGEST: usize = 32;
/// The most arrays in a file that is read.
const MAX_ARRAYS: u64 = 1 << 16;

/// A file of packed weights, mapped and checked.
pub struct PackedFile {
    map: Mmap,
    /// The floats of each array.
    arrays: Vec<Range<usize>>,
}

impl PackedFile {
    /// The file for `key`, if there is one and it is whole. One that is damaged is deleted.
    pub(super) fn open(cache: &PackedCache, key: &Key) -> Option<Self> {
        let path = cache.path(key, PACKED)?;
        let (file, _) = regular_file::open(&path).ok()?;
        // SAFETY: the mapping must not change while it is there. Kindling writes these files
        // under a hidden name, renames them when they are complete, and replaces or deletes them
        // by name alone, which leaves the mapped file as it was; nothing opens one for writing
        // (`set_modified` below changes no content). They lie in a folder of the user's own that
        // no other program has business in, as the program's file itself does, which the system
        // maps in the same way. Reading them instead takes 60 ms for ResNet-18, and mapping 5.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        match Self::checked(map, key) {
            Some(found) => {
                // The least recently used files are deleted first.
                let _ = file.set_modified(SystemTime::now());
                Some(found)
            }
            None => {
                log::warn!("packed weights are damaged, and are made anew: {}", path.display());
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    fn checked(map: Mmap, key: &Key) -> Option<Self> {
        let head = map.get(..LINE)?;
        let (index, count) = (number(head, MARK.len())?, number(head, MARK.len() + 8)?);
        let entries = usize::try_from(index).ok()?;
        let end = entries.checked_add(ENTRY * usize::try_from(count.min(MAX_ARRAYS)).ok()?)?;
        let digest = map.get(end..)?;
        let entries = map.get(entries..end)?;
        if !head.starts_with(MARK) || digest != digest_of(key, head, entries)? {
            return None;
        }
        let arrays: Vec<([usize; 2], u64)> = entries
            .chunks_exact(ENTRY)
            .map(|entry| {
                let [offset, count] = [0, 8].map(|at| number(entry, at));
                let range = [usize::try_from(offset?).ok()?, usize::try_from(count?).ok()?];
                Some((range, number(entry, 16)?))
            })
            .collect::<Option<_>>()?;
        let float = size_of::<f32>();
        let checked: Option<Vec<_>> = arrays
            .iter()
            .map(|([offset, count], sum)| {
                let bytes = map.get(*offset..offset.checked_add(count.checked_mul(float)?)?)?;
                (offset % LINE == 0).then_some((bytes, *sum))
            })
            .collect();
        if !are_whole(checked?) {
            return None;
        }
        let floats = |([offset, count], _): &([usize; 2], u64)| {
            let start = offset / float;
            start..start + count
        };
        let arrays = arrays.iter().map(floats).collect();
        Some(Self { map, arrays })
    }

    /// Where the array with this index is among the floats.
    pub(super) fn array(&self, index: usize) -> Option<Range<usize>> {
        self.arrays.get(index).cloned()
    }

    /// All floats. Those between the arrays, and the head and the index, mean nothing.
    #[inline]
    pub(super) fn floats(&self) -> &[f32] {
        // A mapping begins at a page, and everything in the file has a whole number of floats.
        bytemuck::cast_slice(&self.map)
    }
}

/// Writes packed weights to a file, array by array. If it cannot, it writes nothing: the next
/// process packs again.
pub(super) struct PackedWriter {
    cache: PackedCache,
    path: PathBuf,
    key: Key,
    out: Option<BufWriter<NamedTempFile>>,
    /// Bytes so far.
    length: usize,
    entries: Vec<u8>,
    /// Maximum size of all files in bytes.
    limit: u64,
}

impl PackedWriter {
    /// Begins the file for `key`. `None` if it cannot be written.
    pub(super) fn begin(cache: &PackedCache, key: &Key, limit: u64) -> Option<Self> {
        let path = cache.path(key, PACKED)?;
        let begin = || {
            fs::create_dir_all(cache.folder())?;
            let mut out = BufWriter::new(hidden_file(cache.folder())?);
            out.write_all(&[0; LINE])?;
            Ok(out)
        };
        let out = begin().map_err(|error: io::Error| {
            log::debug!("packed weights are not kept in {}: {error}", cache.folder().display());
        });
        Some(Self {
            cache: cache.clone(),
            path,
            key: *key,
            out: Some(out.ok()?),
            length: LINE,
            entries: Vec::new(),
            limit,
        })
    }

    /// Writes the next array.
    pub(super) fn array(&mut self, values: &[f32]) {
        let Some(out) = &mut self.out else { return };
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let padding = self.length.next_multiple_of(LINE) - self.length;
        let offset = self.length + padding;
        self.length = offset + bytes.len();
        for number in [offset as u64, values.len() as u64, checksum(bytes)] {
            self.entries.extend(number.to_le_bytes());
        }
        let written = match self.length as u64 > self.limit {
            true => Err(ErrorKind::FileTooLarge.into()),
            false => out.write_all(&[0; LINE][..padding]).and_then(|()| out.write_all(bytes)),
        };
        if let Err(error) = written {
            log::debug!("packed weights are not kept: {error}");
            // Removes the unfinished file.
            self.out = None;
        }
    }

    /// Completes the file and gives it its name.
    pub(super) fn finish(mut self) {
        let Some(out) = self.out.take() else { return };
        match self.complete(out) {
            Ok(()) => self.cache.tidy(&self.path, self.limit),
            Err(error) => log::debug!("packed weights are not kept: {error}"),
        }
    }

    fn complete(&self, mut out: BufWriter<NamedTempFile>) -> io::Result<()> {
        let mut head = [0; LINE];
        let (mark, numbers) = head.split_at_mut(MARK.len());
        mark.copy_from_slice(MARK);
        numbers[..8].copy_from_slice(&(self.length as u64).to_le_bytes());
        let count = (self.entries.len() / ENTRY) as u64;
        numbers[8..16].copy_from_slice(&count.to_le_bytes());
        let digest = digest_of(&self.key, &head, &self.entries).ok_or(ErrorKind::Unsupported)?;
        out.write_all(&self.entries)?;
        out.write_all(&digest)?;
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&head)?;
        let hidden = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        hidden.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The digest of a file for `key`. `None` if this program cannot be told from others.
fn digest_of(key: &Key, head: &[u8], entries: &[u8]) -> Option<[u8; DIGEST]> {
    let mut digest = Sha256::new_with_prefix(packed_cache::own(key)?);
    digest.update(head);
    digest.update(entries);
    Some(digest.finalize())
}

/// The number at offset `at` of `bytes`.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Bytes that one thread checks at a time.
const PIECE: usize = 1 << 20;

/// Whether each array has its checksum. All threads read, so that their page faults are shared too.
fn are_whole(arrays: Vec<(&[u8], u64)>) -> bool {
    let pieces: Vec<&[u8]> = arrays.iter().flat_map(|(bytes, _)| bytes.chunks(PIECE)).collect();
    let mut sums = vec![0; pieces.len()];
    let work = pieces.into_iter().zip(&mut sums).collect();
    Parallelism::Parallel.each(work, |(piece, sum): (&[u8], &mut u64)| *sum = piece_sum(piece));
    let mut sums = sums.into_iter();
    arrays.iter().all(|(bytes, expected)| {
        let sum = sums.by_ref().take(bytes.chunks(PIECE).len()).fold(0, joined);
        sum == *expected
    })
}

/// The checksum of an array: of its pieces' sums.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(PIECE).map(piece_sum).fold(0, joined)
}

fn joined(sum: u64, piece: u64) -> u64 {
    // The multiplier of FNV-1a.
    (sum ^ piece).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
}

/// The sums of a piece: each of 16 columns of 32-bit words has the sum of its words and, as in
/// Fletcher's checksum, the sum of those sums. So a changed word is noticed, and words that changed
/// places.
fn piece_sum(bytes: &[u8]) -> u64 {
    let mut sums = [[0; 16]; 2];
    let (lines, rest) = bytes.as_chunks::<LINE>();
    Instructions::Best.run(Sums { lines, sums: &mut sums });
    let mut last = [0; LINE];
    last[..rest.len()].copy_from_slice(rest);
    Instructions::Best.run(Sums { lines: &[last], sums: &mut sums });
    sums.as_flattened().iter().fold(bytes.len() as u64, |sum, word| joined(sum, u64::from(*word)))
}

struct Sums<'a> {
    lines: &'a [[u8; LINE]],
    sums: &'a mut [[u32; 16]; 2],
}

impl Task for Sums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let [mut plain, mut weighted] = *self.sums;
        for line in self.lines {
            let (words, _) = line.as_chunks::<4>();
            for column in 0..16 {
                let word = u32::from_le_bytes(words[column]);
                plain[column] = plain[column].wrapping_add(word);
                weighted[column] = weighted[column].wrapping_add(plain[column]);
            }
        }
        *self.sums = [plain, weighted];
    }
}
