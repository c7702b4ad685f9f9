//! Tests of the whole cache: it returns the features that were inserted and never anything else.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::upkeep::MAX_SEGMENTS;
use super::*;
use crate::photos::Preprocessing;

const WIDTH: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

fn space(weights: u8) -> Space {
    Space::new(&[weights; 32], &Preprocessing::IMAGENET, WIDTH, "cpu")
}

fn open(folder: &Path) -> FeatureCache {
    FeatureCache::open(folder, space(1)).unwrap()
}

fn photo(index: usize) -> PhotoDigest {
    PhotoDigest::of(&index.to_le_bytes())
}

fn row(index: usize) -> [f32; WIDTH] {
    [index as f32, -0.0, 1.0 / (index + 1) as f32]
}

fn insert(cache: &mut FeatureCache, photos: impl IntoIterator<Item = usize>) {
    for index in photos {
        cache.insert(photo(index), (index as u32, 480), &row(index));
    }
}

/// Writes the photos to a file of their own.
fn keep(folder: &Path, photos: impl IntoIterator<Item = usize>) {
    let mut cache = open(folder);
    insert(&mut cache, photos);
    cache.flush().unwrap();
}

/// Whether the photo is cached. If it is, checks its features and size.
#[track_caller]
fn has(cache: &FeatureCache, index: usize) -> bool {
    let cached = cache.get(&photo(index));
    if let Some(cached) = &cached {
        assert_eq!(cached.size, (index as u32, 480));
        let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&cached.row), bits(&row(index)), "bit for bit");
    }
    cached.is_some()
}

fn has_all(cache: &FeatureCache, photos: impl IntoIterator<Item = usize>) -> bool {
    photos.into_iter().all(|index| has(cache, index))
}

/// All files in the spaces' folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    list(folder).iter().flat_map(|space| list(space)).collect()
}

fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder);
    assert_eq!(files.len(), 1);
    files[0].clone()
}

fn age(file: &Path, age: Duration) {
    let file = File::options().append(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// A cache folder with two photos in one file, the file, and its content.
fn two_photos() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), [1, 2]);
    let file = only_file(folder.path());
    let content = fs::read(&file).unwrap();
    (folder, file, content)
}

/// Checks that a file of the two photos with this content is rejected and deleted, and that both
/// photos can then be cached again.
#[track_caller]
fn is_never_trusted(folder: &Path, file: &Path, content: &[u8]) {
    fs::write(file, content).unwrap();
    let mut cache = open(folder);
    // Until the damage is found, an intact row of a damaged file may be returned.
    let missing: Vec<usize> = [1, 2].into_iter().filter(|index| !has(&cache, *index)).collect();
    assert!(!missing.is_empty());
    assert!(!file.exists(), "it is deleted");
    insert(&mut cache, [1, 2]);
    cache.flush().unwrap();
    assert!(has_all(&cache, [1, 2]) && has_all(&open(folder), [1, 2]), "and rebuilt");
    for file in files(folder) {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn what_is_inserted_is_there_at_once_and_in_later_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/when/needed");
    let mut cache = open(&path);
    assert!(!has(&cache, 1) && !path.exists());
    insert(&mut cache, 0..5);
    assert!(has_all(&cache, 0..5) && !has(&cache, 5));
    assert_eq!(cache.pending(), 5);
    assert!(!has(&open(&path), 1), "not on the disk yet");
    cache.flush().unwrap();
    assert_eq!(cache.pending(), 0);
    assert!(has_all(&cache, 0..5) && has_all(&open(&path), 0..5));
    insert(&mut cache, 0..5);
    assert_eq!(cache.pending(), 0, "what is there is not written twice");
    cache.flush().unwrap();
    only_file(&path);
}

#[test]
fn other_weights_find_nothing() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), [1]);
    let mut other = FeatureCache::open(folder.path(), space(2)).unwrap();
    assert!(!has(&other, 1));
    insert(&mut other, [1]);
    other.flush().unwrap();
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn a_row_that_is_not_finite_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = open(folder.path());
    for value in [f32::NAN, f32::INFINITY] {
        cache.insert(photo(1), (1, 1), &[0.0, value, 0.0]);
    }
    cache.flush().unwrap();
    assert!(cache.get(&photo(1)).is_none() && files(folder.path()).is_empty());
}

#[test]
fn a_flipped_byte_anywhere_is_never_trusted() {
    let (folder, file, content) = two_photos();
    for position in 0..content.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = content.clone();
            damaged[position] ^= flip;
            is_never_trusted(folder.path(), &file, &damaged);
        }
    }
}

#[test]
fn a_file_of_any_other_length_is_never_trusted() {
    let (folder, file, content) = two_photos();
    for length in 0..content.len() {
        is_never_trusted(folder.path(), &file, &content[..length]);
    }
    is_never_trusted(folder.path(), &file, &[&content[..], &[0]].concat());
    is_never_trusted(folder.path(), &file, &content.repeat(2));
}

#[test]
fn a_file_that_was_cut_off_while_it_was_open_is_never_trusted() {
    let (folder, file, content) = two_photos();
    let cache = open(folder.path());
    fs::write(&file, &content[..content.len() - 1]).unwrap();
    assert!(!has_all(&cache, [1, 2]) && !file.exists());
    assert!(!has(&cache, 1) && !has(&cache, 2), "not a row of it from then on");
}

#[test]
fn a_count_or_width_that_lies_allocates_nothing() {
    let (folder, file, content) = two_photos();
    // The width and the count follow the mark and the space.
    let width = content.iter().position(|byte| *byte == b'\n').unwrap() + 1 + 32;
    assert_eq!(content[width..width + 8], [WIDTH as u8, 0, 0, 0, 2, 0, 0, 0]);
    for (at, number) in [(width, u32::MAX), (width + 4, u32::MAX), (width + 4, 1 << 31), (width, 0)]
    {
        let mut lying = content.clone();
        lying[at..at + 4].copy_from_slice(&number.to_le_bytes());
        is_never_trusted(folder.path(), &file, &lying);
        lying[width..width + 8].fill(0xff);
        is_never_trusted(folder.path(), &file, &lying);
    }
}

#[test]
fn an_older_version_is_never_trusted() {
    let (folder, file, content) = two_photos();
    let mark = format!("kindling features {VERSION}\n").into_bytes();
    assert!(content.starts_with(&mark));
    let older = [b"kindling features 0\n", &content[mark.len()..]].concat();
    is_never_trusted(folder.path(), &file, &older);
}

#[test]
fn a_file_of_another_space_is_never_trusted() {
    let (folder, file, _) = two_photos();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut other = FeatureCache::open(elsewhere.path(), space(2)).unwrap();
    insert(&mut other, [1, 2]);
    other.flush().unwrap();
    let other = fs::read(only_file(elsewhere.path())).unwrap();
    is_never_trusted(folder.path(), &file, &other);
}

#[cfg(unix)]
#[test]
fn links_pipes_and_folders_are_neither_followed_nor_touched() {
    use std::os::unix::fs::symlink;

    let (folder, file, content) = two_photos();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    let space_folder = file.parent().unwrap();
    let name = |digit: &str| space_folder.join(format!("{}.features", digit.repeat(32)));
    fs::create_dir(name("a")).unwrap();
    let pipe = name("b");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    let mut cache = open(folder.path());
    assert!(!has(&cache, 1), "the link is not followed");
    insert(&mut cache, [1, 2]);
    cache.flush().unwrap();
    assert!(has_all(&open(folder.path()), [1, 2]));
    assert_eq!(info(folder.path()).unwrap().files(), 1);
    assert_eq!(clear(folder.path()).unwrap().files(), 1);
    assert!(file.is_symlink() && pipe.exists() && name("a").is_dir());
    assert_eq!(fs::read(&target).unwrap(), content);

    // A space's folder that is a link to a folder elsewhere.
    fs::remove_dir_all(space_folder).unwrap();
    let real = elsewhere.path().join(space_folder.file_name().unwrap());
    fs::create_dir(&real).unwrap();
    fs::copy(&target, real.join(file.file_name().unwrap())).unwrap();
    symlink(&real, space_folder).unwrap();
    let refused = FeatureCache::open(folder.path(), space(1));
    assert!(matches!(refused, Err(CacheError::NotAFolder(_))));
    assert_eq!(clear(folder.path()).unwrap(), CacheInfo::default());
    assert_eq!(fs::read_dir(&real).unwrap().count(), 1);
}

#[test]
fn two_programs_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (open(folder.path()), open(folder.path()));
    insert(&mut one, 0..6);
    insert(&mut other, 3..9);
    one.flush().unwrap();
    other.flush().unwrap();
    let cache = open(folder.path());
    assert!(has_all(&cache, 0..9));
    assert_eq!(info(folder.path()).unwrap().photos(), 9, "each counted once");

    // Many programs at once, with merging.
    std::thread::scope(|scope| {
        for program in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                for flush in 0..30 {
                    let mut cache = open(folder);
                    insert(&mut cache, [1000 * (program + 1) + flush, 500 + flush]);
                    cache.flush().unwrap();
                }
            });
        }
    });
    let cache = open(folder.path());
    assert!(has_all(&cache, 0..9) && has_all(&cache, 500..530));
    for program in 1..5 {
        assert!(has_all(&cache, 1000 * program..1000 * program + 30));
    }
}

#[test]
fn a_cache_is_read_from_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), 0..50);
    let cache = &open(folder.path());
    std::thread::scope(|scope| {
        for start in 0..4 {
            scope.spawn(move || assert!(has_all(cache, start..50)));
        }
    });
}

#[test]
fn a_file_that_vanishes_is_missing_and_no_fault() {
    let (folder, file, _) = two_photos();
    let mut cache = open(folder.path());
    assert!(has(&cache, 1));
    fs::remove_file(&file).unwrap();
    assert!(!has(&open(folder.path()), 1));
    insert(&mut cache, [3]);
    cache.flush().unwrap();
    assert!(has(&open(folder.path()), 3));
}

#[test]
fn a_run_that_reads_a_file_marks_it_as_used() {
    let (folder, file, _) = two_photos();
    let modified =
        || fs::metadata(&file).unwrap().modified().unwrap().elapsed().unwrap_or_default();
    age(&file, 90 * MINUTE);
    let mut cache = open(folder.path());
    cache.flush().unwrap();
    assert!(modified() > 80 * MINUTE, "opened is not used");
    assert!(has(&cache, 1));
    cache.flush().unwrap();
    assert!(modified() < 10 * MINUTE);
}

#[test]
fn what_was_not_used_for_longest_is_deleted_first_whatever_its_space() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = FeatureCache::open(folder.path(), space(2)).unwrap();
    insert(&mut other, 0..100);
    other.flush().unwrap();
    let others = only_file(folder.path());
    age(&others, 50 * MINUTE);
    let mut kept = Vec::new();
    for (index, minutes) in [(0, 40), (1, 30), (2, 20)] {
        keep(folder.path(), 100 * index..100 * (index + 1));
        let new =
            files(folder.path()).into_iter().find(|file| *file != others && !kept.contains(file));
        age(new.as_ref().unwrap(), minutes * MINUTE);
        kept.extend(new);
    }
    let each = fs::metadata(&others).unwrap().len();

    // The limit holds three files. After one more photo, the two oldest unused files are deleted.
    let mut cache = open(folder.path()).with_limit(3 * each);
    assert!(has(&cache, 0), "this makes the oldest of the space the latest used");
    insert(&mut cache, [1000]);
    cache.flush().unwrap();
    assert!(!others.exists() && kept[0].exists() && !kept[1].exists() && kept[2].exists());
    let cache = open(folder.path());
    assert!(has_all(&cache, 0..100) && has_all(&cache, 200..300) && has(&cache, 1000));
    assert!(info(folder.path()).unwrap().bytes() <= 3 * each);
}

#[test]
fn more_than_may_be_kept_fills_the_room_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = open(folder.path()).with_limit(20_000);
    insert(&mut cache, 0..1000);
    cache.flush().unwrap();
    let bytes = info(folder.path()).unwrap().bytes();
    assert!((15_000..=20_000).contains(&bytes), "{bytes}");
    assert!(has_all(&cache, 0..1000), "this run still has all of them");
}

#[test]
fn merging_keeps_every_photo_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut caches: Vec<FeatureCache> = (0..=MAX_SEGMENTS).map(|_| open(folder.path())).collect();
    for (index, cache) in caches.iter_mut().enumerate() {
        // Each cache was opened before the others wrote; neighbours share a photo.
        insert(cache, [index, index + 1]);
        cache.flush().unwrap();
        let expected = if index < MAX_SEGMENTS { index + 1 } else { 1 };
        assert_eq!(files(folder.path()).len(), expected);
    }
    let photos = MAX_SEGMENTS + 2;
    let file = only_file(folder.path());
    let (_, listed) = Segment::open(&file, &space(1)).unwrap();
    assert_eq!(listed.len(), photos);
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), photos);
    assert!(has_all(&open(folder.path()), 0..photos));

    // Caches with the old files open still work, and so does the one that merged.
    let last = caches.last_mut().unwrap();
    assert!(has_all(last, [MAX_SEGMENTS, MAX_SEGMENTS + 1]));
    insert(last, [5000]);
    last.flush().unwrap();
    assert!(has_all(&open(folder.path()), (0..photos).chain([5000])));
}

#[test]
fn merging_leaves_large_files_alone_and_damaged_ones_out() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), 10_000..10_400);
    let large = only_file(folder.path());
    let limit = 4 * fs::metadata(&large).unwrap().len();
    for index in 0..MAX_SEGMENTS - 1 {
        keep(folder.path(), [index]);
    }
    let mut cache = open(folder.path()).with_limit(limit);
    // The row of one file is damaged after the file was opened, and is found while merging.
    let damaged = files(folder.path()).into_iter().find(|file| *file != large).unwrap();
    let mut content = fs::read(&damaged).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&damaged, content).unwrap();
    insert(&mut cache, [500]);
    cache.flush().unwrap();
    assert!(!damaged.exists(), "found, deleted, and nothing merged with it");
    let left =
        |cache: &FeatureCache| (0..MAX_SEGMENTS - 1).filter(|index| has(cache, *index)).count();
    assert_eq!(left(&open(folder.path())), MAX_SEGMENTS - 2);
    insert(&mut cache, [501]);
    cache.flush().unwrap();
    assert_eq!(files(folder.path()).len(), 2, "the large one and the merged one");
    let cache = open(folder.path());
    assert_eq!(left(&cache), MAX_SEGMENTS - 2);
    assert!(large.exists() && has_all(&cache, 10_000..10_400) && has_all(&cache, [500, 501]));
}

#[test]
fn only_old_leftovers_of_ours_are_swept() {
    let (folder, file, _) = two_photos();
    let space_folder = file.parent().unwrap();
    let [old, young, theirs] = [".kindling-abcdef", ".kindling-ABC123", ".kindling-config.toml"]
        .map(|name| space_folder.join(name));
    for (file, hours) in [(&old, 25), (&young, 1), (&theirs, 1000)] {
        fs::write(file, "").unwrap();
        age(file, 60 * hours * MINUTE);
    }
    keep(folder.path(), [3]);
    assert!(!old.exists() && young.exists() && theirs.exists());
    clear(folder.path()).unwrap();
    assert!(!young.exists() && theirs.exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("features")] {
        let error = FeatureCache::open(&path, space(1)).unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        assert!(info(&path).is_err() && clear(&path).is_err());
    }
    // A file appears at the folder's path after the cache was opened.
    let path = folder.path().join("features");
    let mut cache = open(&path);
    insert(&mut cache, [1]);
    fs::write(&path, "").unwrap();
    assert!(matches!(cache.flush(), Err(CacheError::Write(..))));
    assert!(has(&cache, 1), "it stays pending");
    fs::remove_file(&path).unwrap();
    cache.flush().unwrap();
    assert!(has(&open(&path), 1));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_still_read() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, file, _) = two_photos();
    let space_folder = file.parent().unwrap();
    let allow = |mode| fs::set_permissions(space_folder, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let may_write = File::create(space_folder.join("probe")).is_ok();
    let mut cache = open(folder.path());
    assert!(has_all(&cache, [1, 2]));
    cache.flush().unwrap();
    insert(&mut cache, [3]);
    let flushed = cache.flush();
    allow(0o755);
    // Permissions do not stop root.
    assert!(may_write || matches!(flushed, Err(CacheError::Write(..))));
}

#[test]
fn an_absent_or_empty_folder_is_an_empty_cache() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        assert_eq!(info(&path).unwrap(), CacheInfo::default());
        assert_eq!(clear(&path).unwrap(), CacheInfo::default());
    }
}
