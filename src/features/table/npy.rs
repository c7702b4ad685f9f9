//! NumPy's array format, version 1.0:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::{self, Write};

use super::FeatureTable;

/// Magic string and version; the header's length follows in two bytes, least significant first.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// The numbers start at a multiple of this many bytes, so that they can be mapped into memory.
const ALIGNMENT: usize = 64;

/// The features alone, f32 `[photos, width]` in C order.
pub(super) fn write(table: &FeatureTable, out: &mut impl Write) -> io::Result<()> {
    let (photos, width) = (table.photos.len(), table.width);
    let dictionary =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({photos}, {width}), }}");
    // Padded with spaces and ended by a newline.
    let before = MAGIC.len() + 2;
    let header = (before + dictionary.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let length = u16::try_from(header).expect("two numbers fit in 65,535 characters");
    out.write_all(MAGIC)?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{dictionary:0$}", header - 1)?;
    for value in &table.features {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}
