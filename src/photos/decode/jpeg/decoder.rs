//! A JPEG decoder for what `zune-jpeg` does not read correctly: scans with fewer components than
//! the frame, unusual sampling factors, and damaged data between restart markers. Its pixels are
//! libjpeg's.
//!
//! Sequential scans are transformed as they are read, into one plane per component. A progressive
//! frame keeps its coefficients until the last scan.

use image::RgbImage;

use super::block::{self, Block, Spectrum, natural};
use super::frame::Frame;
use super::huffman::{Bits, Table};
use super::rgb::to_rgb;
use super::segment::segments;
use super::standard::STANDARD_TABLES;
use super::transform;
use super::upsample::Plane;
use crate::photos::decode::{DecodeError, DecodeWarning, Decoded};

/// A scan each visits all blocks, so that many tiny scans could take hours. Encoders write up to
/// about a hundred.
const MAX_SCANS: usize = 256;

struct Component {
    plane: Plane,
    /// Blocks across and down without the padding of interleaved scans.
    blocks: (usize, usize),
    sampling: (usize, usize),
    quantisation_index: usize,
    /// The table as it was at the component's first scan.
    quantisation: Option<[u16; 64]>,
    /// `[rows of blocks, plane.stride / 8]`; empty in a sequential frame.
    coefficients: Vec<Block>,
}

struct Decoder {
    components: Vec<Component>,
    ids: Vec<u8>,
    progressive: bool,
    /// Groups of blocks across and down in interleaved scans.
    groups: (usize, usize),
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    quantisation: [Option<[u16; 64]>; 4],
    restart_interval: usize,
    warning: Option<DecodeWarning>,
}

const NO_TABLE: DecodeError = DecodeError::Damaged("the JPEG lacks a table that a scan needs");

/// A component in a scan.
struct Scanned {
    component: usize,
    dc: usize,
    ac: usize,
}

/// Decodes a file whose frame header was read.
///
/// # Errors
/// If a header is damaged. Damaged and missing data of scans is a warning.
pub(super) fn decode(bytes: &[u8], frame: &Frame) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(frame)?;
    let mut scans = 0;
    let mut complete = false;
    let mut parts = segments(bytes);
    while let Some(segment) = parts.next() {
        match segment.marker {
            0xc4 => decoder.read_huffman(segment.data)?,
            0xdb => decoder.read_quantisation(segment.data)?,
            0xdd => {
                let [high, low, ..] = segment.data else { continue };
                decoder.restart_interval = usize::from(u16::from_be_bytes([*high, *low]));
            }
            0xda if scans == MAX_SCANS => break,
            0xda => {
                scans += 1;
                parts.resume(decoder.scan(segment.data, bytes, segment.end)?);
            }
            0xd9 => {
                complete = true;
                break;
            }
            _ => {}
        }
    }
    let unseen = decoder.components.iter().any(|component| component.quantisation.is_none());
    if unseen || frame.progressive && !complete {
        decoder.warning = Some(DecodeWarning::Incomplete);
    }
    let warning = decoder.warning;
    Ok(Decoded { photo: decoder.photo(frame), warning })
}

impl Decoder {
    fn new(frame: &Frame) -> Result<Self, DecodeError> {
        let (max_h, max_v) = frame.max_sampling();
        let groups = (frame.width.div_ceil(8 * max_h), frame.height.div_ceil(8 * max_v));
        let mut components = Vec::new();
        for component in &frame.components {
            // A component alone is never interleaved, and its factors mean nothing.
            let (h, v) = component.sampling;
            if max_h % h != 0 || max_v % v != 0 {
                return Err(DecodeError::Unsupported("a JPEG with fractional sampling"));
            }
            let width = (frame.width * h).div_ceil(max_h);
            let height = (frame.height * v).div_ceil(max_v);
            let (across, down) = (groups.0 * h, groups.1 * v);
            let stored = if frame.progressive { across * down } else { 0 };
            components.push(Component {
                plane: Plane {
                    stride: 8 * across,
                    // What no scan has is grey, as in libjpeg.
                    samples: vec![128; 64 * across * down],
                    width,
                    height,
                    factors: (max_h / h, max_v / v),
                },
                blocks: (width.div_ceil(8), height.div_ceil(8)),
                sampling: component.sampling,
                quantisation_index: component.quantisation,
                quantisation: None,
                coefficients: vec![[0; 64]; stored],
            });
        }
        let mut decoder = Self {
            components,
            ids: frame.components.iter().map(|component| component.id).collect(),
            progressive: frame.progressive,
            groups,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            quantisation: [None; 4],
            restart_interval: 0,
            warning: None,
        };
        // For a file without tables, or with fewer than its scans need.
        decoder.read_huffman(&STANDARD_TABLES)?;
        Ok(decoder)
    }

    fn read_huffman(&mut self, mut data: &[u8]) -> Result<(), DecodeError> {
        while let Some((&[class, ref counts @ ..], rest)) = data.split_first_chunk::<17>() {
            let count: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(..count);
            let table = Table::new(counts, symbols.unwrap_or(rest))?;
            let tables = if class & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            if let Some(slot) = tables.get_mut(usize::from(class & 15)) {
                *slot = Some(table);
            }
            data = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_quantisation(&mut self, mut data: &[u8]) -> Result<(), DecodeError> {
        while let Some((class, rest)) = data.split_first() {
            let unit = if class & 0xf0 == 0 { 1 } else { 2 };
            let Some(values) = rest.get(..64 * unit) else {
                return Err(DecodeError::Damaged("a quantisation table of the JPEG is cut off"));
            };
            let mut table = [0; 64];
            for (index, value) in values.chunks_exact(unit).enumerate() {
                table[natural(index)] =
                    value.iter().fold(0, |number, byte| number << 8 | u16::from(*byte));
            }
            if let Some(slot) = self.quantisation.get_mut(usize::from(class & 15)) {
                *slot = Some(table);
            }
            data = &rest[64 * unit..];
        }
        Ok(())
    }

    /// Reads a scan and returns the offset where its data ends.
    fn scan(&mut self, header: &[u8], bytes: &[u8], start: usize) -> Result<usize, DecodeError> {
        const DAMAGED: DecodeError = DecodeError::Damaged("a scan header of the JPEG is damaged");
        let (count, rest) = header.split_first().ok_or(DAMAGED)?;
        let count = usize::from(*count);
        let (selectors, rest) = rest.split_at_checked(2 * count).ok_or(DAMAGED)?;
        let [first, last, bits, ..] = *rest else { return Err(DAMAGED) };
        let spectrum = Spectrum {
            first: usize::from(first),
            last: usize::from(last),
            refines: bits >> 4 != 0,
            low: u32::from(bits & 15),
        };
        if count == 0 || self.progressive && !spectrum.is_valid(count) {
            return Err(DAMAGED);
        }
        let mut scanned: Vec<Scanned> = Vec::new();
        for [id, tables] in selectors.as_chunks::<2>().0 {
            let component = self.ids.iter().enumerate().position(|(index, known)| {
                known == id && scanned.iter().all(|other| other.component != index)
            });
            let component = component.ok_or(DAMAGED)?;
            let [dc, ac] = [tables >> 4, tables & 15].map(|table| usize::from(table & 3));
            scanned.push(Scanned { component, dc, ac });
            let component = &mut self.components[component];
            if component.quantisation.is_none() {
                let table = self.quantisation[component.quantisation_index];
                component.quantisation = Some(table.ok_or(NO_TABLE)?);
            }
        }
        let mut bits = Bits::new(bytes, start);
        self.read_blocks(&scanned, spectrum, &mut bits)?;
        if bits.exhausted {
            self.warning = Some(DecodeWarning::Incomplete);
        } else if bits.bad_code {
            self.warning.get_or_insert(DecodeWarning::Damaged);
        }
        Ok(bits.position())
    }

    fn read_blocks(
        &mut self,
        scanned: &[Scanned],
        spectrum: Spectrum,
        bits: &mut Bits,
    ) -> Result<(), DecodeError> {
        let alone = scanned.len() == 1;
        let (across, down) = match scanned {
            [one] => self.components[one.component].blocks,
            _ => self.groups,
        };
        let mut predictions = vec![0; scanned.len()];
        let (mut end_run, mut to_restart, mut expected) = (0, self.restart_interval, 0);
        for index in 0..across * down {
            if self.restart_interval > 0 {
                if to_restart == 0 {
                    let cut = bits.exhausted;
                    if !bits.restart(expected) || cut {
                        self.warning.get_or_insert(DecodeWarning::Damaged);
                    }
                    expected = (expected + 1) & 7;
                    predictions.fill(0);
                    end_run = 0;
                    to_restart = self.restart_interval;
                }
                to_restart -= 1;
            }
            if bits.exhausted {
                // `Bits::restart` never passes any other marker.
                if self.restart_interval > 0
                    && matches!(bits.marker, Some(0x01..0xc0 | 0xd0..=0xd7))
                {
                    continue;
                }
                break;
            }
            let (group_x, group_y) = (index % across, index / across);
            for (one, prediction) in scanned.iter().zip(&mut predictions) {
                let (h, v) = match alone {
                    true => (1, 1),
                    false => self.components[one.component].sampling,
                };
                for block in 0..h * v {
                    let place = (group_x * h + block % h, group_y * v + block / h);
                    self.read_block(one, spectrum, place, bits, (prediction, &mut end_run))?;
                }
            }
        }
        Ok(())
    }

    fn read_block(
        &mut self,
        one: &Scanned,
        spectrum: Spectrum,
        (x, y): (usize, usize),
        bits: &mut Bits,
        (prediction, end_run): (&mut i32, &mut u32),
    ) -> Result<(), DecodeError> {
        let dc = self.dc[one.dc].as_ref().ok_or(NO_TABLE);
        let ac = self.ac[one.ac].as_ref().ok_or(NO_TABLE);
        let component = &mut self.components[one.component];
        let across = component.plane.stride / 8;
        if !self.progressive {
            let mut block = [0; 64];
            block::sequential(bits, dc?, ac?, prediction, &mut block);
            let quantisation = component.quantisation.as_ref().ok_or(NO_TABLE)?;
            let stride = component.plane.stride;
            let samples = &mut component.plane.samples[8 * (y * stride + x)..];
            transform::inverse(&block, quantisation, samples, stride);
            return Ok(());
        }
        let block = &mut component.coefficients[y * across + x];
        match (spectrum.first, spectrum.refines) {
            (0, false) => block::dc_first(bits, dc?, spectrum.low, prediction, block),
            (0, true) => block::dc_refined(bits, spectrum.low, block),
            (_, false) => block::ac_first(bits, ac?, spectrum, end_run, block),
            (_, true) => block::ac_refined(bits, ac?, spectrum, end_run, block),
        }
        Ok(())
    }

    fn photo(mut self, frame: &Frame) -> RgbImage {
        for component in &mut self.components {
            // A component without a scan stays grey.
            let Some(quantisation) = component.quantisation else { continue };
            let stride = component.plane.stride;
            let blocks = std::mem::take(&mut component.coefficients);
            for (index, block) in blocks.iter().enumerate() {
                let (x, y) = (index % (stride / 8), index / (stride / 8));
                let samples = &mut component.plane.samples[8 * (y * stride + x)..];
                transform::inverse(block, &quantisation, samples, stride);
            }
        }
        let colours = frame.colours();
        let mut rows = vec![vec![0; frame.width]; self.components.len()];
        let mut photo = RgbImage::new(frame.width as u32, frame.height as u32);
        for (y, out) in photo.chunks_exact_mut(3 * frame.width).enumerate() {
            for (component, row) in self.components.iter().zip(&mut rows) {
                component.plane.upsample(y, row);
            }
            to_rgb(colours, &rows, out);
        }
        photo
    }
}
