//! NumPy's array format, version 1.0:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::{self, Write};

use super::FeatureTable;

/// Magic string and version. The header's length follows as two little-endian bytes.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// The values start at a multiple of this many bytes, so that the file can be memory-mapped.
const ALIGNMENT: usize = 64;

/// Writes only the features, f32 `[photos, width]` in C order.
pub(super) fn write(table: &FeatureTable, out: &mut impl Write) -> io::Result<()> {
    let (photos, width) = (table.photos.len(), table.width);
    let dictionary =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({photos}, {width}), }}");
    // The header is padded with spaces and ends with a newline.
    let prefix = MAGIC.len() + 2;
    let header = (prefix + dictionary.len() + 1).next_multiple_of(ALIGNMENT) - prefix;
    let length = u16::try_from(header).expect("two numbers fit in 65,535 characters");
    out.write_all(MAGIC)?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{dictionary:0$}", header - 1)?;
    for value in &table.features {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}
