//! The transform matrices, and their use on the host: filter transforms and error bounds.

/// A transform matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// `B'`, which transforms inputs.
    Input,
    /// `G`, which transforms filters.
    Filter,
    /// `A'`, which transforms sums to outputs.
    Output,
}

impl Matrix {
    /// The entry at `[row, column]`, for tiles of this side.
    pub fn entry(self, side: usize, row: usize, column: usize) -> f64 {
        const SIXTH: f64 = 1.0 / 6.0;
        const INPUT_2: [[f64; 4]; 4] =
            [[1., 0., -1., 0.], [0., 1., 1., 0.], [0., -1., 1., 0.], [0., 1., 0., -1.]];
        const FILTER_2: [[f64; 3]; 4] =
            [[1., 0., 0.], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0., 0., 1.]];
        const OUTPUT_2: [[f64; 4]; 2] = [[1., 1., 1., 0.], [0., 1., -1., -1.]];
        const INPUT_4: [[f64; 6]; 6] = [
            [4., 0., -5., 0., 1., 0.],
            [0., -4., -4., 1., 1., 0.],
            [0., 4., -4., -1., 1., 0.],
            [0., -2., -1., 2., 1., 0.],
            [0., 2., -1., -2., 1., 0.],
            [0., 4., 0., -5., 0., 1.],
        ];
        const FILTER_4: [[f64; 3]; 6] = [
            [0.25, 0., 0.],
            [-SIXTH, -SIXTH, -SIXTH],
            [-SIXTH, SIXTH, -SIXTH],
            [SIXTH / 4., SIXTH / 2., SIXTH],
            [SIXTH / 4., -SIXTH / 2., SIXTH],
            [0., 0., 1.],
        ];
        const OUTPUT_4: [[f64; 6]; 4] = [
            [1., 1., 1., 1., 1., 0.],
            [0., 1., -1., 2., -2., 0.],
            [0., 1., 1., 4., 4., 0.],
            [0., 1., -1., 8., -8., 1.],
        ];
        match (self, side) {
            (Self::Input, 2) => INPUT_2[row][column],
            (Self::Filter, 2) => FILTER_2[row][column],
            (Self::Output, 2) => OUTPUT_2[row][column],
            (Self::Input, _) => INPUT_4[row][column],
            (Self::Filter, _) => FILTER_4[row][column],
            (Self::Output, _) => OUTPUT_4[row][column],
        }
    }
}

/// `G g G'` in f64, indexed by position.
pub fn transformed(kernel: &[f32], side: usize) -> Vec<f64> {
    let patch = side + 2;
    let entry = |row, column| Matrix::Filter.entry(side, row, column);
    let mut values = Vec::with_capacity(patch * patch);
    for row in 0..patch {
        for column in 0..patch {
            let mut sum = 0.0;
            for (at, value) in kernel.iter().enumerate() {
                sum += entry(row, at / 3) * entry(column, at % 3) * f64::from(*value);
            }
            values.push(sum);
        }
    }
    values
}

/// The sum of the squared magnitudes of the terms of an output at `[row, column]` of its tile, for
/// one input channel of one filter. A term is a product carried through all three transforms with
/// the absolute value of every number. `patch` is the input patch of the tile.
pub fn squares(kernel: &[f32], patch: &[f64], side: usize, at: [usize; 2]) -> f64 {
    let reach = side + 2;
    let input = |row, column| Matrix::Input.entry(side, row, column).abs();
    let filter = |row, column| Matrix::Filter.entry(side, row, column).abs();
    let output = |row, column| Matrix::Output.entry(side, row, column).abs();
    let mut sum = 0.0;
    for row in 0..reach {
        for column in 0..reach {
            let weight = output(at[0], row) * output(at[1], column);
            if weight == 0.0 {
                continue;
            }
            let transformed_input: f64 = (0..reach * reach)
                .map(|at| input(row, at / reach) * input(column, at % reach) * patch[at].abs())
                .sum();
            let transformed_filter: f64 = (0..9)
                .map(|at| {
                    filter(row, at / 3) * filter(column, at % 3) * f64::from(kernel[at]).abs()
                })
                .sum();
            sum += (weight * transformed_input * transformed_filter).powi(2);
        }
    }
    sum
}

/// Roundings between an input and an output, besides the sum over channels: two input transforms
/// with rows of at most four entries, the filter and its product, and two output transforms with
/// rows of at most five entries. Each term of a transform is rounded twice, in a product and in a
/// sum.
pub const ROUNDINGS: f64 = 2.0 * (2.0 * 4.0) + 2.0 + 2.0 * (2.0 * 5.0);
