//! The drawing surface: it fills and strokes paths, and returns pixels.

use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, Paint, Path, Pixmap, Shader, Stroke, Transform,
};

use super::colour::Colour;
use super::shape::Point;

/// An unfinished picture. Coordinates are in pixels from the top left corner, or in the coordinate
/// system of the innermost [`Canvas::placed`] call.
pub struct Canvas {
    pixmap: Pixmap,
    placement: Transform,
    clip: Option<Mask>,
}

impl Canvas {
    /// Creates a canvas of one colour.
    ///
    /// # Panics
    /// If `width` or `height` is 0.
    pub fn new(width: u32, height: u32, ground: Colour) -> Self {
        let mut pixmap = Pixmap::new(width, height).expect("both sides are positive");
        pixmap.fill(colour(ground));
        Self { pixmap, placement: Transform::identity(), clip: None }
    }

    /// Width in pixels.
    pub fn width(&self) -> f32 {
        self.pixmap.width() as f32
    }

    /// Height in pixels.
    pub fn height(&self) -> f32 {
        self.pixmap.height() as f32
    }

    /// The current colour of a pixel. Opaque black outside the canvas.
    pub fn colour_at(&self, at: Point) -> Colour {
        let pixel = self.pixmap.pixel(at.0 as u32, at.1 as u32);
        let channels = pixel.map_or([0; 3], |pixel| [pixel.red(), pixel.green(), pixel.blue()]);
        let [red, green, blue] = channels.map(|channel| f32::from(channel) / 255.0);
        Colour([red, green, blue, 1.0])
    }

    /// Fills the path with one colour.
    pub fn fill(&mut self, path: &Path, ink: Colour) {
        let clip = self.clip.as_ref();
        self.pixmap.fill_path(path, &paint(ink), FillRule::Winding, self.placement, clip);
    }

    /// Strokes the path with round ends and joins.
    pub fn stroke(&mut self, path: &Path, ink: Colour, width: f32) {
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixmap.stroke_path(path, &paint(ink), &stroke, self.placement, self.clip.as_ref());
    }

    /// Fills the part of the path that a copy of it, moved by `offset`, does not cover: a crescent
    /// of shade along the far side.
    ///
    /// # Panics
    /// If called inside [`Canvas::clipped`]: the crescent needs a clip of its own, and clips are
    /// not combined.
    pub fn fill_crescent(&mut self, path: &Path, offset: Point, ink: Colour) {
        assert!(self.clip.is_none(), "a crescent inside a clip");
        let moved = self.placement.pre_translate(offset.0, offset.1);
        let mut outside = self.mask();
        outside.fill_path(path, FillRule::Winding, true, moved);
        outside.invert();
        self.clip = Some(outside);
        self.fill(path, ink);
        self.clip = None;
    }

    /// Runs `draw` with drawing clipped to `path`.
    ///
    /// # Panics
    /// If called inside another [`Canvas::clipped`].
    pub fn clipped(&mut self, path: &Path, draw: impl FnOnce(&mut Self)) {
        assert!(self.clip.is_none(), "a clip inside a clip");
        let mut clip = self.mask();
        clip.fill_path(path, FillRule::Winding, true, self.placement);
        self.clip = Some(clip);
        draw(self);
        self.clip = None;
    }

    /// Runs `draw` with its coordinates transformed by `placement`.
    pub fn placed(&mut self, placement: Transform, draw: impl FnOnce(&mut Self)) {
        let outer = self.placement;
        self.placement = outer.pre_concat(placement);
        draw(self);
        self.placement = outer;
    }

    /// The finished picture.
    pub fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let mut bytes = Vec::with_capacity(3 * width as usize * height as usize);
        // The ground is opaque, so all pixels are: premultiplied colours equal straight ones.
        for pixel in self.pixmap.data().chunks_exact(4) {
            bytes.extend_from_slice(&pixel[..3]);
        }
        RgbImage::from_raw(width, height, bytes).expect("three bytes a pixel")
    }

    fn mask(&self) -> Mask {
        Mask::new(self.pixmap.width(), self.pixmap.height()).expect("both sides are positive")
    }
}

/// The transform that scales, turns clockwise by the angle whose tangent is `slope`, and moves the
/// origin to `at`.
pub fn placement(at: Point, scale: Point, slope: f32) -> Transform {
    let cosine = 1.0 / (1.0 + slope * slope).sqrt();
    let sine = slope * cosine;
    Transform::from_row(
        cosine * scale.0,
        sine * scale.0,
        -sine * scale.1,
        cosine * scale.1,
        at.0,
        at.1,
    )
}

fn colour(Colour([red, green, blue, opacity]): Colour) -> Color {
    Color::from_rgba(red, green, blue, opacity).expect("channels are 0 to 1")
}

fn paint(ink: Colour) -> Paint<'static> {
    Paint { shader: Shader::SolidColor(colour(ink)), ..Paint::default() }
}
