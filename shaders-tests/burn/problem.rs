//! The ops of the networks: their measures, and what they must give.

use std::fmt;

use kindling::backbone::plan::Activation;

use kindling::kernels::exact::{Exact, Expected};

/// How photos and feature maps lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[batch, channels, height, width]`, kernels `[to, from / groups, height, width]`.
    ChannelsFirst,
    /// `[batch, height, width, channels]`, kernels `[to, height, width, from / groups]`.
    ChannelsLast,
}

impl Layout {
    /// A shape or a position, `[batch, channels, height, width]`, in the order of memory.
    pub fn order<T>(self, [batch, channels, height, width]: [T; 4]) -> [T; 4] {
        match self {
            Self::ChannelsFirst => [batch, channels, height, width],
            Self::ChannelsLast => [batch, height, width, channels],
        }
    }

    /// The other way round.
    fn position(self, at: [usize; 4]) -> [usize; 4] {
        let [batch, b, c, d] = at;
        match self {
            Self::ChannelsFirst => at,
            Self::ChannelsLast => [batch, d, b, c],
        }
    }

    fn index(self, at: [usize; 4], shape: [usize; 4]) -> usize {
        let ([a, b, c, d], [_, l, m, n]) = (self.order(at), self.order(shape));
        ((a * l + b) * m + c) * n + d
    }
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conv {
    /// Photos.
    pub batch: usize,
    /// Channels that come in.
    pub from: usize,
    /// Channels that go out.
    pub to: usize,
    /// Height and width of what comes in.
    pub input: [usize; 2],
    /// Side of a kernel.
    pub kernel: usize,
    /// How far a kernel moves.
    pub stride: usize,
    /// Zeros before and after, of the height and of the width.
    pub padding: [[usize; 2]; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Conv {
    /// `[batch, channels, height, width]` of what comes in.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.from, self.input[0], self.input[1]]
    }

    /// `[to, from / groups, height, width]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.to, self.from / self.groups, self.kernel, self.kernel]
    }

    /// `[batch, channels, height, width]` of what goes out.
    pub fn output_shape(&self) -> [usize; 4] {
        let side = |axis: usize| {
            let [before, after] = self.padding[axis];
            (before + self.input[axis] + after - self.kernel) / self.stride + 1
        };
        [self.batch, self.to, side(0), side(1)]
    }

    /// Whether it is a matrix product at every pixel, and of which measures.
    pub fn product(&self) -> Option<Product> {
        let [batch, to, height, width] = self.output_shape();
        (self.kernel == 1 && self.groups == 1 && self.padding == [[0; 2]; 2]).then_some(Product {
            rows: batch * height * width,
            terms: self.from,
            columns: to,
            // The kernels, `[to, from]`, as they are.
            right: Order::Columns,
        })
    }

    /// What it must give.
    pub fn expected(
        &self,
        layout: Layout,
        input: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Expected {
        let (from, to) = (self.from / self.groups, self.to / self.groups);
        let terms = from * self.kernel * self.kernel + bias.map_or(0, |_| 1);
        Expected::of(layout.order(self.output_shape()), |at| {
            let [photo, channel, row, column] = layout.position(at);
            let first = channel / to * from;
            let taps = (0..self.kernel).flat_map(|y| (0..self.kernel).map(move |x| (y, x)));
            let products = taps.flat_map(|(y, x)| {
                // Outside wraps around to what is larger than any side.
                let top = (row * self.stride + y).wrapping_sub(self.padding[0][0]);
                let left = (column * self.stride + x).wrapping_sub(self.padding[1][0]);
                let inside = top < self.input[0] && left < self.input[1];
                let channels = if inside { 0..from } else { 0..0 };
                channels.map(move |c| {
                    let a = layout.index([photo, first + c, top, left], self.input_shape());
                    let b = layout.index([channel, c, y, x], self.weight_shape());
                    f64::from(input[a]) * f64::from(weight[b])
                })
            });
            Exact::sum(terms, products.chain(bias.map(|bias| f64::from(bias[channel]))))
        })
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, from, to, input: [height, width], kernel, stride, padding, groups } =
            self;
        write!(formatter, "{batch}x{from}x{height}x{width} to {to} by {kernel}x{kernel}/{stride}")?;
        if *groups > 1 {
            write!(formatter, " in {groups}")?;
        }
        if padding[0][0] != padding[0][1] {
            write!(formatter, " padded {}+{}", padding[0][0], padding[0][1])?;
        }
        Ok(())
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Row after row.
    Rows,
    /// Column after column.
    Columns,
}

/// A matrix product, `[rows, terms] x [terms, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    pub rows: usize,
    pub terms: usize,
    pub columns: usize,
    /// How the right one lies in memory; the left one lies row after row.
    pub right: Order,
}

impl Product {
    /// What it must give.
    pub fn expected(&self, left: &[f32], right: &[f32]) -> Expected {
        let (row_stride, column_stride) = match self.right {
            Order::Rows => (self.columns, 1),
            Order::Columns => (1, self.terms),
        };
        Expected::of([self.rows, self.columns], |[row, column]| {
            let products = (0..self.terms).map(|k| {
                f64::from(left[row * self.terms + k])
                    * f64::from(right[k * row_stride + column * column_stride])
            });
            Exact::sum(self.terms, products)
        })
    }
}

impl fmt::Display for Product {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.right {
            Order::Rows => "",
            Order::Columns => " transposed",
        };
        write!(formatter, "{}x{}x{}{order}", self.rows, self.terms, self.columns)
    }
}

/// The maximum under a square window; what lies outside counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxPool {
    /// `[batch, channels, height, width]` of what comes in.
    pub input: [usize; 4],
    pub kernel: usize,
    pub stride: usize,
    /// On each side.
    pub padding: usize,
}

impl MaxPool {
    /// `[batch, channels, height, width]` of what goes out.
    pub fn output_shape(&self) -> [usize; 4] {
        let [batch, channels, height, width] = self.input;
        let side = |side: usize| (side + 2 * self.padding - self.kernel) / self.stride + 1;
        [batch, channels, side(height), side(width)]
    }

    /// What it must give: one of its inputs, not rounded.
    pub fn expected(&self, layout: Layout, input: &[f32]) -> Expected {
        let [.., height, width] = self.input;
        Expected::of(layout.order(self.output_shape()), |at| {
            let [photo, channel, row, column] = layout.position(at);
            let reach = |at: usize, side: usize| {
                let start = at * self.stride;
                start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(side)
            };
            let values = reach(row, height).flat_map(|y| {
                reach(column, width).map(move |x| {
                    f64::from(input[layout.index([photo, channel, y, x], self.input)])
                })
            });
            Exact::unrounded(values.fold(f64::NEG_INFINITY, f64::max))
        })
    }
}

impl fmt::Display for MaxPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input: [batch, channels, height, width], kernel, stride, .. } = self;
        write!(formatter, "{batch}x{channels}x{height}x{width} by {kernel}x{kernel}/{stride}")
    }
}

/// What the mean over height and width of `[batch, channels, height, width]` must give: `[batch, channels]`.
pub fn expected_mean(layout: Layout, shape: [usize; 4], input: &[f32]) -> Expected {
    let [batch, channels, height, width] = shape;
    let count = height * width;
    Expected::of([batch, channels], |[photo, channel]| {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let values = pixels
            .map(|(y, x)| f64::from(input[layout.index([photo, channel, y, x], shape)]))
            .map(|value| value / count as f64);
        Exact::sum(count, values).divided()
    })
}

/// What an activation makes of an exact value: no value of it moves further than what came in.
pub fn activated(activation: Activation, exact: Exact) -> Exact {
    let value = match activation {
        Activation::None => exact.value,
        Activation::Relu => exact.value.max(0.0),
        Activation::Relu6 => exact.value.clamp(0.0, 6.0),
    };
    Exact { value, ..exact }
}

/// A shape as it is printed.
pub fn sides(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
