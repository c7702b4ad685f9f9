//! Kindling trains an image classifier from a folder of photos, on any GPU or none.
//!
//! A network that was pretrained on ImageNet turns each photo into a feature vector, once; a linear
//! layer is trained on these vectors. This example does so with four photos, and predicts a fifth:
//!
//! ```
//! # #[cfg(all(feature = "flex", feature = "bundled-weights"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kindling::backbone::Architecture;
//! use kindling::evaluation::most_probable;
//! use kindling::features::Extractor;
//! use kindling::head::{Examples, FitOptions, fit};
//! use kindling::weights::{self, Pretrained, PublishedWeights};
//! use kindling::{Precision, device};
//!
//! // Photos: two of one class, two of another, and one to predict.
//! let folder = tempfile::tempdir()?;
//! let photos: Vec<_> = [10u8, 30, 220, 240, 25]
//!     .iter()
//!     .enumerate()
//!     .map(|(index, level)| {
//!         let path = folder.path().join(format!("{index}.png"));
//!         image::RgbImage::from_pixel(64, 64, image::Rgb([*level; 3])).save(&path)?;
//!         Ok(path)
//!     })
//!     .collect::<Result<_, image::ImageError>>()?;
//!
//! // The device, and the pretrained backbone on it.
//! let info = device::resolve("cpu".parse()?)?;
//! let device = device::open(&info)?;
//! let published = PublishedWeights::of("efficientnet-lite0").expect("a published network");
//! let pretrained = Pretrained::published(published, &[])?.expect("built in");
//! let architecture: Architecture = "efficientnet-lite0".parse()?;
//! let backbone = weights::backbone(&pretrained.open()?, &architecture, &device)?;
//!
//! // Each photo through the backbone, once.
//! let extractor = Extractor::new(&backbone, architecture.preprocessing(), &device, 16)
//!     .on(&info, Precision::F32)?;
//! let rows = extractor.all(&photos, |_done| ())?.rows;
//!
//! // The head, trained on the first four rows.
//! let width = architecture.features();
//! let examples =
//!     Examples { width, rows: rows[..4 * width].to_vec().into(), labels: vec![0, 0, 1, 1] };
//! let options = FitOptions { epochs: 20, ..FitOptions::DEFAULT };
//! let fitted = fit(&examples, &examples, 2, &options, &device, |_progress| ())?;
//!
//! let logits = fitted.head.logits(&rows[4 * width..], &device);
//! assert_eq!(most_probable(&logits), 0);
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "flex", feature = "bundled-weights")))]
//! # fn main() {}
//! ```
//!
//! The modules, each of which uses only those before it:
//!
//! 1. [`photos`] reads a folder into decoded, preprocessed batches;
//! 2. [`plan`] describes what a network computes, as a list of steps;
//! 3. [`backbone`] has the networks, as Burn modules;
//! 4. [`device`] and [`engine`] run a frozen network on the chosen hardware;
//! 5. [`evaluation`] scores predictions;
//! 6. [`head`] trains a linear layer on features, with Burn's autodiff and Adam;
//! 7. [`weights`] loads backbones and heads from files;
//! 8. [`features`] runs the frozen network once on each photo;
//! 9. [`neighbours`] measures how far a photo is from those trained on;
//! 10. [`report`] shows the results, and [`run`] writes and reads the run folder;
//! 11. [`export`] writes the model for other programs.
//!
//! [`gallery`] shows predictions on the photos themselves; [`demo`] draws photos for a first try.
//! ARCHITECTURE.md in the repository has the whole picture.
//!
//! The library never prints and never exits; the command line is built from it in the binary.

#![warn(missing_docs)]

pub mod backbone;
pub mod demo;
pub mod device;
pub mod engine;
pub mod evaluation;
pub mod export;
mod feature_rows;
pub mod features;
mod file_stamp;
pub mod gallery;
pub mod head;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod kernels;
mod leftovers;
pub mod neighbours;
pub mod output;
mod panics;
#[cfg(feature = "parquet")]
mod parquet_reading;
pub mod photos;
pub mod plan;
mod precision;
pub mod printable;
mod regular_file;
pub mod report;
pub mod run;
pub mod seed;
mod sha256;
pub mod weights;

pub use feature_rows::{FeatureRows, RowWriter, RowsError};
pub use precision::Precision;
