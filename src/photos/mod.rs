//! Reads a folder of photos into decoded, preprocessed batches.

mod camera_raw;
mod decode;
mod duplicates;
mod folder;
mod folder_error;
mod format;
mod layout;
mod listing;
mod part_name;
mod photo_folder;
mod preprocess;
mod split;
mod stream;
mod tree;
mod walk;

pub use decode::{DecodeError, DecodeWarning, decode};
pub(crate) use decode::{VERSION as DECODING_VERSION, decode_bytes, read};
pub use duplicates::{exact_duplicates, in_two_classes};
pub use folder::{LabelledPhoto, PhotoSet, labelled_as, training_folder};
pub use folder_error::FolderError;
pub use format::Format;
pub use listing::{ListedPhoto, Listing, Part, every_photo};
pub use preprocess::{Filter, Preprocessing, PreprocessingError};
pub use split::{Split, split_of_parts, training_split};
pub use stream::{Batch, for_each_batch, for_each_file, for_each_photo};
pub use walk::{PassedOver, Walked, walk};
