//! GIF: the first frame as PIL shows it. What the frame leaves free, and what is transparent in it,
//! has the colour of the transparent index, or of index 0 if there is none.

use image::RgbImage;
use weezl::decode::Decoder;
use weezl::{BitOrder, LzwStatus};

use super::{DecodeError, DecodeWarning, Decoded, check_size};

const CUT: DecodeError = DecodeError::Damaged("the GIF ends before its first frame");

/// Decodes the first frame on its canvas.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let mut reader = Reader { bytes, at: 6 };
    let [width, height] = [reader.u16()?, reader.u16()?];
    let [flags, _background, _aspect] = *reader.take(3)?.first_chunk().ok_or(CUT)?;
    let global = reader.palette(flags)?;
    let mut transparent = 0;
    loop {
        match reader.byte()? {
            b'!' => {
                let label = reader.byte()?;
                let block = reader.block().unwrap_or_default();
                if label == 0xf9
                    && let [flags, _, _, index, ..] = block
                    && flags & 1 != 0
                {
                    transparent = *index;
                }
                if !block.is_empty() {
                    while reader.block().is_some_and(|block| !block.is_empty()) {}
                }
            }
            b',' => break,
            b';' => return Err(CUT),
            // PIL passes over bytes that begin no block.
            _ => {}
        }
    }
    let [left, top, frame_width, frame_height] =
        [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    let flags = reader.byte()?;
    let palette = reader.palette(flags)?.or(global);
    let (width, height) = (width.max(left + frame_width), height.max(top + frame_height));
    if frame_width == 0 || frame_height == 0 {
        return Err(DecodeError::Empty);
    }
    // The canvas's indices, then its colours.
    check_size(4 * (width * height) as u64)?;
    let frame = reader.frame(frame_width * frame_height)?;
    let warning = (frame.len() < frame_width * frame_height).then_some(DecodeWarning::Incomplete);
    let mut canvas = vec![transparent; width * height];
    for (row, y) in frame.chunks(frame_width).zip(rows(frame_height, flags & 0x40 != 0)) {
        canvas[(top + y) * width + left..][..row.len()].copy_from_slice(row);
    }
    // Without a palette, or with one that says the same, an index is a grey value. Past the end of
    // any other palette all is black.
    let is_grey = |palette: &&[u8]| {
        palette.chunks(3).enumerate().all(|(index, entry)| entry == [index as u8; 3])
    };
    let palette = palette.filter(|palette| !is_grey(palette));
    let colour = |index: u8| match palette {
        None => [index; 3],
        Some(palette) => {
            let entry = palette.get(3 * usize::from(index)..);
            entry.and_then(|entry| entry.first_chunk()).copied().unwrap_or_default()
        }
    };
    let colours: Vec<[u8; 3]> = (0..=255).map(colour).collect();
    let mut photo = RgbImage::new(width as u32, height as u32);
    for (out, index) in photo.as_mut().as_chunks_mut::<3>().0.iter_mut().zip(canvas) {
        *out = colours[usize::from(index)];
    }
    Ok(Decoded { photo, warning })
}

/// The order of a frame's rows in the file.
fn rows(height: usize, interlaced: bool) -> Box<dyn Iterator<Item = usize>> {
    match interlaced {
        false => Box::new(0..height),
        true => Box::new(
            [(0, 8), (4, 8), (2, 4), (1, 2)]
                .into_iter()
                .flat_map(move |(first, step)| (first..height).step_by(step)),
        ),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or(CUT)?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<usize, DecodeError> {
        Ok(usize::from(u16::from_le_bytes([self.byte()?, self.byte()?])))
    }

    /// The palette that the flags announce.
    fn palette(&mut self, flags: u8) -> Result<Option<&'a [u8]>, DecodeError> {
        match flags & 0x80 {
            0 => Ok(None),
            _ => self.take(3 << ((flags & 7) + 1)).map(Some),
        }
    }

    /// The next block of data; of the last one, what is there. `None` at the end of the file.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte().ok()?);
        let rest = &self.bytes[self.at..];
        self.at += length.min(rest.len());
        Some(&rest[..length.min(rest.len())])
    }

    /// The indices of a frame, as many as are there.
    fn frame(&mut self, count: usize) -> Result<Vec<u8>, DecodeError> {
        let code_size = self.byte()?;
        if !(1..=8).contains(&code_size) {
            return Err(DecodeError::Damaged("the GIF's first code has an impossible size"));
        }
        let mut decoder = Decoder::new(BitOrder::Lsb, code_size);
        let mut indices = vec![0; count];
        let mut filled = 0;
        'blocks: while let Some(mut block) = self.block().filter(|block| !block.is_empty()) {
            while !block.is_empty() && filled < count {
                let result = decoder.decode_bytes(block, &mut indices[filled..]);
                filled += result.consumed_out;
                block = &block[result.consumed_in..];
                match result.status {
                    Ok(LzwStatus::Ok) => {}
                    // Rest of a code: more bytes are needed.
                    Ok(LzwStatus::NoProgress) => break,
                    Ok(LzwStatus::Done) | Err(_) => break 'blocks,
                }
            }
        }
        // Codes that are read already may still have indices to give.
        while filled < count {
            let result = decoder.decode_bytes(&[], &mut indices[filled..]);
            filled += result.consumed_out;
            if result.consumed_out == 0 {
                break;
            }
        }
        indices.truncate(filled);
        Ok(indices)
    }
}
