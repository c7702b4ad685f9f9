//! The networks that turn photos into features, as Burn modules.
//!
//! An [`Architecture`] is a network before its weights. [`Architecture::init`] makes a [`Backbone`]
//! with zero weights, and [`weights::backbone`](crate::weights::backbone) fills it from a file.
//!
//! Each file in [`architectures`] is one family: its module, its names, its published weights, its
//! preprocessing, how PyTorch loads it, and its [`Plan`](crate::plan::Plan). Adding one is a file
//! and a line; CONTRIBUTING.md has the recipe.
//!
//! | file | |
//! | --- | --- |
//! | `architectures/` | the families, and `enum Network` |
//! | `family`, `architecture`, `published`, `naming` | what a family's file states about it |
//! | `catalogue` | architectures by name, or by a file's tensors |
//! | `forward`, `network`, `backbone` | what every network can do |
//! | `random_weights` | weights for tests and measurements |

mod architecture;
pub mod architectures;
#[allow(clippy::module_inception, reason = "the file has the name of the type that it defines")]
mod backbone;
mod catalogue;
mod family;
mod forward;
mod naming;
mod network;
mod published;
mod random_weights;

pub use architecture::Architecture;
pub use architectures::Network;
pub use backbone::Backbone;
pub(crate) use backbone::WeightsDigest;
pub use catalogue::UnknownBackbone;
pub use forward::{Forward, Tensors};
pub use naming::{Naming, OtherNaming};
pub use published::{Digest, PublishedWeights};
pub use random_weights::random_weights;
