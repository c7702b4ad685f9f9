//! Colours and how to mix them.

use rand::RngExt;

/// Red, green, blue and opacity, each from 0 to 1. Not premultiplied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colour(pub [f32; 4]);

impl Colour {
    /// A soft black, for pupils and noses.
    pub const BLACK: Self = Self::hex(0x1d_1a_20);
    /// A warm white, for eyes and highlights.
    pub const WHITE: Self = Self::hex(0xfb_f9_f5);

    /// An opaque colour from its hex code, such as `0xe8_92_3c`.
    pub const fn hex(code: u32) -> Self {
        Self([
            ((code >> 16) & 255) as f32 / 255.0,
            ((code >> 8) & 255) as f32 / 255.0,
            (code & 255) as f32 / 255.0,
            1.0,
        ])
    }

    /// Mixes in a share (0 to 1) of `other`. Opacity stays the same.
    pub fn mix(self, other: Self, share: f32) -> Self {
        let channel = |index: usize| self.0[index] + (other.0[index] - self.0[index]) * share;
        Self([channel(0), channel(1), channel(2), self.0[3]])
    }

    /// Mixes in a share (0 to 1) of near black.
    pub fn darker(self, share: f32) -> Self {
        self.mix(Self::hex(0x14_0c_14), share)
    }

    /// Mixes in a share (0 to 1) of near white.
    pub fn lighter(self, share: f32) -> Self {
        self.mix(Self::hex(0xff_fd_f8), share)
    }

    /// This colour with the given opacity (0 to 1).
    pub fn glaze(self, opacity: f32) -> Self {
        Self([self.0[0], self.0[1], self.0[2], opacity])
    }

    /// Mean of red, green and blue, 0 to 1.
    pub fn brightness(self) -> f32 {
        (self.0[0] + self.0[1] + self.0[2]) / 3.0
    }

    /// The largest absolute difference of any channel, 0 to 1.
    pub fn distance(self, other: Self) -> f32 {
        let channels = self.0.iter().zip(&other.0);
        channels.map(|(own, other)| (own - other).abs()).fold(0.0, f32::max)
    }

    /// A random colour near this one: all channels shift together by up to `range`, and each one
    /// separately by up to half of that.
    pub fn varied(self, range: f32, random: &mut impl RngExt) -> Self {
        let shift = random.random_range(-range..=range);
        let mut channel = |index: usize| {
            let own = random.random_range(-range..=range) / 2.0;
            (self.0[index] + shift + own).clamp(0.0, 1.0)
        };
        Self([channel(0), channel(1), channel(2), self.0[3]])
    }
}

/// Picks one of `choices` uniformly.
pub fn pick<T: Copy>(choices: &[T], random: &mut impl RngExt) -> T {
    choices[random.random_range(0..choices.len())]
}
