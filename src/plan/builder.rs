//! Builds the steps of a plan from Burn's modules.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, PaddingConfig2d};

use super::{Activation, Convolution, Norm, Operation, Padding, Plan, Stage, Step};
use super::{Unsupported, Value};

impl Plan {
    /// Adds a convolution with its BatchNorm, whose fields are called `name` and `norm_name` in the
    /// module.
    ///
    /// # Errors
    /// If it has a bias, is dilated, or is not square.
    pub fn convolution(
        &mut self,
        input: Value,
        (name, conv): (&str, &Conv2d),
        (norm_name, norm): (&str, &BatchNorm),
        activation: Activation,
    ) -> Result<Value, Unsupported> {
        // `lazy_shape`: a plan can be made of a network whose weights were not allocated yet.
        let [out_channels, in_channels_per_group, kernel, _] = conv.weight.lazy_shape().dims();
        let square = |sides: [usize; 2]| sides[0] == sides[1];
        if !square(conv.kernel_size) || !square(conv.stride) {
            return Err(Unsupported::new(name, "its kernel or stride is not square"));
        }
        if conv.dilation != [1, 1] {
            return Err(Unsupported::new(name, "it is dilated"));
        }
        if conv.bias.is_some() {
            return Err(Unsupported::new(name, "it has a bias beside its BatchNorm"));
        }
        let convolution = Convolution {
            weight: format!("{name}.weight"),
            norm: Norm {
                scale: format!("{norm_name}.weight"),
                shift: format!("{norm_name}.bias"),
                mean: format!("{norm_name}.running_mean"),
                variance: format!("{norm_name}.running_var"),
                epsilon: norm.epsilon,
            },
            in_channels: in_channels_per_group * conv.groups,
            out_channels,
            kernel,
            stride: conv.stride[0],
            padding: padding(name, &conv.padding)?,
            groups: conv.groups,
            activation,
        };
        Ok(self.push(name, Operation::Convolution { input, convolution }))
    }

    /// Adds a convolution of the block called `block`, whose name is prefixed to both names.
    ///
    /// # Errors
    /// As [`convolution`](Self::convolution).
    pub fn convolution_in(
        &mut self,
        block: &str,
        input: Value,
        conv: (&str, &Conv2d),
        norm: (&str, &BatchNorm),
        activation: Activation,
    ) -> Result<Value, Unsupported> {
        let [name, norm_name] = [conv.0, norm.0].map(|part| format!("{block}.{part}"));
        self.convolution(input, (&name, conv.1), (&norm_name, norm.1), activation)
    }

    /// Adds a max-pool.
    ///
    /// # Errors
    /// If its window is not square or is dilated, or its output size is rounded up.
    pub fn max_pool(
        &mut self,
        input: Value,
        name: &str,
        pool: &MaxPool2d,
    ) -> Result<Value, Unsupported> {
        let ([kernel, width], [stride, across]) = (pool.kernel_size, pool.stride);
        if kernel != width || stride != across || pool.dilation != [1, 1] || pool.ceil_mode {
            return Err(Unsupported::new(
                name,
                "its window is not square, or dilated, or rounded up",
            ));
        }
        let padding = padding(name, &pool.padding)?;
        Ok(self.push(name, Operation::MaxPool { input, kernel, stride, padding }))
    }

    /// Adds a sum.
    pub fn add(&mut self, inputs: [Value; 2], name: &str, activation: Activation) -> Value {
        self.push(name, Operation::Add { inputs, activation })
    }

    /// Ends the stage called `name`, whose output is `output`.
    pub fn end_stage(&mut self, name: &str, output: Value) {
        self.stages.push(Stage { name: name.to_owned(), output });
    }

    /// Adds the mean over height and width, which ends every network that gives features.
    pub fn global_average_pool(mut self, input: Value) -> Self {
        self.push("avgpool", Operation::GlobalAveragePool { input });
        self
    }

    fn push(&mut self, name: &str, operation: Operation) -> Value {
        self.steps.push(Step { name: name.to_owned(), operation });
        Value::Output(self.steps.len() - 1)
    }
}

/// Converts Burn's padding to a plan's.
fn padding(step: &str, padding: &PaddingConfig2d) -> Result<Padding, Unsupported> {
    match padding {
        PaddingConfig2d::Same => Ok(Padding::Same),
        PaddingConfig2d::Valid => Ok(Padding::Each(0)),
        PaddingConfig2d::Explicit(top, left, bottom, right) => {
            match [left, bottom, right].iter().all(|side| *side == top) {
                true => Ok(Padding::Each(*top)),
                false => Err(Unsupported::new(step, "its padding differs between the sides")),
            }
        }
    }
}
