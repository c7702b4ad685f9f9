//! Stands in for captions in a build without the cargo feature `captions`.

use image::RgbImage;

/// An empty type, so it can never be created.
pub enum Captions {}

impl Captions {
    /// Always returns `None`.
    pub fn if_compiled_in() -> Option<Self> {
        None
    }

    /// Never called, because no value of this type exists.
    pub fn draw(&self, _photo: &mut RgbImage, _class: &str, _probability: Option<f64>) {
        match *self {}
    }
}
