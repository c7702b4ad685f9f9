//! NumPy's array format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::{self, Write};

use npyz::WriterBuilder;

use super::FeatureTable;

/// The features alone, f32 `[photos, width]` in C order.
pub(super) fn write(table: &FeatureTable, out: &mut impl Write) -> io::Result<()> {
    let shape = [table.photos.len() as u64, table.width as u64];
    let options = npyz::WriteOptions::<f32>::new().default_dtype().shape(&shape);
    let mut npy = options.writer(out).begin_nd()?;
    npy.extend(table.features.iter().copied())?;
    npy.finish()
}
