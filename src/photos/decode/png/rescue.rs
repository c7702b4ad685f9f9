//! The rows of a damaged PNG that can still be read.

use flate2::{Decompress, FlushDecompress, Status};
use image::RgbImage;

use super::{Chunk, chunks};
use crate::photos::decode::{DecodeError, DecodeWarning, Decoded, check_size};

/// First column and row, and the steps between them, of the seven passes of an interlaced picture.
const ADAM7: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

struct Header<'a> {
    width: usize,
    height: usize,
    bits: usize,
    /// Samples of a pixel.
    samples: usize,
    interlaced: bool,
    palette: Option<&'a [u8]>,
}

/// Decodes the rows up to the first damage. `None` if there are none, or if size or palette are
/// damaged: every pixel would be wrong.
///
/// # Errors
/// If the picture is too large.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<Decoded>, DecodeError> {
    let Some(header) = Header::read(bytes) else { return Ok(None) };
    let Header { width, height, .. } = header;
    check_size(((width * height) as u64).saturating_mul(3 + header.pixel_bytes() as u64))?;
    let passes: &[[usize; 4]] = if header.interlaced { &ADAM7 } else { &[[0, 0, 1, 1]] };
    let row_bytes = |columns: usize| (columns * header.samples * header.bits).div_ceil(8);
    let size = |[x, y, step_x, step_y]: [usize; 4]| {
        (width.saturating_sub(x).div_ceil(step_x), height.saturating_sub(y).div_ceil(step_y))
    };
    let total = passes.iter().map(|pass| size(*pass)).filter(|(columns, _)| *columns > 0);
    let total = total.map(|(columns, rows)| rows * (1 + row_bytes(columns))).sum();
    let (mut data, mut damaged) = inflate(bytes, total);
    let mut rest = data.as_mut_slice();
    // What is missing has value or index 0.
    let missing = header.rgb(&[0; 8], 0);
    let mut photo = RgbImage::from_pixel(width as u32, height as u32, image::Rgb(missing));
    let (mut rows_read, mut complete) = (0, true);
    'passes: for pass in passes {
        let [left, top, step_x, step_y] = *pass;
        let (columns, rows) = size(*pass);
        let length = row_bytes(columns);
        let mut above = vec![0; length];
        for row in 0..if columns > 0 { rows } else { 0 } {
            let Some((line, after)) = rest.split_at_mut_checked(1 + length) else {
                complete = false;
                break 'passes;
            };
            rest = after;
            let (filter, line) = line.split_at_mut(1);
            if unfilter(filter[0], line, &above, header.pixel_bytes()).is_none() {
                (complete, damaged) = (false, true);
                break 'passes;
            }
            for column in 0..columns {
                let (x, y) = (left + column * step_x, top + row * step_y);
                photo.put_pixel(x as u32, y as u32, image::Rgb(header.rgb(line, column)));
            }
            above.copy_from_slice(line);
            rows_read += 1;
        }
    }
    let warning = match (complete, damaged) {
        (false, _) => Some(DecodeWarning::Incomplete),
        (true, true) => Some(DecodeWarning::Damaged),
        (true, false) => None,
    };
    Ok((rows_read > 0).then_some(Decoded { photo, warning }))
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut before: Vec<Chunk<'a>> =
            chunks(bytes).take_while(|chunk| chunk.name != *b"IDAT").collect();
        before.retain(|chunk| matches!(&chunk.name, b"IHDR" | b"PLTE"));
        if !before.iter().all(Chunk::is_intact) {
            return None;
        }
        let find = |name| before.iter().find(|chunk| chunk.name == name).map(|chunk| chunk.data);
        let [a, b, c, d, e, f, g, h, bits, colour, 0, 0, interlace] = find(*b"IHDR")? else {
            return None;
        };
        let palette = find(*b"PLTE");
        let samples = match (colour, bits) {
            (0, 1 | 2 | 4 | 8 | 16) => 1,
            (2, 8 | 16) => 3,
            (3, 1 | 2 | 4 | 8) => 1,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return None,
        };
        let (width, height) =
            (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h]));
        if width == 0 || height == 0 || width > i32::MAX as u32 || height > i32::MAX as u32 {
            return None;
        }
        Some(Self {
            width: width as usize,
            height: height as usize,
            bits: usize::from(*bits),
            samples,
            interlaced: *interlace != 0,
            palette: if *colour == 3 { Some(palette?) } else { None },
        })
    }

    /// Bytes between a byte of a pixel and the same byte of the next one, at least 1.
    fn pixel_bytes(&self) -> usize {
        (self.samples * self.bits).div_ceil(8)
    }

    /// The colour of a pixel of a row. Alpha is dropped.
    fn rgb(&self, line: &[u8], column: usize) -> [u8; 3] {
        let sample = |index: usize| match self.bits {
            16 => line[2 * (self.samples * column + index)],
            8 => line[self.samples * column + index],
            bits => {
                let shift = 8 - bits - bits * column % 8;
                line[bits * column / 8] >> shift & ((1u16 << bits) - 1) as u8
            }
        };
        match (self.palette, self.samples) {
            (Some(palette), _) => {
                let entry = palette.get(3 * usize::from(sample(0))..);
                entry.and_then(|entry| entry.first_chunk()).copied().unwrap_or_default()
            }
            (None, 3 | 4) => [sample(0), sample(1), sample(2)],
            (None, _) => {
                let scale = if self.bits < 8 { 255 / ((1u16 << self.bits) - 1) as u8 } else { 1 };
                [sample(0) * scale; 3]
            }
        }
    }
}

/// At most `total` bytes of the compressed data of all `IDAT` chunks, up to the first damage, and
/// whether a checksum is wrong.
fn inflate(bytes: &[u8], total: usize) -> (Vec<u8>, bool) {
    let mut stream = Decompress::new(true);
    let mut data = Vec::new();
    let mut damaged = false;
    for chunk in chunks(bytes).filter(|chunk| chunk.name == *b"IDAT") {
        damaged |= !chunk.is_intact();
        let mut input = chunk.data;
        while data.len() < total {
            // Grown as the data comes: a few bytes may declare a large picture.
            data.reserve((total - data.len()).min(1 << 16));
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.decompress_vec(input, &mut data, FlushDecompress::None);
            input = &input[(stream.total_in() - read) as usize..];
            match status {
                Ok(Status::Ok) if stream.total_out() > written || !input.is_empty() => {}
                Ok(Status::Ok | Status::BufError) => break,
                Ok(Status::StreamEnd) => return (data, damaged),
                Err(_) => return (data, true),
            }
        }
    }
    data.truncate(total);
    (data, damaged)
}

/// Undoes the filter of a row. `None` if there is no such filter.
fn unfilter(filter: u8, line: &mut [u8], above: &[u8], pixel: usize) -> Option<()> {
    for at in 0..line.len() {
        let left = if at >= pixel { line[at - pixel] } else { 0 };
        let corner = if at >= pixel { above[at - pixel] } else { 0 };
        let predicted = match filter {
            0 => 0,
            1 => left,
            2 => above[at],
            3 => left.midpoint(above[at]),
            4 => paeth(left, above[at], corner),
            _ => return None,
        };
        line[at] = line[at].wrapping_add(predicted);
    }
    Some(())
}

/// Whichever of the three is closest to `left + above - corner`.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let distance = |value: i16| (a + b - c - value).abs();
    match (distance(a), distance(b), distance(c)) {
        (to_a, to_b, to_c) if to_a <= to_b && to_a <= to_c => left,
        (_, to_b, to_c) if to_b <= to_c => above,
        _ => corner,
    }
}
