//! NumPy's array format:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::FeatureTable;
use super::content::{Content, Sink};
use super::error::damaged;
use super::floats::FloatType;
use crate::regular_file;

/// Magic string and version. The header's length follows as two little-endian bytes.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// The values start at a multiple of this many bytes, so that the file can be memory-mapped.
const ALIGNMENT: usize = 64;
/// The longest header that is read, in bytes: that of an array of numbers has some hundred.
const MAX_HEADER: usize = 1 << 16;

/// Writes only the features, f32 `[photos, width]` in C order, in version 1.0 of the format.
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

/// Reads the features, and the photos from the `.csv` file beside it, if there is one.
pub(super) fn read(path: &Path, sink: &mut Sink) -> io::Result<Content> {
    let (mut file, length) = regular_file::open(path)?;
    let (header, start) = header(&mut file)?;
    let array = Array::of(&header)?;
    let (rows, width) = (array.rows, array.width);
    let bytes = rows.checked_mul(width).and_then(|count| count.checked_mul(array.kind.size()));
    if bytes.map(|bytes| bytes as u64) != length.checked_sub(start) {
        return Err(damaged(format!("its length is not that of {rows} rows of {width} numbers")));
    }
    array.kind.read(&mut file, rows * width, |features| sink.add(features))?;
    let mut content = Content { width, ..Content::default() };
    match regular_file::open(&path.with_extension("csv")) {
        Ok((file, _)) => content.read_photos(file)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(content)
}

/// The text of the header, and where the values begin.
fn header(file: &mut impl Read) -> io::Result<(String, u64)> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    if start[..6] != MAGIC[..6] {
        return Err(damaged("it does not begin as an array of NumPy does"));
    }
    let (length, field) = match start[6] {
        1 => {
            let mut bytes = [0; 2];
            file.read_exact(&mut bytes)?;
            (usize::from(u16::from_le_bytes(bytes)), bytes.len())
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes)?;
            (u32::from_le_bytes(bytes) as usize, bytes.len())
        }
        version => return Err(damaged(format!("its format has the unknown version {version}"))),
    };
    if length > MAX_HEADER {
        return Err(damaged(format!("its header has {length} bytes")));
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header)?;
    let text = String::from_utf8(header).map_err(|_| damaged("its header is not text"))?;
    Ok((text, (start.len() + field + length) as u64))
}

/// What a header says of an array.
#[derive(Debug, PartialEq, Eq)]
struct Array {
    kind: FloatType,
    rows: usize,
    width: usize,
}

impl Array {
    /// Reads the dictionary in the header, whose three entries NumPy writes in any order.
    fn of(header: &str) -> io::Result<Self> {
        let value = |key: &str| {
            let (_, value) = header.split_once(&format!("'{key}':"))?;
            Some(value.trim_start())
        };
        let kind = || value("descr")?.strip_prefix('\'')?.split_once('\'');
        let kind = match kind().map(|(kind, _)| kind) {
            Some("<f2") => FloatType::F16,
            Some("<f4") => FloatType::F32,
            Some("<f8") => FloatType::F64,
            other => {
                let found = other.unwrap_or("unknown");
                return Err(damaged(format!("its numbers are `{found}`: save them as float32")));
            }
        };
        if value("fortran_order").is_none_or(|value| !value.starts_with("False")) {
            return Err(damaged("it is not in C order: save it with numpy.ascontiguousarray"));
        }
        let shape = || value("shape")?.strip_prefix('(')?.split_once(')');
        let (shape, _) = shape().ok_or_else(|| damaged("its header has no shape"))?;
        let lengths = shape.split(',').map(str::trim).filter(|text| !text.is_empty());
        match lengths.map(str::parse).collect::<Result<Vec<usize>, _>>().as_deref() {
            Ok([rows, width]) => Ok(Self { kind, rows: *rows, width: *width }),
            _ => Err(damaged(format!("its shape is ({shape}), not (photos, features)"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_numpy_are_understood() {
        // As numpy.save 1.x and 2.x, and numpy.lib.format.write_array with a version write them.
        let written = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 512), }   \n";
        let array = Array { kind: FloatType::F64, rows: 3, width: 512 };
        assert_eq!(Array::of(written).unwrap(), array);
        let other = "{'shape': (3,512), 'fortran_order':False, 'descr':'<f2'}";
        assert_eq!(Array::of(other).unwrap(), Array { kind: FloatType::F16, ..array });
        for (wrong, reason) in [
            (written.replace("<f8", ">f8"), "`>f8`"),
            (written.replace("'<f8'", "[('a', '<f4')]"), "`unknown`"),
            (written.replace("False", "True"), "ascontiguousarray"),
            (written.replace("(3, 512)", "(3, 512, 7, 7)"), "(3, 512, 7, 7)"),
            (written.replace("(3, 512)", "(1536,)"), "(1536,)"),
            (written.replace("(3, 512)", "(-3, 512)"), "(-3, 512)"),
            ("{}".into(), "`unknown`"),
        ] {
            let error = Array::of(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }
}
