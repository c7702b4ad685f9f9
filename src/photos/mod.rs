//! From a folder of photos to decoded, preprocessed batches.

mod decode;
mod folder;
mod preprocess;
mod split;
mod stream;

pub use decode::{DecodeError, decode};
pub use folder::{
    FolderError, LabelledPhoto, PassedOver, PhotoSet, labelled_as, validation_part, walk,
};
pub use preprocess::{Recipe, RecipeError};
pub use split::{Split, training_split};
pub use stream::{Batch, for_each_batch};
