//! Captions in a build without the cargo feature `captions`: there are none.

use image::RgbImage;

/// Has no value.
pub enum Captions {}

impl Captions {
    /// `None`.
    pub fn if_compiled_in() -> Option<Self> {
        None
    }

    /// Never called.
    pub fn draw(&self, _photo: &mut RgbImage, _class: &str, _probability: f64) {
        match *self {}
    }
}
