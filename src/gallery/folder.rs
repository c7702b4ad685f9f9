//! The folder that photos with their predictions are saved to.

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
use crate::photos::{DecodeError, decode};

/// Of the JPEGs that are written, of 100.
const QUALITY: u8 = 90;
/// Longest side of a JPEG, in pixels.
const LONGEST_SIDE: u32 = 65535;

/// A photo and what was predicted for it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The file.
    pub photo: &'a Path,
    /// Index of its most probable class.
    pub class: usize,
    /// Of that class, 0 to 1.
    pub probability: f64,
}

/// Why nothing can be saved any more.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// The build cannot write on photos.
    #[error(
        "this build cannot write on photos: build with `--features captions`, or leave --save out"
    )]
    NoCaptions,
    /// The folder holds something.
    #[error("`{}` holds something already; give --save a new or an empty folder", .0.display())]
    NotEmpty(PathBuf),
    /// Something else is there.
    #[error("`{}` is no folder; give --save a new or an empty one", .0.display())]
    NotAFolder(PathBuf),
    /// The file system refused.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// Why one photo is not saved, as the end of a sentence that starts with its path.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It gave no photo this time.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// No JPEG is that large.
    #[error("is {width} x {height} pixels, and a JPEG has at most {LONGEST_SIDE} on a side")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The text broke off: class names and the system's fonts may be anything.
    #[error("cannot have its class drawn on it")]
    Draw,
}

/// A folder that was free when it was looked at.
#[derive(Debug)]
pub struct GalleryPlace(PathBuf);

impl GalleryPlace {
    /// Sees that nothing is at `folder`, or an empty folder. Asked before the work, and changes nothing.
    ///
    /// # Errors
    /// If something is there, or the build lacks the cargo feature `captions`.
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

    /// Makes the folder, for photos of these classes.
    ///
    /// # Errors
    /// Where the file system refuses.
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

/// Photos with their predictions, in a folder for each class.
pub struct Gallery {
    folder: PathBuf,
    captions: Captions,
    classes: Vec<Class>,
    /// Files that have been given a name: their class and the name in lower case.
    taken: HashSet<(usize, String)>,
    /// The last number that a name was given, likewise.
    last: HashMap<(usize, String), usize>,
    saved: usize,
}

struct Class {
    label: String,
    /// Of its folder.
    name: String,
    /// Once there is one.
    folder: Option<PathBuf>,
}

/// Where a photo goes.
struct Place {
    folder: PathBuf,
    stem: String,
    number: usize,
}

impl Gallery {
    /// How many photos are in it.
    pub fn saved(&self) -> usize {
        self.saved
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Decodes each photo once more, draws its class and probability on it and writes it as a JPEG to
    /// its class's folder: on all cores, each of which holds one photo. The photos that could not be
    /// saved come back with the reason, as indices into `shown`, ascending. Which of two photos of one
    /// name gets the number depends on nothing but their order.
    ///
    /// # Errors
    /// Where the file system refuses.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn save(&mut self, shown: &[Shown]) -> Result<Vec<(usize, SaveError)>, GalleryError> {
        let places = shown.iter().map(|shown| self.place(shown)).collect::<Result<Vec<_>, _>>()?;
        let next = AtomicUsize::new(0);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(shown.len());
        let gallery = &*self;
        let save_until_done = || -> Result<Vec<(usize, SaveError)>, GalleryError> {
            let mut failed = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((shown, place)) = shown.get(index).zip(places.get(index)) else {
                    return Ok(failed);
                };
                match gallery.captioned(shown) {
                    Ok(photo) => place.write(&photo)?,
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

    fn place(&mut self, shown: &Shown) -> Result<Place, GalleryError> {
        let folder = self.class_folder(shown.class)?;
        let stem = shown.photo.file_stem().unwrap_or_default().to_string_lossy();
        let stem = safe_name(&stem);
        let last = self.last.entry((shown.class, stem.to_lowercase())).or_default();
        let number = (*last + 1..)
            .find(|number| {
                let name = numbered(&stem, *number).to_lowercase();
                self.taken.insert((shown.class, name))
            })
            .expect("one of all numbers is free");
        *last = number;
        Ok(Place { folder, stem, number })
    }

    /// Made when the first photo of the class comes. Whether two names are one folder the file system
    /// knows best (some take `é` in two spellings for one), so a folder that is there already is another
    /// class's.
    fn class_folder(&mut self, class: usize) -> Result<PathBuf, GalleryError> {
        let class = &mut self.classes[class];
        if let Some(folder) = &class.folder {
            return Ok(folder.clone());
        }
        for number in 1.. {
            let folder = self.folder.join(numbered(&class.name, number));
            match fs::create_dir(&folder) {
                Ok(()) => {
                    class.folder = Some(folder.clone());
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(GalleryError::Write(folder, error)),
            }
        }
        unreachable!("one of all numbers is free")
    }

    fn captioned(&self, shown: &Shown) -> Result<RgbImage, SaveError> {
        // What panics on one photo must not take the others with it.
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

impl Place {
    /// Into a file of a name of its own, which is renamed when it is whole.
    fn write(&self, photo: &RgbImage) -> Result<(), GalleryError> {
        // The kind alone: the error itself may name the hidden file.
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
                // The file system takes another photo's name for this one.
                Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                    (file, number) = (refused.file, number + 1);
                }
                Err(refused) => return Err(failed(refused.error)),
            }
        }
    }
}
