//! Predictions to look at: photos with their class written on them, a folder for each class.
//!
//! [`GalleryPlace`] sees that the folder is free before any work is done; [`Gallery`] fills it. The
//! text is set by `Captions`, which need the cargo feature `captions`; what classes and photos may be
//! called as files is decided in `names`.

#[cfg(feature = "captions")]
mod caption;
mod folder;
mod names;
#[cfg(not(feature = "captions"))]
mod no_captions;

#[cfg(feature = "captions")]
pub use caption::Captions;
pub use folder::{Gallery, GalleryError, GalleryPlace, SaveError, Shown};
