//! A folder of drawings, laid out as photos are for training.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Animal, draw};
use crate::seed::{Purpose, generator};

/// What drawings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To train on.
    Train,
    /// To choose the best epoch by.
    Val,
    /// Never shown in training.
    Test,
}

impl Part {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// Drawings of each animal.
    pub fn drawings_of_each(self) -> usize {
        match self {
            Self::Train => 60,
            Self::Val | Self::Test => 30,
        }
    }
}

/// A drawing that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the drawing `{}` cannot be written", .0.display())]
pub struct DrawingError(PathBuf, #[source] io::Error);

/// Draws `folder/<part>/<animal>/<number>.png`, every part of it. The same seed gives the same drawings.
///
/// # Errors
/// Where the file system refuses.
pub fn write_drawings(folder: &Path, seed: u64) -> Result<(), DrawingError> {
    let mut drawn = 0;
    for part in Part::ALL {
        for animal in Animal::ALL {
            let place = folder.join(part.name()).join(animal.name());
            fs::create_dir_all(&place).map_err(|error| DrawingError(place.clone(), error))?;
            for number in 0..part.drawings_of_each() {
                let file = place.join(format!("{number:03}.png"));
                // A stream each: another number of drawings leaves the others as they are.
                let drawing = draw(animal, &mut generator(seed, Purpose::Drawing(drawn)));
                drawing.save(&file).map_err(|error| match error {
                    image::ImageError::IoError(error) => DrawingError(file, error),
                    error => DrawingError(file, io::Error::other(error)),
                })?;
                drawn += 1;
            }
        }
    }
    Ok(())
}
