//! How activations lie in memory: channels last, with a border of zeros.

/// A square window that moves over an input.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its side.
    pub kernel: usize,
    /// How far it moves.
    pub stride: usize,
    /// How far it reaches above and to the left.
    pub padding: usize,
}

impl Window {
    /// Where the window of the output's pixel `(y, x)` begins in an input that lies like `from`.
    #[inline(always)]
    pub fn corner(&self, from: &Layout, y: usize, x: usize) -> usize {
        let place = |at: usize| (at * self.stride) as isize - self.padding as isize;
        from.at(place(y), place(x))
    }
}

/// A multiple of every register's length: channels are padded to it with zeros, so that no loop over channels has
/// a remainder.
pub const CHANNEL_BLOCK: usize = super::product::PANEL;

/// How one photo's activation lies in memory: `[height, width, channels]` with a border of zeros around height and
/// width, as wide as its readers' padding asks, and channels padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Channels that count.
    pub channels: usize,
    /// Channels that are stored.
    pub stored: usize,
    /// Rows that count.
    pub height: usize,
    /// Columns that count.
    pub width: usize,
    /// Zeros above and to the left.
    pub before: usize,
    /// Zeros below and to the right.
    pub after: usize,
}

impl Layout {
    /// From one row to the next.
    pub fn row(&self) -> usize {
        (self.before + self.width + self.after) * self.stored
    }

    /// Floats of a photo.
    pub fn photo(&self) -> usize {
        (self.before + self.height + self.after) * self.row()
    }

    /// Where pixel `(y, x)` begins, counted from the first that counts; a reader whose padding is `before` starts
    /// that many before it.
    pub fn at(&self, y: isize, x: isize) -> usize {
        let [y, x] = [y, x].map(|place| {
            usize::try_from(place + self.before as isize).expect("the border is wide enough")
        });
        y * self.row() + x * self.stored
    }

    /// One photo of many.
    pub fn one<'a>(&self, values: &'a [f32], photo: usize) -> &'a [f32] {
        &values[photo * self.photo()..][..self.photo()]
    }

    /// Lines of one photo of many, from `first` on, with their borders: as many floats as `length`.
    pub fn lines<'a>(
        &self,
        values: &'a [f32],
        photo: usize,
        first: usize,
        length: usize,
    ) -> &'a [f32] {
        &self.one(values, photo)[self.rows().start + first * self.row()..][..length]
    }

    /// A value for each channel that counts, and zeros for those that are only stored.
    pub fn padded(&self, channels: &[f32]) -> Vec<f32> {
        let mut padded = channels.to_vec();
        padded.resize(self.stored, 0.0);
        padded
    }

    /// The rows that count, with their borders to the left and right.
    pub fn rows(&self) -> std::ops::Range<usize> {
        self.before * self.row()..(self.before + self.height) * self.row()
    }
}

/// The first `count` values, which are there from then on.
pub fn grown(values: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if values.len() < count {
        values.resize(count, 0.0);
    }
    &mut values[..count]
}
