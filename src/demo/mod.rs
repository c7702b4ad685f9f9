//! Generated drawings of cats and dogs, so that the demo needs no photos.
//!
//! [`draw`] draws one picture: a background, some objects, one [`Animal`], and lighting. Everything
//! except the anatomy comes from the same distributions for both animals, so a classifier has to
//! learn shapes: the mean colour does not separate the classes.
//!
//! The same random numbers give the same pixels on every machine. That is why angles are given as
//! slopes (sine and cosine differ between C libraries, square roots do not), curves are split into
//! straight segments by polynomials, and tiny-skia fills only with flat colours, which it does in
//! integer arithmetic.

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
