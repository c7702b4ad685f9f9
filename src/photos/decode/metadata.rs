//! Finds the EXIF block and the XMP packet in a file, without decoding it.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;

use super::orientation::xmp_of_tiff;

/// The most bytes of a compressed text in a PNG, as PIL has it.
const MAX_TEXT: u64 = 1 << 20;

/// The blocks that may hold the orientation.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    pub exif: Option<Cow<'a, [u8]>>,
    pub xmp: Option<Cow<'a, [u8]>>,
}

/// A JPEG's APP1 segments up to the first scan. An EXIF block may be divided among several; of XMP
/// packets, the last one counts.
pub(super) fn jpeg(bytes: &[u8]) -> Metadata<'_> {
    let mut metadata = Metadata::default();
    for segment in super::jpeg::segments(bytes).take_while(|segment| segment.marker != 0xda) {
        if segment.marker != 0xe1 {
            continue;
        }
        if let Some(part) = segment.data.strip_prefix(b"Exif\0\0") {
            match &mut metadata.exif {
                None => metadata.exif = Some(Cow::Borrowed(part)),
                Some(block) => block.to_mut().extend(part),
            }
        } else if let Some(packet) = segment.data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
            metadata.xmp = Some(Cow::Borrowed(packet));
        }
    }
    metadata
}

/// A PNG's `eXIf` chunk, the texts in which ImageMagick keeps a raw EXIF block, and the XMP text.
/// They may follow the pixels.
pub(super) fn png(bytes: &[u8]) -> Metadata<'_> {
    let (mut exif, mut raw, mut app1, mut xmp) = (None, None, None, None);
    for chunk in super::png::chunks(bytes) {
        if chunk.name == *b"eXIf" {
            exif = Some(Cow::Borrowed(chunk.data));
        }
        let Some((keyword, text)) = png_text(chunk.name, chunk.data) else { continue };
        match keyword {
            b"Raw profile type exif" => raw = raw_profile(&text),
            b"Raw profile type APP1" => app1 = raw_profile(&text),
            b"XML:com.adobe.xmp" => xmp = Some(text),
            _ => {}
        }
    }
    // An APP1 profile is either of the two, as in a JPEG.
    let app1 = app1.filter(|block| block.starts_with(b"Exif\0\0"));
    let raw = raw.or(app1).map(Cow::Owned);
    Metadata { exif: exif.or(raw), xmp }
}

/// Keyword and text of a `tEXt`, `zTXt` or `iTXt` chunk.
fn png_text(name: [u8; 4], data: &[u8]) -> Option<(&[u8], Cow<'_, [u8]>)> {
    if !matches!(&name, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    let (keyword, rest) = split_at_zero(data)?;
    match &name {
        b"tEXt" => Some((keyword, Cow::Borrowed(rest))),
        b"zTXt" => Some((keyword, Cow::Owned(inflated(rest.strip_prefix(&[0])?)?))),
        _ => {
            let (&[compressed, method], rest) = rest.split_first_chunk()?;
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated, text) = split_at_zero(rest)?;
            match (compressed, method) {
                (0, _) => Some((keyword, Cow::Borrowed(text))),
                (_, 0) => Some((keyword, Cow::Owned(inflated(text)?))),
                _ => None,
            }
        }
    }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn inflated(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(compressed).take(MAX_TEXT + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= MAX_TEXT).then_some(text)
}

/// ImageMagick's form: an empty line, the profile's name, its length, then lines of hexadecimal
/// digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    for line in text.split(|byte| *byte == b'\n').skip(3) {
        for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            digits.push(char::from(*byte).to_digit(16)? as u8);
        }
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// A WebP's `EXIF` and `XMP ` chunks, if the header's flags announce them.
pub(super) fn webp(bytes: &[u8]) -> Metadata<'_> {
    const EXIF_FLAG: u8 = 0x08;
    const XMP_FLAG: u8 = 0x04;
    let mut metadata = Metadata::default();
    let mut flags = 0;
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((header, content)) = rest.split_first_chunk::<8>() {
        let [name @ .., a, b, c, d] = header;
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let data = Cow::Borrowed(&content[..size.min(content.len())]);
        match name {
            b"VP8X" => flags = data.first().copied().unwrap_or(0),
            b"EXIF" if flags & EXIF_FLAG != 0 && metadata.exif.is_none() => {
                metadata.exif = Some(data);
            }
            b"XMP " if flags & XMP_FLAG != 0 && metadata.xmp.is_none() => {
                metadata.xmp = Some(data);
            }
            _ => {}
        }
        // Chunks are padded to an even size.
        rest = content.get(size.saturating_add(size & 1)..).unwrap_or_default();
    }
    metadata
}

/// A TIFF file.
pub(super) fn tiff(bytes: &[u8]) -> Metadata<'_> {
    Metadata { exif: Some(Cow::Borrowed(bytes)), xmp: xmp_of_tiff(bytes).map(Cow::Owned) }
}
