//! What a backbone computes, told as a list of steps: what an exporter writes down and an executor runs.
//!
//! Each family tells its plan beside its `forward`, off the fields of the module itself: kernels,
//! strides, padding, groups and epsilons are those that `forward` uses. A test runs every plan with Burn's
//! own operations and holds it to `forward`'s numbers, so that the two cannot drift apart.
//!
//! A plan holds no weights. Its convolutions name the tensors that they need, as
//! [`Tensors::tensors`](super::Tensors::tensors) names them, and [`Convolution::folded`] takes those from
//! [`Weights`](super::folding::Weights) with BatchNorm worked into them.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, PaddingConfig2d};

/// What a backbone computes. A step reads photos or what earlier steps gave; the last one gives the
/// features, `[batch, features, 1, 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In an order in which they can be computed.
    pub steps: Vec<Step>,
}

/// One step: in a fast executor, one pass over memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A name of its own in the plan. A convolution's is that of its module: `layer1.0.conv1`.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The preprocessed photos, `[batch, 3, height, width]`.
    Photos,
    /// What the step of this index gave.
    Output(usize),
}

/// What a step computes, on `[batch, channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution, its BatchNorm and its activation.
    Convolution {
        /// What it reads.
        input: Value,
        /// What it does with it.
        convolution: Convolution,
    },
    /// The maximum under a square window. What lies outside counts for nothing.
    MaxPool {
        /// What it reads.
        input: Value,
        /// Side of the window.
        kernel: usize,
        /// How far the window moves.
        stride: usize,
        /// What lies around the input.
        padding: Padding,
    },
    /// The sum of two values of one shape, as of a block and its shortcut, and its activation.
    Add {
        /// What it reads.
        inputs: [Value; 2],
        /// What follows.
        activation: Activation,
    },
    /// The mean over height and width, `[batch, channels, 1, 1]`.
    GlobalAveragePool {
        /// What it reads.
        input: Value,
    },
}

/// A convolution without bias, followed by BatchNorm with its running statistics and by an activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Name of the kernels, `[to, from / groups, kernel, kernel]`.
    pub weight: String,
    /// The BatchNorm.
    pub norm: Norm,
    /// Channels that come in.
    pub from: usize,
    /// Channels that go out.
    pub to: usize,
    /// Side of a kernel.
    pub kernel: usize,
    /// How far a kernel moves.
    pub stride: usize,
    /// What lies around the input: zeros.
    pub padding: Padding,
    /// Channels are divided into so many groups that do not see each other; as many as `from` where each
    /// channel is convolved alone (depthwise).
    pub groups: usize,
    /// What follows.
    pub activation: Activation,
}

/// BatchNorm with its running statistics, `(x - mean) / sqrt(variance + epsilon) * scale + shift`, a value of
/// each for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Name of what it multiplies by (gamma).
    pub scale: String,
    /// Name of what it adds (beta).
    pub shift: String,
    /// Name of the running mean.
    pub mean: String,
    /// Name of the running variance.
    pub variance: String,
    /// Keeps the divisor from zero.
    pub epsilon: f64,
}

/// What lies around an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So many on each side.
    Each(usize),
    /// TensorFlow's `SAME`: what makes the output `input / stride`, rounded up; of an odd number the one more
    /// lies at the bottom and right.
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
    /// The shape of its kernels.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.to, self.from / self.groups, self.kernel, self.kernel]
    }
}

impl Padding {
    /// How many lie before and after a `side` under `kernel`s that move by `stride`.
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

    /// Length of what comes of a `side`.
    pub fn output(self, side: usize, kernel: usize, stride: usize) -> usize {
        let [before, after] = self.around(side, kernel, stride);
        (before + side + after - kernel) / stride + 1
    }

    fn of(padding: &PaddingConfig2d) -> Self {
        match padding {
            PaddingConfig2d::Same => Self::Same,
            PaddingConfig2d::Valid => Self::Each(0),
            PaddingConfig2d::Explicit(top, left, bottom, right) => {
                assert!(
                    [left, bottom, right].iter().all(|side| *side == top),
                    "equal on each side"
                );
                Self::Each(*top)
            }
        }
    }
}

impl Plan {
    /// The shape of what each step gives for photos of `[height, width]`, `[channels, height, width]`.
    ///
    /// # Panics
    /// Where a photo is smaller than the network's first kernel.
    pub fn shapes(&self, photo: [usize; 2]) -> Vec<[usize; 3]> {
        let mut shapes: Vec<[usize; 3]> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let of = |value: &Value| match value {
                Value::Photos => [3, photo[0], photo[1]],
                Value::Output(index) => shapes[*index],
            };
            let shape = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let Convolution { to, kernel, stride, padding, .. } = convolution;
                    let [_, height, width] = of(input);
                    let [height, width] =
                        [height, width].map(|side| padding.output(side, *kernel, *stride));
                    [*to, height, width]
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let [channels, height, width] = of(input);
                    let [height, width] =
                        [height, width].map(|side| padding.output(side, *kernel, *stride));
                    [channels, height, width]
                }
                Operation::Add { inputs, .. } => of(&inputs[0]),
                Operation::GlobalAveragePool { input } => [of(input)[0], 1, 1],
            };
            shapes.push(shape);
        }
        shapes
    }

    /// Adds a convolution with its BatchNorm, called `conv` and `norm` in the module.
    ///
    /// # Panics
    /// Where it has a bias, or is not square: no network here has such.
    pub(super) fn convolution(
        &mut self,
        input: Value,
        (name, conv): (&str, &Conv2d),
        (norm_name, norm): (&str, &BatchNorm),
        activation: Activation,
    ) -> Value {
        let [to, from_a_group, kernel, _] = conv.weight.dims();
        let square = |sides: [usize; 2]| sides[0] == sides[1];
        assert!(square(conv.kernel_size) && square(conv.stride) && conv.dilation == [1, 1]);
        assert!(conv.bias.is_none(), "its BatchNorm has one");
        let convolution = Convolution {
            weight: format!("{name}.weight"),
            norm: Norm {
                scale: format!("{norm_name}.weight"),
                shift: format!("{norm_name}.bias"),
                mean: format!("{norm_name}.running_mean"),
                variance: format!("{norm_name}.running_var"),
                epsilon: norm.epsilon,
            },
            from: from_a_group * conv.groups,
            to,
            kernel,
            stride: conv.stride[0],
            padding: Padding::of(&conv.padding),
            groups: conv.groups,
            activation,
        };
        self.push(name, Operation::Convolution { input, convolution })
    }

    /// Adds the same of a block, whose name stands before both of theirs.
    ///
    /// # Panics
    /// As [`convolution`](Self::convolution).
    pub(super) fn convolution_in(
        &mut self,
        block: &str,
        input: Value,
        conv: (&str, &Conv2d),
        norm: (&str, &BatchNorm),
        activation: Activation,
    ) -> Value {
        let [name, norm_name] = [conv.0, norm.0].map(|part| format!("{block}.{part}"));
        self.convolution(input, (&name, conv.1), (&norm_name, norm.1), activation)
    }

    /// Adds a maximum.
    ///
    /// # Panics
    /// Where its window is not square.
    pub(super) fn max_pool(&mut self, input: Value, name: &str, pool: &MaxPool2d) -> Value {
        let ([kernel, width], [stride, across]) = (pool.kernel_size, pool.stride);
        assert!(kernel == width && stride == across && pool.dilation == [1, 1] && !pool.ceil_mode);
        let padding = Padding::of(&pool.padding);
        self.push(name, Operation::MaxPool { input, kernel, stride, padding })
    }

    /// Adds a sum.
    pub(super) fn add(&mut self, inputs: [Value; 2], name: &str, activation: Activation) -> Value {
        self.push(name, Operation::Add { inputs, activation })
    }

    /// Adds the mean over height and width, with which every network here ends.
    pub(super) fn global_average_pool(mut self, input: Value) -> Self {
        self.push("avgpool", Operation::GlobalAveragePool { input });
        self
    }

    fn push(&mut self, name: &str, operation: Operation) -> Value {
        self.steps.push(Step { name: name.to_owned(), operation });
        Value::Output(self.steps.len() - 1)
    }
}

/// A module that can tell what it computes.
pub trait Planned {
    /// Its `forward`, as steps.
    fn plan(&self) -> Plan;
}
