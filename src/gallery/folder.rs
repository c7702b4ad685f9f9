//! Saves photos with their predictions to a folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, RgbImage};

#[cfg(feature = "captions")]
use super::caption::Captions;
use super::names::{folder_names, numbered, safe_name};
#[cfg(not(feature = "captions"))]
use super::no_captions::Captions;
use crate::output::hidden_file;
use crate::photos::{DecodeError, Photo, decode};
use crate::printable::PathText;

/// JPEG quality, 1 to 100.
const QUALITY: u8 = 90;
/// Maximum width and height of a JPEG in pixels.
const LONGEST_SIDE: u32 = 65535;

/// A photo and its prediction.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Path of the photo.
    pub photo: &'a Path,
    /// Index of the class that is shown.
    pub class: usize,
    /// Probability of that class, 0 to 1, if it is shown too.
    pub probability: Option<f64>,
}

/// Why photos cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// The build lacks the cargo feature `captions`.
    #[error("this build cannot draw captions: rebuild with `--features captions`, or omit --save")]
    NoCaptions,
    /// The folder is not empty.
    #[error("`{}` is not empty; give --save a new or an empty folder", .0.shown())]
    NotEmpty(PathBuf),
    /// The path exists and is not a folder.
    #[error("`{}` is not a folder; give --save a new or an empty folder", .0.shown())]
    NotAFolder(PathBuf),
    /// A folder or file cannot be read or written.
    #[error("`{}` cannot be written", .0.shown())]
    Write(PathBuf, #[source] io::Error),
}

/// Why one photo is not saved. Messages continue a sentence that starts with the photo's path.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The photo could not be decoded again.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The photo is too large for a JPEG.
    #[error("is {width} x {height} pixels; a JPEG can have at most {LONGEST_SIDE} per side")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Drawing the caption panicked, for example because of a broken system font.
    #[error("cannot be captioned: drawing the text failed")]
    Draw,
}

/// A folder that was absent or empty when it was checked.
#[derive(Debug)]
pub struct GalleryDir(PathBuf);

impl GalleryDir {
    /// Checks that `folder` does not exist or is empty. Changes nothing; call it before the work
    /// starts.
    ///
    /// # Errors
    /// If `folder` is not empty, is not a folder or cannot be read, or if the build lacks the cargo
    /// feature `captions`.
    pub fn reserve(folder: &Path) -> Result<Self, GalleryError> {
        if !cfg!(feature = "captions") {
            return Err(GalleryError::NoCaptions);
        }
        match fs::read_dir(folder) {
            Ok(mut entries) => match entries.next() {
                None => Ok(Self(folder.to_owned())),
                Some(_) => Err(GalleryError::NotEmpty(folder.to_owned())),
            },
            Err(_) if folder.symlink_metadata().is_err() => Ok(Self(folder.to_owned())),
            Err(_) if !folder.is_dir() => Err(GalleryError::NotAFolder(folder.to_owned())),
            Err(error) => Err(GalleryError::Write(folder.to_owned(), error)),
        }
    }

    /// Creates the folder, for photos of these classes.
    ///
    /// # Errors
    /// If the folder cannot be created, or the build lacks the cargo feature `captions`.
    pub fn open(self, classes: &[String]) -> Result<Gallery, GalleryError> {
        fs::create_dir_all(&self.0).map_err(|error| GalleryError::Write(self.0.clone(), error))?;
        Ok(Gallery {
            folder: self.0,
            captions: Captions::if_compiled_in().ok_or(GalleryError::NoCaptions)?,
            classes: classes
                .iter()
                .zip(folder_names(classes))
                .map(|(class, name)| Class { label: class.clone(), name, folder: None })
                .collect(),
            taken: HashSet::new(),
            last: HashMap::new(),
            saved: 0,
        })
    }
}

/// Writes photos with their predictions, in one folder per class.
pub struct Gallery {
    folder: PathBuf,
    captions: Captions,
    classes: Vec<Class>,
    /// The file names in use, as (class, name in lower case).
    taken: HashSet<(usize, String)>,
    /// The last number used for each (class, name in lower case).
    last: HashMap<(usize, String), usize>,
    saved: usize,
}

struct Class {
    label: String,
    /// Preferred name of its folder.
    name: String,
    /// Path of its folder, once created.
    folder: Option<PathBuf>,
}

/// The file that a photo is saved to.
struct PhotoFile {
    folder: PathBuf,
    stem: String,
    number: usize,
}

impl Gallery {
    /// Number of photos saved.
    pub fn saved(&self) -> usize {
        self.saved
    }

    /// Path of the gallery.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Decodes each photo again, draws its class and probability on it and writes it as a JPEG to
    /// the folder of its class.
    ///
    /// All cores work in parallel, with one photo in memory per thread at most. Returns the photos that
    /// could not be saved, as ascending indices into `shown`, with the reason. Photos with the same
    /// name are numbered in the order of `shown`.
    ///
    /// # Errors
    /// If a folder or file cannot be written.
    ///
    /// # Panics
    /// If a class index is out of range.
    pub fn save(&mut self, shown: &[Shown]) -> Result<Vec<(usize, SaveError)>, GalleryError> {
        let files = shown.iter().map(|shown| self.file(shown)).collect::<Result<Vec<_>, _>>()?;
        let next = AtomicUsize::new(0);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(shown.len());
        let gallery = &*self;
        let save_until_done = || -> Result<Vec<(usize, SaveError)>, GalleryError> {
            let mut failed = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((shown, file)) = shown.get(index).zip(files.get(index)) else {
                    return Ok(failed);
                };
                match gallery.captioned(shown) {
                    Ok(photo) => file.write(&photo)?,
                    Err(error) => failed.push((index, error)),
                }
            }
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(save_until_done)).collect();
            threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
        });
        let mut failed = Vec::new();
        for outcome in outcomes {
            failed.extend(outcome?);
        }
        failed.sort_by_key(|(index, _)| *index);
        self.saved += shown.len() - failed.len();
        Ok(failed)
    }

    /// Chooses a free file name for the photo.
    fn file(&mut self, shown: &Shown) -> Result<PhotoFile, GalleryError> {
        let folder = self.class_folder(shown.class)?;
        let stem = shown.photo.file_stem().unwrap_or_default().shown().to_string();
        let stem = safe_name(&stem);
        let last = self.last.entry((shown.class, stem.to_lowercase())).or_default();
        let number = (*last + 1..)
            .find(|number| {
                let name = numbered(&stem, *number).to_lowercase();
                self.taken.insert((shown.class, name))
            })
            .expect("some number is free");
        *last = number;
        Ok(PhotoFile { folder, stem, number })
    }

    /// The folder of a class, created with its first photo.
    ///
    /// Only the file system knows whether two names are the same folder (some normalise the two
    /// encodings of `é`), so a folder that already exists is assumed to belong to another class.
    fn class_folder(&mut self, class: usize) -> Result<PathBuf, GalleryError> {
        let class = &mut self.classes[class];
        if let Some(folder) = &class.folder {
            return Ok(folder.clone());
        }
        let mut number = 1;
        loop {
            let folder = self.folder.join(numbered(&class.name, number));
            match fs::create_dir(&folder) {
                Ok(()) => {
                    class.folder = Some(folder.clone());
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(GalleryError::Write(folder, error)),
            }
        }
    }

    fn captioned(&self, shown: &Shown) -> Result<Photo, SaveError> {
        // A panic on one photo must not stop the others.
        let mut photo = catch_unwind(AssertUnwindSafe(|| decode(shown.photo)))
            .unwrap_or(Err(DecodeError::Panic))?;
        let (width, height) = photo.dimensions();
        if width.max(height) > LONGEST_SIDE {
            return Err(SaveError::TooLarge { width, height });
        }
        let label = &self.classes[shown.class].label;
        let draw = || self.captions.draw(&mut photo, label, shown.probability);
        catch_unwind(AssertUnwindSafe(draw)).map_err(|_| SaveError::Draw)?;
        Ok(photo)
    }
}

impl PhotoFile {
    /// Writes to a temporary file, which is renamed once complete.
    fn write(&self, photo: &RgbImage) -> Result<(), GalleryError> {
        // Keep only the error's kind, because its message may name the temporary file.
        let failed =
            |error: io::Error| GalleryError::Write(self.folder.clone(), error.kind().into());
        let mut file = hidden_file(&self.folder).map_err(failed)?;
        let mut writer = BufWriter::new(&mut file);
        let encoded = JpegEncoder::new_with_quality(&mut writer, QUALITY).encode_image(photo);
        encoded.map_err(|error| match error {
            ImageError::IoError(error) => failed(error),
            error => failed(io::Error::other(error)),
        })?;
        writer.flush().map_err(failed)?;
        drop(writer);
        let mut number = self.number;
        loop {
            let path = self.folder.join(format!("{}.jpg", numbered(&self.stem, number)));
            match file.persist_noclobber(path) {
                Ok(_) => return Ok(()),
                // The file system considers another photo's name equal to this one.
                Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                    (file, number) = (refused.file, number + 1);
                }
                Err(refused) => return Err(failed(refused.error)),
            }
        }
    }
}
