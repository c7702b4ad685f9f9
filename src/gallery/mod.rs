//! A gallery of predictions: captioned copies of the photos, in one folder per class.
//!
//! [`GalleryDir`] checks that the folder is new or empty before any work is done, and [`Gallery`]
//! writes the photos. `Captions` draws the text and requires the cargo feature `captions`. The
//! module `names` turns classes and photos into safe file names.

#[cfg(feature = "captions")]
mod caption;
mod folder;
mod names;
#[cfg(not(feature = "captions"))]
mod no_captions;

#[cfg(feature = "captions")]
pub use caption::Captions;
pub use folder::{Gallery, GalleryDir, GalleryError, SaveError, Shown};
