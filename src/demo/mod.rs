//! Drawings of cats and dogs, for the demonstration that needs no photos.
//!
//! [`draw`] gives one picture: a scene, things lying about in it, one [`Animal`] and the light that
//! falls on it. Everything but the animal's own anatomy is drawn from the same distributions for
//! both, so it takes the shapes to tell them apart: the mean colour does not.
//!
//! The same random numbers give the same pixels on every machine. So angles are slopes (sine and
//! cosine differ between C libraries, a square root does not), curves are sampled into straight
//! pieces by polynomials, and tiny-skia fills with flat colours only, which it does in integers.

mod animal;
mod body;
mod canvas;
mod cat;
mod coat;
mod colour;
mod data_set;
mod dog;
mod light;
mod markings;
mod scene;
mod shape;
mod things;

pub use animal::{Animal, draw};
pub use data_set::{DrawingError, Part, write_drawings};
