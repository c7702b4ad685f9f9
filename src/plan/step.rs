//! The vocabulary of a plan: steps, convolutions, padding, activations.

/// One step: in a fast engine, one pass over memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A name that is unique in the plan. A convolution has its module's: `layer1.0.conv1`.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The plan's input: preprocessed photos, `[batch, 3, height, width]`, or the output of a
    /// stage.
    Input,
    /// The output of the step with this index.
    Output(usize),
}

impl Value {
    /// Its number: 0 for the input, `n + 1` for the output of step `n`.
    pub(super) fn number(self) -> usize {
        match self {
            Self::Input => 0,
            Self::Output(step) => step + 1,
        }
    }
}

/// What a step computes, on `[batch, channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution, its BatchNorm and its activation.
    Convolution {
        /// The value that it reads.
        input: Value,
        /// Its sizes and tensors.
        convolution: Convolution,
    },
    /// The maximum under a square window. Padding never wins.
    MaxPool {
        /// The value that it reads.
        input: Value,
        /// Side of the window.
        kernel: usize,
        /// Stride of the window.
        stride: usize,
        /// Padding around the input.
        padding: Padding,
    },
    /// The sum of two values of the same shape, such as a block and its shortcut, and an
    /// activation.
    Add {
        /// The values that it adds.
        inputs: [Value; 2],
        /// The activation of the sum.
        activation: Activation,
    },
    /// The mean over height and width, `[batch, channels, 1, 1]`.
    GlobalAveragePool {
        /// The value that it reads.
        input: Value,
    },
}

impl Operation {
    /// The values that it reads.
    pub fn inputs(&self) -> Vec<Value> {
        match self {
            Self::Convolution { input, .. }
            | Self::MaxPool { input, .. }
            | Self::GlobalAveragePool { input } => vec![*input],
            Self::Add { inputs, .. } => inputs.to_vec(),
        }
    }

    /// The same operation, with `map` applied to each value that it reads.
    pub(super) fn with_inputs(self, map: impl Fn(Value) -> Value) -> Self {
        match self {
            Self::Convolution { input, convolution } => {
                Self::Convolution { input: map(input), convolution }
            }
            Self::MaxPool { input, kernel, stride, padding } => {
                Self::MaxPool { input: map(input), kernel, stride, padding }
            }
            Self::Add { inputs, activation } => Self::Add { inputs: inputs.map(map), activation },
            Self::GlobalAveragePool { input } => Self::GlobalAveragePool { input: map(input) },
        }
    }
}

/// A convolution without bias, followed by BatchNorm with its running statistics and an activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Name of the weight, `[out_channels, in_channels / groups, kernel, kernel]`.
    pub weight: String,
    /// The BatchNorm.
    pub norm: Norm,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: Padding,
    /// Groups of channels that are convolved separately: 1 for a full convolution, `in_channels`
    /// for a depthwise one.
    pub groups: usize,
    /// The activation that follows.
    pub activation: Activation,
}

/// BatchNorm with its running statistics, `(x - mean) / sqrt(variance + epsilon) * scale + shift`,
/// with one value of each per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Name of the scale tensor (gamma).
    pub scale: String,
    /// Name of the shift tensor (beta).
    pub shift: String,
    /// Name of the running mean.
    pub mean: String,
    /// Name of the running variance.
    pub variance: String,
    /// Keeps the divisor above zero.
    pub epsilon: f64,
}

/// Padding around an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The same number on each side.
    Each(usize),
    /// TensorFlow's `SAME`: the output has `input / stride` pixels, rounded up. If the total
    /// padding is odd, the bottom and right get one pixel more.
    Same,
}

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The value itself.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

impl Convolution {
    /// The shape of its weight, `[out_channels, in_channels / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel]
    }
}

impl Padding {
    /// Padding before and after an input of `side` pixels, for a window of `kernel` pixels that
    /// moves by `stride`.
    pub fn around(self, side: usize, kernel: usize, stride: usize) -> [usize; 2] {
        match self {
            Self::Each(count) => [count, count],
            Self::Same => {
                let reach = side.div_ceil(stride).saturating_sub(1) * stride + kernel;
                let total = reach.saturating_sub(side);
                [total / 2, total - total / 2]
            }
        }
    }

    /// The side of the output for an input of `side` pixels.
    ///
    /// # Panics
    /// If the kernel is larger than the padded side: see [`Plan::shapes`](super::Plan::shapes).
    pub fn output(self, side: usize, kernel: usize, stride: usize) -> usize {
        let [before, after] = self.around(side, kernel, stride);
        (before + side + after - kernel) / stride + 1
    }
}
