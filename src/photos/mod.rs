//! Reads a folder of photos into decoded, preprocessed batches.

mod camera_raw;
mod decode;
mod duplicates;
mod folder;
mod folder_error;
mod format;
mod label;
mod layout;
mod listing;
mod memory;
mod part_name;
mod photo;
mod photo_folder;
mod preprocess;
mod split;
mod stream;
mod table;
mod tree;
mod walk;

pub(crate) use decode::VERSION as DECODING_VERSION;
pub use decode::{DecodeError, DecodeWarning};
pub use duplicates::{exact_duplicates, in_two_classes};
pub use folder::{LabelSet, LabelledPhoto, PhotoSet, labelled_as, training_folder};
pub use folder_error::FolderError;
pub use format::Format;
pub use label::Label;
pub use listing::{ListedPhoto, Listing, Part, every_photo};
pub use memory::{DEFAULT_DECODE_MEMORY, set_decode_memory};
pub(crate) use photo::PhotoFile;
pub use photo::{Photo, decode};
pub use preprocess::{Filter, Preprocessing, PreprocessingError};
pub(crate) use split::older_splits;
pub use split::{Split, split_of_parts, training_split};
pub use stream::{Batch, for_each_batch, for_each_file, for_each_photo};
pub use table::{Table, TableError, TableOptions, TableRow};
pub use walk::{PassedOver, Walked, walk};
