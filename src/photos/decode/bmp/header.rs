//! The headers of a BMP: Windows' from version 1 to 5, and OS/2's.

/// How the pixels lie in a row.
#[derive(Clone, Copy)]
pub(super) enum Pixels {
    /// Indices into the palette, of 1, 4 or 8 bits.
    Indices { bits: usize },
    /// 5 bits for red and blue, and 5 or 6 for green.
    Bits16 { green: usize },
    /// Bytes of a pixel, and the places of red, green and blue among them.
    Bytes { size: usize, places: [usize; 3] },
}

impl Pixels {
    pub fn bits(self) -> usize {
        match self {
            Self::Indices { bits } => bits,
            Self::Bits16 { .. } => 16,
            Self::Bytes { size, .. } => 8 * size,
        }
    }
}

/// How rows are stored.
#[derive(Clone, Copy)]
pub(super) enum Compression {
    None,
    Rle { four_bits: bool },
}

/// What is needed to decode a BMP.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub width: usize,
    pub height: usize,
    pub top_down: bool,
    pub pixels: Pixels,
    pub compression: Compression,
    /// Offset of the pixels.
    pub offset: usize,
    palette: usize,
    palette_entries: usize,
    /// Bytes of an entry.
    entry: usize,
}

impl Header {
    /// Reads the headers. `None` if PIL does not read such a file.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let mut offset = u32_at(10)? as usize;
        let size = u32_at(14)? as usize;
        let core = size == 12;
        if !core && !matches!(size, 40 | 52 | 56 | 64 | 108 | 124) {
            return None;
        }
        let (width, height) = match core {
            true => (u32::from(u16_at(18)?), i64::from(u16_at(20)?)),
            false => (u32_at(18)?, i64::from(u32_at(22)?.cast_signed())),
        };
        let bits = usize::from(u16_at(if core { 24 } else { 28 })?);
        let compression = if core { 0 } else { u32_at(30)? };
        let colours = if core { 0 } else { u32_at(46)? as usize };
        let end = 14 + size;
        // With BITFIELDS, a header of 40 bytes is followed by three masks.
        let (masks_at, palette) = match (compression, size) {
            (3, 40) => (end, end + 12),
            _ => (54, end),
        };
        let mask = |index: usize| u32_at(masks_at + 4 * index);
        let masks = match compression {
            3 => {
                let alpha = if size >= 56 { mask(3)? } else { 0 };
                Some([mask(0)?, mask(1)?, mask(2)?, alpha])
            }
            _ => None,
        };
        let pixels = Self::pixels(bits, masks)?;
        let compression = match (compression, bits) {
            (0 | 3, _) => Compression::None,
            (1, 1 | 4 | 8) => Compression::Rle { four_bits: false },
            (2, 1 | 4 | 8) => Compression::Rle { four_bits: true },
            _ => return None,
        };
        let entry = if core { 3 } else { 4 };
        let palette_entries = match (colours, pixels) {
            (_, Pixels::Bits16 { .. } | Pixels::Bytes { .. }) => 0,
            (0, _) => 1 << bits,
            (colours, _) if colours > 65536 => return None,
            (colours, _) => colours,
        };
        let after = palette + entry * palette_entries;
        if offset == 0 || offset == end && bits <= 8 {
            offset = after;
        }
        Some(Self {
            width: width as usize,
            height: usize::try_from(height.unsigned_abs()).ok()?,
            top_down: height < 0,
            pixels,
            compression,
            offset,
            palette,
            palette_entries,
            entry,
        })
    }

    /// The layouts that PIL has.
    fn pixels(bits: usize, masks: Option<[u32; 4]>) -> Option<Pixels> {
        let bytes = |size, places| Some(Pixels::Bytes { size, places });
        match (bits, masks) {
            (1 | 4 | 8, None) => Some(Pixels::Indices { bits }),
            (16, None | Some([0x7c00, 0x3e0, 0x1f, _])) => Some(Pixels::Bits16 { green: 5 }),
            (16, Some([0xf800, 0x7e0, 0x1f, _])) => Some(Pixels::Bits16 { green: 6 }),
            (24, None | Some([0xff_0000, 0xff00, 0xff, _])) => bytes(3, [2, 1, 0]),
            (32, None | Some([0, 0, 0, 0])) => bytes(4, [2, 1, 0]),
            (32, Some([red, green, blue, _])) => {
                let place = |mask: u32| match mask {
                    0xff => Some(0),
                    0xff00 => Some(1),
                    0xff_0000 => Some(2),
                    0xff00_0000 => Some(3),
                    _ => None,
                };
                bytes(4, [place(red)?, place(green)?, place(blue)?])
            }
            _ => None,
        }
    }

    /// The colours of all indices. As in PIL, one without an entry is black, or a grey value if
    /// all entries are the grey values of their indices.
    pub fn colours(&self, bytes: &[u8]) -> [[u8; 3]; 256] {
        let palette = bytes.get(self.palette..).unwrap_or_default();
        let entries = palette.chunks_exact(self.entry).take(self.palette_entries);
        let entries: Vec<[u8; 3]> =
            entries.map(|entry| [entry[2], entry[1], entry[0]]).take(256).collect();
        let grey = entries.iter().enumerate().all(|(at, entry)| *entry == [at as u8; 3]);
        std::array::from_fn(|index| {
            let free = if grey { [index as u8; 3] } else { [0; 3] };
            entries.get(index).copied().unwrap_or(free)
        })
    }
}
