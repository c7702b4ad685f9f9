//! A window that moves over an input, a unit for some of its places in the output.

use cubecl::prelude::*;

use super::map::Map;
use crate::backbone::plan::Padding;

/// What differs from layer to layer without asking for another kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub vectors: usize,
    pub units: usize,
    /// Rows that the window reaches above the input.
    pub top: usize,
    /// Columns that it reaches to its left.
    pub left: usize,
}

/// Those of a window of side `kernel` that moves by `stride`, for so many units.
pub fn sizes(
    input: &Map,
    output: &Map,
    units: usize,
    [kernel, stride]: [usize; 2],
    padding: Padding,
) -> SizesLaunch {
    let before = |side| padding.around(side, kernel, stride)[0];
    SizesLaunch::new(
        input.height,
        input.width,
        output.height,
        output.width,
        output.vectors(),
        units,
        before(input.height),
        before(input.width),
    )
}
