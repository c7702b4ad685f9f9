//! The surface a picture is drawn on: paths in, pixels out.

use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Shader, Stroke,
    Transform,
};

use super::colour::Colour;
use super::shape::Point;

/// A picture in the making. Coordinates are pixels from the top left, or those of the innermost
/// [`Canvas::placed`].
pub struct Canvas {
    pixmap: Pixmap,
    placement: Transform,
    clip: Option<Mask>,
}

impl Canvas {
    /// A canvas of one colour.
    ///
    /// # Panics
    /// Where a side is 0.
    pub fn new(width: u32, height: u32, ground: Colour) -> Self {
        let mut pixmap = Pixmap::new(width, height).expect("both sides are positive");
        pixmap.fill(colour(ground));
        Self { pixmap, placement: Transform::identity(), clip: None }
    }

    pub fn width(&self) -> f32 {
        self.pixmap.width() as f32
    }

    pub fn height(&self) -> f32 {
        self.pixmap.height() as f32
    }

    pub fn fill(&mut self, path: &Path, ink: Colour) {
        self.fill_by(FillRule::Winding, path, ink);
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

    /// Fills what is inside the path but would not be, were the path moved by `offset`: a crescent
    /// of shade along its far side.
    pub fn fill_crescent(&mut self, path: &Path, offset: Point, ink: Colour) {
        let moved = path.clone().transform(Transform::from_translate(offset.0, offset.1));
        let mut both = PathBuilder::new();
        both.push_path(path);
        both.push_path(&moved.expect("an offset keeps numbers finite"));
        let both = both.finish().expect("it holds two paths");
        self.clipped(path, |canvas| canvas.fill_by(FillRule::EvenOdd, &both, ink));
    }

    /// What `draw` draws shows only inside `path`.
    pub fn clipped(&mut self, path: &Path, draw: impl FnOnce(&mut Self)) {
        let outer = self.clip.take();
        let mut clip = match &outer {
            Some(mask) => mask.clone(),
            None => Mask::new(self.pixmap.width(), self.pixmap.height()).expect("as the pixmap"),
        };
        match outer {
            Some(_) => clip.intersect_path(path, FillRule::Winding, true, self.placement),
            None => clip.fill_path(path, FillRule::Winding, true, self.placement),
        }
        self.clip = Some(clip);
        draw(self);
        self.clip = outer;
    }

    /// What `draw` draws is in the coordinates of `placement`.
    pub fn placed(&mut self, placement: Transform, draw: impl FnOnce(&mut Self)) {
        let outer = self.placement;
        self.placement = outer.pre_concat(placement);
        draw(self);
        self.placement = outer;
    }

    /// The finished picture.
    pub fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let pixels = self.pixmap.pixels();
        let bytes = pixels.iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]);
        RgbImage::from_raw(width, height, bytes.collect()).expect("three bytes a pixel")
    }

    fn fill_by(&mut self, rule: FillRule, path: &Path, ink: Colour) {
        let clip = self.clip.as_ref();
        self.pixmap.fill_path(path, &paint(ink), rule, self.placement, clip);
    }
}

/// Moves to `at`, scales, and turns clockwise by the angle whose tangent is `slope`.
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
