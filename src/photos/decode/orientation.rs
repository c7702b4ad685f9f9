//! How a photo has to be turned to stand upright, as PIL's `ImageOps.exif_transpose` decides it.
//!
//! The EXIF block decides if it has the tag, whatever its value; otherwise the XMP packet does.
//! A damaged block leaves the photo as it is stored.

use image::metadata::Orientation;

use super::exif::{Directory, ORIENTATION, XMP};
use super::metadata::{self, Metadata};
use crate::photos::format::Format;

/// The orientation that a file's metadata gives.
pub(super) fn orientation(bytes: &[u8], format: Format) -> Orientation {
    let metadata = match format {
        Format::Jpeg => metadata::jpeg(bytes),
        Format::Png => metadata::png(bytes),
        Format::WebP => metadata::webp(bytes),
        Format::Tiff => metadata::tiff(bytes),
        _ => Metadata::default(),
    };
    let Metadata { exif, xmp } = metadata;
    let exif = exif.as_deref().and_then(of_exif);
    let value = exif.or_else(|| xmp.as_deref().and_then(of_xmp).map(f64::from));
    (1..=8)
        .find(|orientation| value == Some(f64::from(*orientation)))
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

/// The value of the tag in an EXIF block. Pillow before 9.3 wrote the JPEG marker `Exif\0\0` before
/// it into WebP files, and some programs write it twice.
fn of_exif(mut block: &[u8]) -> Option<f64> {
    for _ in 0..2 {
        block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    }
    // Text and raw bytes are there, but are no orientation.
    Some(Directory::first(block)?.value(ORIENTATION)?.first_number().unwrap_or(0.0))
}

/// `tiff:Orientation` as an attribute or an element: PIL's `tiff:Orientation(="|>)([0-9])`.
fn of_xmp(packet: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = packet;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        rest = &rest[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"));
        if let Some([digit @ b'0'..=b'9', ..]) = value {
            return Some(digit - b'0');
        }
    }
    None
}

/// A TIFF file is its own EXIF block; its XMP packet is a tag.
pub(super) fn xmp_of_tiff(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Directory::first(bytes)?.value(XMP)?.bytes().to_vec())
}
