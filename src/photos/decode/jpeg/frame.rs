//! What a JPEG's headers say before its first scan.

use super::segment::segments;
use crate::photos::decode::DecodeError;

/// A component of a frame: luma, a colour difference, or one of the inks.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameComponent {
    pub id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub sampling: (usize, usize),
    /// Index of the quantisation table.
    pub quantisation: usize,
}

/// A frame header with what the application segments say about its colours.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: Vec<FrameComponent>,
    jfif: bool,
    /// The transform of an Adobe segment.
    adobe: Option<u8>,
    /// Whether the first scan has all components of a frame that is not progressive.
    pub interleaved: bool,
    /// Whether the data of scans is divided by restart markers.
    pub restarts: bool,
    /// Whether Huffman tables are defined before the first scan.
    pub tables: bool,
    /// Whether an end marker follows the first scan.
    pub ends: bool,
}

/// How components become RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    YCbCr,
    /// Inverted, as Adobe's programs and PIL have it.
    Cmyk,
    /// Inverted, its first three inks as YCbCr.
    Ycck,
}

impl Frame {
    /// Reads the headers up to the first scan.
    ///
    /// # Errors
    /// If there is no frame with a scan, or one that PIL does not read either, or one that is
    /// coded arithmetically.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (mut frame, mut jfif, mut adobe) = (None::<Self>, false, None);
        let (mut restarts, mut tables) = (false, false);
        for segment in segments(bytes) {
            match (segment.marker, segment.data) {
                (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => jfif = true,
                (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    adobe = Some(*transform);
                }
                (0xc4, _) => tables = true,
                (0xdd, [high, low, ..]) => restarts = (*high, *low) != (0, 0),
                (0xc0..=0xc2, data) => frame = Some(Self::parsed(segment.marker, data)?),
                (0xc3 | 0xc7, _) => return Err(DecodeError::Unsupported("a lossless JPEG")),
                (0xc5 | 0xc6, _) => return Err(DecodeError::Unsupported("a hierarchical JPEG")),
                (0xc9..=0xcb | 0xcd..=0xcf, _) => {
                    return Err(DecodeError::Unsupported("an arithmetic-coded JPEG"));
                }
                (0xf7, [_, ..]) => return Err(DecodeError::Unsupported("a JPEG-LS image")),
                (0xda, [count, ..]) => {
                    let frame = frame.ok_or(DecodeError::Damaged("the JPEG has no frame"))?;
                    let interleaved =
                        frame.progressive || usize::from(*count) == frame.components.len();
                    // It is usually the last, so the search begins there.
                    let mut pairs = bytes[segment.end..].windows(2).rev();
                    let ends = pairs.any(|pair| pair == [0xff, 0xd9]);
                    return Ok(Self { jfif, adobe, restarts, interleaved, tables, ends, ..frame });
                }
                (0xd9, _) => break,
                _ => {}
            }
        }
        Err(DecodeError::Damaged("the JPEG ends before its first scan"))
    }

    fn parsed(marker: u8, data: &[u8]) -> Result<Self, DecodeError> {
        const DAMAGED: DecodeError = DecodeError::Damaged("the JPEG's frame header is damaged");
        let [precision, a, b, c, d, count, components @ ..] = data else { return Err(DAMAGED) };
        match precision {
            8 => {}
            12 => return Err(DecodeError::Unsupported("a JPEG with 12 bits a value")),
            16 => return Err(DecodeError::Unsupported("a JPEG with 16 bits a value")),
            _ => return Err(DAMAGED),
        }
        let height = usize::from(u16::from_be_bytes([*a, *b]));
        let width = usize::from(u16::from_be_bytes([*c, *d]));
        if width == 0 || height == 0 {
            return Err(DecodeError::Empty);
        }
        let count = usize::from(*count);
        let components: Vec<FrameComponent> = components
            .as_chunks::<3>()
            .0
            .iter()
            .take(count)
            .map(|[id, sampling, quantisation]| FrameComponent {
                id: *id,
                sampling: (usize::from(sampling >> 4), usize::from(sampling & 15)),
                quantisation: usize::from(*quantisation),
            })
            .collect();
        let valid = |component: &FrameComponent| {
            let (h, v) = component.sampling;
            (1..=4).contains(&h) && (1..=4).contains(&v) && component.quantisation < 4
        };
        if components.len() != count || !components.iter().all(valid) {
            return Err(DAMAGED);
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(DecodeError::Unsupported("a JPEG of neither 1, 3 nor 4 components"));
        }
        Ok(Self {
            width,
            height,
            progressive: marker == 0xc2,
            components,
            jfif: false,
            adobe: None,
            interleaved: true,
            restarts: false,
            tables: true,
            ends: true,
        })
    }

    /// The largest sampling factors.
    pub fn max_sampling(&self) -> (usize, usize) {
        let factors = self.components.iter().map(|component| component.sampling);
        factors.fold((1, 1), |(h, v), (a, b)| (h.max(a), v.max(b)))
    }

    /// Whether every decoder takes three components for YCbCr: nothing in the file says otherwise.
    pub fn is_plain_ycbcr(&self) -> bool {
        let rgb = self.components.iter().map(|component| component.id).eq(*b"RGB");
        self.components.len() == 3 && !rgb && matches!(self.adobe, None | Some(1))
    }

    /// The colour space, as libjpeg guesses it (`default_decompress_parms`).
    pub fn colours(&self) -> Colours {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match (ids.len(), self.adobe) {
            (1, _) => Colours::Grey,
            (3, _) if self.jfif => Colours::YCbCr,
            (3, Some(0)) => Colours::Rgb,
            (3, None) if ids == *b"RGB" => Colours::Rgb,
            (3, _) => Colours::YCbCr,
            (_, None | Some(0)) => Colours::Cmyk,
            (_, Some(_)) => Colours::Ycck,
        }
    }
}
