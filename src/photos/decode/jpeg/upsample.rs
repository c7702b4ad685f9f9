//! Brings the planes of all components to the photo's size, as libjpeg does (`jdsample.c`): a
//! triangle filter where a side is halved, repeated samples for every other factor.

/// Samples of a component.
pub(super) struct Plane {
    /// Samples in a row of `samples`, whole blocks.
    pub stride: usize,
    pub samples: Vec<u8>,
    /// Size without the padding to whole blocks.
    pub width: usize,
    pub height: usize,
    /// How many pixels a sample stands for, across and down.
    pub factors: (usize, usize),
}

impl Plane {
    fn row(&self, row: usize) -> &[u8] {
        &self.samples[row * self.stride..][..self.width]
    }

    /// Writes the photo's row `y` into `out`, which is as wide as the photo.
    pub fn upsample(&self, y: usize, out: &mut [u8]) {
        let (across, down) = self.factors;
        let row = self.row((y / down).min(self.height - 1));
        match (across, down) {
            (1, 1) => out.copy_from_slice(&row[..out.len()]),
            (2, 1) if self.width > 2 => halved_width(row, out),
            (1, 2) => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, near), far) in out.iter_mut().zip(row).zip(self.neighbour(y)) {
                    *out = ((3 * u16::from(*near) + u16::from(*far) + bias) >> 2) as u8;
                }
            }
            (2, 2) if self.width > 2 => halved_both(row, self.neighbour(y), out),
            _ => {
                for (pixels, sample) in out.chunks_mut(across).zip(row) {
                    pixels.fill(*sample);
                }
            }
        }
    }

    /// The row on the other side of the photo's row `y`, if two rows of pixels share a row of
    /// samples. At the edges it is the same row.
    fn neighbour(&self, y: usize) -> &[u8] {
        let row = y / 2;
        self.row(match y % 2 {
            0 => row.saturating_sub(1),
            _ => (row + 1).min(self.height - 1),
        })
    }
}

/// `h2v1_fancy_upsample`: 3/4 of the nearer sample and 1/4 of the farther one.
fn halved_width(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    for (x, out) in out.iter_mut().enumerate() {
        let near = u16::from(row[x / 2]);
        *out = match x % 2 {
            _ if x == 0 || x == 2 * last + 1 => near as u8,
            0 => ((3 * near + u16::from(row[x / 2 - 1]) + 1) >> 2) as u8,
            _ => ((3 * near + u16::from(row[x / 2 + 1]) + 2) >> 2) as u8,
        };
    }
}

/// `h2v2_fancy_upsample`: the same in both directions.
fn halved_both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let last = near.len() - 1;
    let column = |x: usize| 3 * u16::from(near[x]) + u16::from(far[x]);
    for (x, out) in out.iter_mut().enumerate() {
        let this = column(x / 2);
        *out = match x % 2 {
            _ if x == 0 => (4 * this + 8) >> 4,
            _ if x == 2 * last + 1 => (4 * this + 7) >> 4,
            0 => (3 * this + column(x / 2 - 1) + 8) >> 4,
            _ => (3 * this + column(x / 2 + 1) + 7) >> 4,
        } as u8;
    }
}
