//! The matrices of the transforms, and what is done with them before anything runs.

/// Which factor of the transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// `B'`, of inputs.
    Input,
    /// `G`, of filters.
    Filter,
    /// `A'`, of sums.
    Output,
}

impl Matrix {
    /// Its entry, for tiles of this side.
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

/// `G g G'`, by position, in f64.
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

/// The sum of the squares of what is added up for an output at `[row, column]` of its tile, for one input channel of one
/// kernel: of each product, taken through all three transforms with every number's sign left out. `patch` is what the tile
/// reads.
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

/// Roundings between an input and an output beside the sum over channels: two transforms of inputs by rows of at most four
/// entries, the filter and its product, two transforms of sums by rows of at most five, each term of both a product and a
/// sum.
pub const ROUNDINGS: f64 = 2.0 * (2.0 * 4.0) + 2.0 + 2.0 * (2.0 * 5.0);
