//! The operations of the networks: their parameters and their expected outputs.

use std::fmt;

use kindling::plan::Activation;

use kindling::kernels::reference::{Expected, Reference};

/// Memory layout of photos and feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[batch, channels, height, width]`, kernels
    /// `[out_channels, in_channels / groups, height, width]`.
    ChannelsFirst,
    /// `[batch, height, width, channels]`, kernels
    /// `[out_channels, height, width, in_channels / groups]`.
    ChannelsLast,
}

impl Layout {
    /// Permutes a shape or position from `[batch, channels, height, width]` to memory order.
    pub fn order<T>(self, [batch, channels, height, width]: [T; 4]) -> [T; 4] {
        match self {
            Self::ChannelsFirst => [batch, channels, height, width],
            Self::ChannelsLast => [batch, height, width, channels],
        }
    }

    /// Permutes a position from memory order to `[batch, channels, height, width]`.
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
    /// Batch size.
    pub batch: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Zero padding `[before, after]` of the height and of the width.
    pub padding: [[usize; 2]; 2],
    /// Number of groups of channels.
    pub groups: usize,
}

impl Conv {
    /// Input shape, `[batch, channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.in_channels, self.input[0], self.input[1]]
    }

    /// Weight shape, `[out_channels, in_channels / groups, height, width]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel]
    }

    /// Output shape, `[batch, channels, height, width]`.
    pub fn output_shape(&self) -> [usize; 4] {
        let side = |axis: usize| {
            let [before, after] = self.padding[axis];
            (before + self.input[axis] + after - self.kernel) / self.stride + 1
        };
        [self.batch, self.out_channels, side(0), side(1)]
    }

    /// The equivalent matrix product if this is an unpadded 1x1 convolution without groups.
    pub fn product(&self) -> Option<Product> {
        let [batch, out_channels, height, width] = self.output_shape();
        (self.kernel == 1 && self.groups == 1 && self.padding == [[0; 2]; 2]).then_some(Product {
            rows: batch * height * width,
            terms: self.in_channels,
            columns: out_channels,
            // The kernels are stored as `[out_channels, in_channels]`.
            right: Order::Columns,
        })
    }

    /// The expected output.
    pub fn expected(
        &self,
        layout: Layout,
        input: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Expected {
        let (in_channels, out_channels) =
            (self.in_channels / self.groups, self.out_channels / self.groups);
        let terms = in_channels * self.kernel * self.kernel + bias.map_or(0, |_| 1);
        Expected::of(layout.order(self.output_shape()), |at| {
            let [photo, channel, row, column] = layout.position(at);
            let first = channel / out_channels * in_channels;
            let taps = (0..self.kernel).flat_map(|y| (0..self.kernel).map(move |x| (y, x)));
            let products = taps.flat_map(|(y, x)| {
                // Positions before the input wrap around to values larger than any side.
                let top = (row * self.stride + y).wrapping_sub(self.padding[0][0]);
                let left = (column * self.stride + x).wrapping_sub(self.padding[1][0]);
                let inside = top < self.input[0] && left < self.input[1];
                let channels = if inside { 0..in_channels } else { 0..0 };
                channels.map(move |c| {
                    let a = layout.index([photo, first + c, top, left], self.input_shape());
                    let b = layout.index([channel, c, y, x], self.weight_shape());
                    f64::from(input[a]) * f64::from(weight[b])
                })
            });
            Reference::sum(terms, products.chain(bias.map(|bias| f64::from(bias[channel]))))
        })
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            batch,
            in_channels,
            out_channels,
            input: [height, width],
            kernel,
            stride,
            padding,
            groups,
        } = self;
        write!(
            formatter,
            "{batch}x{in_channels}x{height}x{width} to {out_channels} by {kernel}x{kernel}/{stride}"
        )?;
        if *groups > 1 {
            write!(formatter, " in {groups}")?;
        }
        if padding[0][0] != padding[0][1] {
            write!(formatter, " padded {}+{}", padding[0][0], padding[0][1])?;
        }
        Ok(())
    }
}

/// Memory order of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Row-major.
    Rows,
    /// Column-major.
    Columns,
}

/// A matrix product, `[rows, terms] x [terms, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    pub rows: usize,
    pub terms: usize,
    pub columns: usize,
    /// Memory order of the right matrix; the left matrix is row-major.
    pub right: Order,
}

impl Product {
    /// The expected output.
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
            Reference::sum(self.terms, products)
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

/// Max-pooling with a square window; padding is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxPool {
    /// Input shape, `[batch, channels, height, width]`.
    pub input: [usize; 4],
    pub kernel: usize,
    pub stride: usize,
    /// Padding on each side.
    pub padding: usize,
}

impl MaxPool {
    /// Output shape, `[batch, channels, height, width]`.
    pub fn output_shape(&self) -> [usize; 4] {
        let [batch, channels, height, width] = self.input;
        let side = |side: usize| (side + 2 * self.padding - self.kernel) / self.stride + 1;
        [batch, channels, side(height), side(width)]
    }

    /// The expected output. Each value is one of the inputs, so nothing is rounded.
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
            Reference::unrounded(values.fold(f64::NEG_INFINITY, f64::max))
        })
    }
}

impl fmt::Display for MaxPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input: [batch, channels, height, width], kernel, stride, .. } = self;
        write!(formatter, "{batch}x{channels}x{height}x{width} by {kernel}x{kernel}/{stride}")
    }
}

/// The expected means over height and width of `[batch, channels, height, width]`:
/// `[batch, channels]`.
pub fn expected_mean(layout: Layout, shape: [usize; 4], input: &[f32]) -> Expected {
    let [batch, channels, height, width] = shape;
    let count = height * width;
    Expected::of([batch, channels], |[photo, channel]| {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let values = pixels
            .map(|(y, x)| f64::from(input[layout.index([photo, channel, y, x], shape)]))
            .map(|value| value / count as f64);
        Reference::sum(count, values).divided()
    })
}

/// Applies `activation` to a reference. No activation increases the distance between two values, so
/// the bound still holds.
pub fn activated(activation: Activation, reference: Reference) -> Reference {
    let value = match activation {
        Activation::None => reference.value,
        Activation::Relu => reference.value.max(0.0),
        Activation::Relu6 => reference.value.clamp(0.0, 6.0),
    };
    Reference { value, ..reference }
}

/// A shape as text, such as `3x64x56x56`.
pub fn sides(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
