//! The output shape of each step, and whether the steps fit each other.

use super::{Convolution, Operation, Padding, Plan, Unsupported, Value};

impl Plan {
    /// The output shape of each step, `[channels, height, width]`, for inputs of `[height, width]`.
    ///
    /// # Errors
    /// The first step that does not fit: a convolution of other channels than its input has, a
    /// window that is larger than its padded input, a pool whose padding is as wide as its window,
    /// or a sum of two shapes.
    pub fn shapes(&self, input: [usize; 2]) -> Result<Vec<[usize; 3]>, Unsupported> {
        let mut shapes: Vec<[usize; 3]> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let of = |value: &Value| match value {
                Value::Input => [self.input_channels, input[0], input[1]],
                Value::Output(index) => shapes[*index],
            };
            let unsupported = |reason| Unsupported::new(&step.name, reason);
            let shape = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let Convolution { in_channels, out_channels, kernel, stride, padding, .. } =
                        *convolution;
                    let [channels, height, width] = of(input);
                    if channels != in_channels {
                        return Err(unsupported("its input has another number of channels"));
                    }
                    let [height, width] = sides([height, width], kernel, stride, padding)
                        .ok_or_else(|| unsupported("its kernel is larger than its padded input"))?;
                    [out_channels, height, width]
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let [channels, height, width] = of(input);
                    let is_inside = [height, width].iter().all(|side| {
                        padding.around(*side, *kernel, *stride).iter().all(|pad| pad < kernel)
                    });
                    if !is_inside {
                        return Err(unsupported("its padding is as wide as its window"));
                    }
                    let [height, width] = sides([height, width], *kernel, *stride, *padding)
                        .ok_or_else(|| unsupported("its window is larger than its padded input"))?;
                    [channels, height, width]
                }
                Operation::Add { inputs, .. } => {
                    let [one, other] = inputs.each_ref().map(of);
                    if one != other {
                        return Err(unsupported("it adds values of two shapes"));
                    }
                    one
                }
                Operation::GlobalAveragePool { input } => [of(input)[0], 1, 1],
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

/// The output's `[height, width]`. `None` if the window is larger than the padded input.
fn sides(input: [usize; 2], kernel: usize, stride: usize, padding: Padding) -> Option<[usize; 2]> {
    let fits =
        |side: usize| padding.around(side, kernel, stride).iter().sum::<usize>() + side >= kernel;
    input
        .iter()
        .all(|side| fits(*side))
        .then(|| input.map(|side| padding.output(side, kernel, stride)))
}
