//! Writes a folder of drawings in the layout that training expects.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Animal, draw};
use crate::printable::PathText;
use crate::seed::{Purpose, generator};

/// A split of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The training set.
    Train,
    /// The validation set, which selects the best epoch.
    Val,
    /// The test set, which training never sees.
    Test,
}

impl Part {
    /// All three splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// Number of drawings of each animal.
    pub fn drawings_of_each(self) -> usize {
        match self {
            Self::Train => 60,
            Self::Val | Self::Test => 30,
        }
    }
}

/// A drawing that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the drawing `{}` cannot be written", .0.shown())]
pub struct DrawingError(PathBuf, #[source] io::Error);

/// Writes the drawings of every split to `folder/<part>/<animal>/<number>.png`. The same seed gives
/// the same drawings.
///
/// # Errors
/// If a folder or file cannot be written.
pub fn write_drawings(folder: &Path, seed: u64) -> Result<(), DrawingError> {
    let mut drawn = 0;
    for part in Part::ALL {
        for animal in Animal::ALL {
            let place = folder.join(part.name()).join(animal.name());
            fs::create_dir_all(&place).map_err(|error| DrawingError(place.clone(), error))?;
            for number in 0..part.drawings_of_each() {
                let file = place.join(format!("{number:03}.png"));
                // Each drawing has its own random stream, so it does not depend on the others.
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
