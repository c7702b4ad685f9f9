//! Predictions to look at: photos with their class written on them, a folder for each class.
//!
//! [`GalleryPlace`] sees that the folder is free before any work is done; [`Gallery`] fills it. The
//! text is set by [`Captions`]; what classes and photos may be called as files is decided in `names`.

mod caption;
mod folder;
mod names;

pub use caption::Captions;
pub use folder::{Gallery, GalleryError, GalleryPlace, SaveError, Shown};
