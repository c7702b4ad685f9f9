//! Sizes of a sliding window: max-pooling and depthwise convolutions.

use cubecl::prelude::*;

use super::device_tensor::DeviceTensor;
use crate::plan::Padding;

/// Run-time sizes: layers that differ only in these share a compiled kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub vectors: usize,
    pub units: usize,
    /// Rows of padding above the input.
    pub top: usize,
    /// Columns of padding to the left of the input.
    pub left: usize,
}

/// The sizes for a `kernel x kernel` window with this stride, in a launch of `units` units.
pub fn sizes(
    input: &DeviceTensor,
    output: &DeviceTensor,
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
