//! TIFF: read by the `tiff` crate, its samples converted to RGB as PIL converts them. Of several
//! pages, the first one is decoded.

use std::borrow::Cow;
use std::io::Cursor;

use image::RgbImage;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::{ColorType, TiffError};

use super::colour::{cmyk, ycbcr};
use super::exif::Directory;
use super::footprint::Pixels;
use super::{DecodeError, Decoded, check_size, memory};

const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR_CONFIGURATION: u16 = 284;
const COLOUR_MAP: u16 = 320;
const TILE_WIDTH: u16 = 322;
const EXTRA_SAMPLES: u16 = 338;

/// Decodes the first page of a TIFF file.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let directory = Directory::first(bytes);
    let number = |tag| directory.as_ref()?.value(tag)?.first_number();
    if number(FILL_ORDER) == Some(2.0) {
        return Err(DecodeError::Unsupported("a TIFF image whose bits are reversed (FillOrder 2)"));
    }
    if let Some(what) = misread(number) {
        return Err(DecodeError::Unsupported(what));
    }
    // Colours multiplied by their opacity.
    let multiplied = number(EXTRA_SAMPLES) == Some(1.0);
    let palette = match number(PHOTOMETRIC) {
        Some(3.0) => directory.as_ref().and_then(|directory| directory.value(COLOUR_MAP)),
        _ => None,
    };
    let palette = palette.map(|map| map.shorts());
    let bytes = match (&palette, &directory) {
        (Some(_), Some(directory)) => Cow::Owned(indices_as_grey(bytes, directory)),
        _ => Cow::Borrowed(bytes),
    };
    let samples = Samples::read(&bytes, palette.is_some())?;
    let Samples { colour, values, count, size: (width, height) } = &samples;
    let mut photo = RgbImage::new(*width, *height);
    let pixels = photo.as_mut().as_chunks_mut::<3>().0.iter_mut().zip(values.chunks_exact(*count));
    let opaque = |value: u8, alpha: u8| match (multiplied, alpha) {
        (false, _) => value,
        (true, 0) => 0,
        (true, alpha) => (255 * u16::from(value) / u16::from(alpha)).min(255) as u8,
    };
    for (out, pixel) in pixels {
        *out = match (colour, pixel) {
            (_, [index, ..]) if palette.is_some() => {
                let map = palette.as_deref().unwrap_or_default();
                let entries = map.len() / 3;
                [0, 1, 2].map(|channel| {
                    let entry = channel * entries + usize::from(*index);
                    map.get(entry).map_or(0, |value| (value >> 8) as u8)
                })
            }
            (ColorType::RGBA(_), [r, g, b, alpha, ..]) => {
                [*r, *g, *b].map(|value| opaque(value, *alpha))
            }
            (ColorType::RGB(_), [r, g, b, ..]) => [*r, *g, *b],
            (ColorType::YCbCr(_), [luma, blue, red, ..]) => ycbcr(*luma, *blue, *red),
            (ColorType::CMYK(_) | ColorType::CMYKA(_), [cyan, magenta, yellow, black, ..]) => {
                cmyk([*cyan, *magenta, *yellow], *black)
            }
            (ColorType::GrayA(_) | ColorType::Multiband { .. }, [grey, alpha]) => {
                [opaque(*grey, *alpha); 3]
            }
            (ColorType::Gray(_) | ColorType::Multiband { .. }, [grey, ..]) => [*grey; 3],
            _ => return Err(DecodeError::Unsupported("a TIFF image of an unusual colour space")),
        };
    }
    Ok(Decoded { photo, warning: None })
}

/// The kind of a file that the `tiff` crate reads with wrong pixels, or panics on.
fn misread(number: impl Fn(u16) -> Option<f64>) -> Option<&'static str> {
    let is = |tag, value| number(tag) == Some(value);
    if is(PLANAR_CONFIGURATION, 2.0) && number(TILE_WIDTH).is_some() {
        return Some("a TIFF image in tiles with a plane for each channel");
    }
    if is(SAMPLES_PER_PIXEL, 2.0) && is(COMPRESSION, 7.0) {
        return Some("a TIFF image of grey and alpha that is compressed as JPEG");
    }
    if is(PHOTOMETRIC, 6.0) && is(BITS_PER_SAMPLE, 16.0) {
        return Some("a TIFF image of YCbCr with 16 bits a value");
    }
    None
}

/// What decoding takes: strips or tiles are decoded one by one, and one of them may be the whole
/// image. The samples are then brought to 8 bits, and to RGB.
pub(super) fn pixels(bytes: &[u8]) -> Option<Pixels> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    let (width, height) = decoder.dimensions().ok()?;
    let colour = decoder.colortype().ok()?;
    let count = u64::from(width).saturating_mul(u64::from(height));
    let samples = u64::from(colour.num_samples());
    let raw = count.saturating_mul(samples * u64::from(colour.bit_depth().div_ceil(8)));
    let in_8_bits = count.saturating_mul(samples);
    let rgb = count.saturating_mul(3);
    Some(Pixels {
        count,
        // A file with a palette is copied.
        decoding: raw.saturating_mul(2).saturating_add(bytes.len() as u64),
        // Planes are interleaved into a copy.
        converting: raw.max(in_8_bits).saturating_add(in_8_bits.max(rgb)),
    })
}

/// The file with its palette's indices declared as grey values: the decoder knows no palettes.
fn indices_as_grey(bytes: &[u8], directory: &Directory) -> Vec<u8> {
    const BLACK_IS_ZERO: u8 = 1;
    let mut bytes = bytes.to_vec();
    if let Some(value) = directory.value(PHOTOMETRIC) {
        for byte in &mut bytes[value.offset()..value.offset() + value.bytes().len()] {
            *byte = if *byte == 0 { 0 } else { BLACK_IS_ZERO };
        }
    }
    bytes
}

/// The samples of an image in 8 bits, `[height, width, count]`.
struct Samples {
    colour: ColorType,
    values: Vec<u8>,
    count: usize,
    size: (u32, u32),
}

impl Samples {
    /// Reads all samples; indices are not scaled.
    fn read(bytes: &[u8], indices: bool) -> Result<Self, DecodeError> {
        let limits = {
            let mut limits = Limits::default();
            let most = usize::try_from(memory::limit()).unwrap_or(usize::MAX);
            limits.decoding_buffer_size = most;
            limits.intermediate_buffer_size = most;
            limits
        };
        let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?.with_limits(limits);
        let (width, height) = decoder.dimensions().map_err(failed)?;
        if width == 0 || height == 0 {
            return Err(DecodeError::Empty);
        }
        let colour = decoder.colortype().map_err(failed)?;
        let count = usize::from(colour.num_samples());
        let samples = u64::from(width) * u64::from(height) * count as u64;
        let sample_bytes = u64::from(colour.bit_depth().div_ceil(8));
        check_size(samples.saturating_mul(sample_bytes))?;
        let mut read = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut read).map_err(failed)?;
        check_size(layout.complete_len as u64)?;
        let row = width as usize * count / layout.planes.max(1);
        let read = match read {
            // Colours as floating-point numbers lie between 0 and 1, grey ones anywhere.
            DecodingResult::F32(values) if count >= 3 => {
                DecodingResult::F32(values.into_iter().map(|value| 255.0 * value).collect())
            }
            read => read,
        };
        let mut values = in_8_bits(read, colour.bit_depth(), row, indices)?;
        if layout.planes > 1 {
            let plane = width as usize * height as usize;
            values = (0..plane * count)
                .map(|index| values.get(index % count * plane + index / count).copied())
                .collect::<Option<_>>()
                .ok_or(DecodeError::Damaged("a plane of the TIFF image is missing"))?;
        }
        Ok(Self { colour, values, count, size: (width, height) })
    }
}

/// The samples in 8 bits. 16 bits lose their lower half, fewer than 8 are spread over the range;
/// wider integers and floating-point numbers are clipped, as PIL does.
fn in_8_bits(
    read: DecodingResult,
    bits: u8,
    row: usize,
    indices: bool,
) -> Result<Vec<u8>, DecodeError> {
    fn clipped<T: Copy>(values: &[T], as_number: impl Fn(T) -> f64) -> Vec<u8> {
        // `as` turns NaN into 0 and clips.
        values.iter().map(|value| as_number(*value) as u8).collect()
    }
    Ok(match read {
        DecodingResult::U8(values) if bits == 8 => values,
        DecodingResult::U8(values) if matches!(bits, 1 | 2 | 4) => {
            let scale = if indices { 1 } else { 255 / ((1u16 << bits) - 1) as u8 };
            let per_byte = usize::from(8 / bits);
            let unpack = |packed: &[u8]| -> Vec<u8> {
                let value = |at: usize| {
                    let shift = 8 - usize::from(bits) * (at % per_byte + 1);
                    (packed[at / per_byte] >> shift & ((1u16 << bits) - 1) as u8) * scale
                };
                (0..row.min(packed.len() * per_byte)).map(value).collect()
            };
            values.chunks(row.div_ceil(per_byte)).flat_map(unpack).collect()
        }
        DecodingResult::U16(values) if bits == 16 => {
            values.iter().map(|value| (value >> 8) as u8).collect()
        }
        DecodingResult::I8(values) => values.iter().map(|value| *value as u8).collect(),
        DecodingResult::I16(values) => clipped(&values, f64::from),
        DecodingResult::U32(values) => clipped(&values, f64::from),
        DecodingResult::I32(values) => clipped(&values, f64::from),
        DecodingResult::F32(values) => clipped(&values, f64::from),
        DecodingResult::F64(values) => clipped(&values, |value| value),
        _ => return Err(DecodeError::Unsupported("a TIFF image of an unusual bit depth")),
    })
}

fn failed(error: TiffError) -> DecodeError {
    match error {
        TiffError::LimitsExceeded => DecodeError::Damaged("a strip of the TIFF image is too large"),
        error => DecodeError::Tiff(error.to_string()),
    }
}
