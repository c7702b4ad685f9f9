//! The orientation in an EXIF block or a TIFF file: tag 274 of its first directory.
//!
//! Read as PIL's `ImageFileDirectory_v2` reads it: the value may be of any numeric type and of any
//! count, the first entry of the tag decides, and an entry whose value is not inside the block is
//! passed over.

/// The tag of the orientation.
pub(super) const ORIENTATION: u16 = 274;
/// The tag of the XMP packet in a TIFF file.
pub(super) const XMP: u16 = 700;

/// The first directory of a TIFF structure.
pub(super) struct Directory<'a> {
    block: &'a [u8],
    little_endian: bool,
    /// 64-bit offsets and counts.
    big: bool,
    entries: &'a [u8],
    /// Offset of `entries` in the block.
    start: usize,
}

/// The raw value of an entry.
pub(super) struct Value<'a> {
    kind: u16,
    bytes: &'a [u8],
    little_endian: bool,
    /// Offset of `bytes` in the block.
    offset: usize,
}

impl<'a> Directory<'a> {
    /// The directory that the header points to, or `None` if the block is not a TIFF structure. A
    /// directory that is cut off has the entries that are there.
    pub fn first(block: &'a [u8]) -> Option<Self> {
        let header: [u8; 4] = *block.first_chunk()?;
        // PIL also accepts the two headers whose version is in the other byte order.
        let (little_endian, big) = match &header {
            b"II\x2a\0" | b"II\0\x2a" => (true, false),
            b"MM\0\x2a" | b"MM\x2a\0" => (false, false),
            b"II\x2b\0" => (true, true),
            b"MM\0\x2b" => (false, true),
            _ => return None,
        };
        let mut directory = Self { block, little_endian, big, entries: &[], start: 0 };
        let (start, count_bytes, entry_bytes) = match big {
            true => (directory.number(block.get(8..16)?), 8, 20),
            false => (directory.number(block.get(4..8)?), 2, 12),
        };
        let start = usize::try_from(start).ok()?;
        let entries = start.checked_add(count_bytes)?;
        let count = usize::try_from(directory.number(block.get(start..entries)?)).ok()?;
        let rest = block.get(entries..)?;
        let whole = rest.len() / entry_bytes;
        directory.entries = &rest[..count.min(whole) * entry_bytes];
        directory.start = entries;
        Some(directory)
    }

    /// The value of the first entry of `tag` whose value is inside the block.
    pub fn value(&self, tag: u16) -> Option<Value<'a>> {
        let (entry_bytes, inline) = if self.big { (20, 8) } else { (12, 4) };
        self.entries.chunks_exact(entry_bytes).enumerate().find_map(|(index, entry)| {
            if self.number(&entry[..2]) != u64::from(tag) {
                return None;
            }
            let kind = self.number(&entry[2..4]) as u16;
            let count = usize::try_from(self.number(&entry[4..4 + inline])).ok()?;
            let field = &entry[4 + inline..];
            let size = unit_size(kind)?.checked_mul(count)?;
            let offset = match size <= inline {
                true => self.start + index * entry_bytes + 4 + inline,
                false => usize::try_from(self.number(field)).ok()?,
            };
            let bytes = self.block.get(offset..offset.checked_add(size)?)?;
            let little_endian = self.little_endian;
            (!bytes.is_empty()).then_some(Value { kind, bytes, little_endian, offset })
        })
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        unsigned(bytes, self.little_endian)
    }
}

/// Bytes of one value of a TIFF type.
fn unit_size(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

fn unsigned(bytes: &[u8], little_endian: bool) -> u64 {
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match little_endian {
        true => bytes.iter().rev().fold(0, append),
        false => bytes.iter().fold(0, append),
    }
}

impl<'a> Value<'a> {
    /// The raw bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the raw bytes in the block.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// All numbers of a list of SHORTs, such as a colour map.
    pub fn shorts(&self) -> Vec<u16> {
        let pairs = self.bytes.as_chunks::<2>().0.iter();
        pairs.map(|pair| unsigned(pair, self.little_endian) as u16).collect()
    }

    /// The first number. Text, and the types that PIL reads as raw bytes, are not numbers.
    pub fn first_number(&self) -> Option<f64> {
        let unit = unit_size(self.kind)?;
        let bits = unsigned(self.bytes.get(..unit)?, self.little_endian);
        let part = |range| unsigned(&self.bytes[range], self.little_endian) as u32;
        Some(match self.kind {
            3 | 4 | 13 | 16 => bits as f64,
            6 => f64::from(bits as i8),
            8 => f64::from(bits as i16),
            9 => f64::from(bits as i32),
            11 => f64::from(f32::from_bits(bits as u32)),
            12 => f64::from_bits(bits),
            5 => f64::from(part(0..4)) / f64::from(part(4..8)),
            10 => f64::from(part(0..4) as i32) / f64::from(part(4..8) as i32),
            _ => return None,
        })
    }
}
