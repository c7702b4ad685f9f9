//! Reads a folder of photos into decoded, preprocessed batches.

mod camera_raw;
mod decode;
mod duplicates;
mod folder;
mod folder_error;
mod format;
mod listing;
mod preprocess;
mod split;
mod stream;
mod walk;

pub use decode::{DecodeError, DecodeWarning, decode};
pub(crate) use decode::{VERSION as DECODING_VERSION, decode_bytes, read};
pub use duplicates::{exact_duplicates, in_two_classes};
pub use folder::{LabelledPhoto, PhotoSet, labelled_as, validation_part};
pub use folder_error::FolderError;
pub use format::Format;
pub use listing::{ListedPhoto, Listing, Part, every_photo};
pub use preprocess::{Filter, Preprocessing, PreprocessingError};
pub use split::{Split, training_split};
pub use stream::{Batch, for_each_batch, for_each_file, for_each_photo};
pub use walk::{PassedOver, Walked, walk};
