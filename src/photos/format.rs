//! Recognises picture formats by the first bytes of a file, those that are not read included.

use std::fmt;

use super::camera_raw::tiff;

/// A picture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, multi-picture JPEG (MPO) included.
    Jpeg,
    /// PNG, animated PNG included.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// BMP.
    Bmp,
    /// TIFF, BigTIFF included, but not camera raws in a TIFF container.
    Tiff,
    /// AVIF.
    Avif,
    /// JPEG XL, as a codestream or in a container.
    JpegXl,
    /// HEIC or another HEIF.
    Heif,
    /// JPEG 2000, as a codestream or in a container.
    Jpeg2000,
    /// A camera's raw format, by its name.
    Raw(&'static str),
    /// Another format that is not read, by its name.
    Other(&'static str),
}

/// Formats with a signature: where it is, its bytes, the format.
const SIGNATURES: [(usize, &[u8], Format); 37] = [
    (0, b"\xff\xd8\xff", Format::Jpeg),
    (0, b"\x89PNG\r\n\x1a\n", Format::Png),
    (0, b"GIF87a", Format::Gif),
    (0, b"GIF89a", Format::Gif),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", Format::JpegXl),
    (0, b"\xff\x0a", Format::JpegXl),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Format::Jpeg2000),
    (0, b"\xff\x4f\xff\x51", Format::Jpeg2000),
    (0, b"FUJIFILMCCD-RAW", Format::Raw("Fujifilm RAF")),
    (0, b"IIU\0", Format::Raw("Panasonic RW2")),
    (0, b"IIRO", Format::Raw("Olympus ORF")),
    (0, b"IIRS", Format::Raw("Olympus ORF")),
    (0, b"MMOR", Format::Raw("Olympus ORF")),
    (0, b"FOVb", Format::Raw("Sigma X3F")),
    (0, b"\0MRM", Format::Raw("Minolta MRW")),
    (6, b"HEAPCCDR", Format::Raw("Canon CRW")),
    (0, b"8BPS", Format::Other("Photoshop")),
    (0, b"gimp xcf", Format::Other("GIMP")),
    (0, b"icns", Format::Other("Apple icon")),
    (0, b"DDS ", Format::Other("DDS")),
    (0, b"qoif", Format::Other("QOI")),
    (0, b"farbfeld", Format::Other("farbfeld")),
    (0, b"\x76\x2f\x31\x01", Format::Other("OpenEXR")),
    (0, b"#?RADIANCE", Format::Other("Radiance HDR")),
    (0, b"#?RGBE", Format::Other("Radiance HDR")),
    (0, b"II\xbc\x01", Format::Other("JPEG XR")),
    (0, b"BPG\xfb", Format::Other("BPG")),
    (0, b"FLIF", Format::Other("FLIF")),
    (0, b"\x8aMNG\r\n\x1a\n", Format::Other("MNG")),
    (0, b"\x8bJNG\r\n\x1a\n", Format::Other("JNG")),
    (0, b"/* XPM */", Format::Other("XPM")),
    (0, b"SIMPLE  =", Format::Other("FITS")),
    (128, b"DICM", Format::Other("DICOM")),
    (0, b"\x01\xda\x01", Format::Other("SGI")),
    (0, b"\x59\xa6\x6a\x95", Format::Other("Sun raster")),
    (0, b"AT&TFORM", Format::Other("DjVu")),
    (0, b"\xd7\xcd\xc6\x9a", Format::Other("WMF")),
];

impl Format {
    /// The number of bytes that [`Format::of`] needs.
    pub const HEAD: usize = 1024;

    /// The format of a file that begins with `head`, its first [`Format::HEAD`] bytes, or all of
    /// them if it is shorter. `None` if they are not the beginning of a picture.
    pub fn of(head: &[u8]) -> Option<Self> {
        let is_at = |at: usize, bytes: &[u8]| {
            head.get(at..at + bytes.len()).is_some_and(|found| found == bytes)
        };
        if let Some((.., format)) = SIGNATURES.iter().find(|(at, bytes, _)| is_at(*at, bytes)) {
            return Some(*format);
        }
        if is_at(0, b"RIFF") && is_at(8, b"WEBP") {
            return Some(Self::WebP);
        }
        if is_at(4, b"ftyp") {
            return media_file(head);
        }
        tiff(head).or_else(|| short_signature(head)).or_else(|| svg(head))
    }

    /// Whether Kindling reads the format.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Gif | Self::WebP | Self::Bmp | Self::Tiff)
            || cfg!(feature = "jpeg-xl") && self == Self::JpegXl
    }

    /// The formats that are read, for messages.
    pub const READ: &'static str = if cfg!(feature = "jpeg-xl") {
        "JPEG, PNG, WebP, BMP, GIF, TIFF and JPEG XL"
    } else {
        "JPEG, PNG, WebP, BMP, GIF and TIFF"
    };

    /// Why a file of this format is skipped, and what to do, as a predicate: `it {reason}` is a
    /// sentence. `None` if the format is read.
    pub fn not_read(self) -> Option<String> {
        let remedy = match self {
            _ if self.is_read() => return None,
            Self::Heif => {
                "convert it to JPEG, for example with `heif-convert photo.heic photo.jpg`"
            }
            Self::JpegXl => {
                "build Kindling with `--features jpeg-xl`, or convert it with `djxl FILE photo.png`"
            }
            Self::Raw(_) => "export it as JPEG, for example with `darktable-cli`",
            _ => "convert it to JPEG or PNG, for example with `magick FILE photo.jpg`",
        };
        Some(format!("is {self}, which is not read: {remedy}"))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Avif => "AVIF",
            Self::JpegXl => "JPEG XL",
            Self::Heif => "HEIC",
            Self::Jpeg2000 => "JPEG 2000",
            Self::Raw(name) => return write!(formatter, "camera raw ({name})"),
            Self::Other(name) => name,
        })
    }
}

/// The picture format of an ISO base media file, from its brands. Films have other brands.
fn media_file(head: &[u8]) -> Option<Format> {
    let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?);
    let brands = &head[8..head.len().min((size as usize).max(16))];
    // After the main brand come four bytes of version, then the compatible brands.
    let brands: Vec<&[u8]> = brands
        .chunks_exact(4)
        .enumerate()
        .filter(|(index, _)| *index != 1)
        .map(|(_, brand)| brand)
        .collect();
    let any = |names: &[&[u8; 4]]| {
        brands.iter().any(|brand| names.iter().any(|name| brand == &name.as_slice()))
    };
    if *brands.first()? == b"crx " {
        return Some(Format::Raw("Canon CR3"));
    }
    if any(&[b"avif", b"avis"]) {
        return Some(Format::Avif);
    }
    let heif = [
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2",
        b"msf1", b"j2ki", b"j2is", b"avci", b"avcs", b"jpeg", b"jpgs", b"vvic", b"evbi",
    ];
    any(&heif).then_some(Format::Heif)
}

/// Formats whose signature is too short to trust alone: their headers must be plausible too.
fn short_signature(head: &[u8]) -> Option<Format> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    // A BMP's second header begins with its own size: 12 to 124 bytes in every known version.
    if head.starts_with(b"BM") && u32_at(14).is_some_and(|size| (12..=256).contains(&size)) {
        return Some(Format::Bmp);
    }
    if let [b'P', b'1'..=b'7', space, ..] = head
        && space.is_ascii_whitespace()
        && is_netpbm(&head[2..])
    {
        return Some(Format::Other("Netpbm (PBM, PGM, PPM)"));
    }
    if let [0, 0, kind @ 1..=2, 0, ..] = head {
        let icons = u16_at(4).is_some_and(|count| (1..=256).contains(&count));
        let entry = head.get(9) == Some(&0) && u32_at(14).is_some_and(|size| size > 40);
        let first = u32_at(18).is_some_and(|at| (22..1 << 20).contains(&at));
        let name = if *kind == 1 { "Windows icon (ICO)" } else { "Windows cursor" };
        return (icons && entry && first).then_some(Format::Other(name));
    }
    let pcx = |head: &[u8]| {
        matches!(head, [10, 0 | 2..=5, 1, 1 | 2 | 4 | 8, ..]) && head.get(64) == Some(&0)
    };
    pcx(head).then_some(Format::Other("PCX"))
}

/// Whether the text after a Netpbm signature goes on as a header: a width and a height, with
/// comments between them.
fn is_netpbm(header: &[u8]) -> bool {
    if header.starts_with(b"\nWIDTH ") {
        return true;
    }
    let mut numbers = 0;
    for line in header.split(|byte| *byte == b'\n') {
        let text = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            match word.iter().all(u8::is_ascii_digit) && word.len() < 8 {
                true => numbers += 1,
                false => return false,
            }
            if numbers == 2 {
                return true;
            }
        }
    }
    false
}

/// An SVG drawing: an `svg` element, after XML's preamble and comments at most.
fn svg(head: &[u8]) -> Option<Format> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let declared = text.starts_with(b"<?xml") || text.starts_with(b"<!");
    let element = b"<svg";
    let found = text.starts_with(element)
        || declared && text.windows(element.len()).any(|window| window == element);
    found.then_some(Format::Other("SVG"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(main: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
        let size = (16 + 4 * compatible.len()) as u32;
        let mut bytes = [&size.to_be_bytes(), b"ftyp".as_slice(), main, &[0; 4]].concat();
        compatible.iter().for_each(|brand| bytes.extend(*brand));
        // The next box, which has no brands.
        bytes.extend(b"\0\0\0\x10avifavifavif");
        bytes
    }

    #[test]
    fn the_brands_of_a_media_file_tell_pictures_from_films() {
        for (main, compatible, format) in [
            (b"avif", vec![b"mif1", b"miaf"], Some(Format::Avif)),
            (b"mif1", vec![b"avif", b"miaf"], Some(Format::Avif)),
            (b"avis", vec![b"msf1"], Some(Format::Avif)),
            (b"heic", vec![b"mif1", b"heic"], Some(Format::Heif)),
            (b"mif1", vec![b"heic"], Some(Format::Heif)),
            (b"mif1", vec![], Some(Format::Heif)),
            (b"msf1", vec![b"hevc"], Some(Format::Heif)),
            (b"crx ", vec![b"isom"], Some(Format::Raw("Canon CR3"))),
            (b"isom", vec![b"mp42"], None),
            (b"qt  ", vec![], None),
        ] {
            assert_eq!(Format::of(&media(main, &compatible)), format, "{main:?} {compatible:?}");
        }
        // Boxes that are too short for their brands, or claim to have none.
        for head in [&b"\0\0\0\x14ftyp"[..], b"\0\0\0\0ftypheic", b"\xff\xff\xff\xffftyphe"] {
            let heic = head.ends_with(b"heic").then_some(Format::Heif);
            assert_eq!(Format::of(head), heic);
        }
    }

    #[test]
    fn the_beginning_of_a_picture_is_recognised() {
        let icon = b"\0\0\x01\0\x01\0\x20\x20\0\0\x01\0\x20\0\xa8\x10\0\0\x16\0\0\0";
        let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        for (head, name) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], "JPEG"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "PNG"),
            (b"GIF89a\x01\0", "GIF"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
            (bmp, "BMP"),
            (b"\xff\x0a\xfa\x1f", "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
            (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (icon, "Windows icon (ICO)"),
            (b"P6\n# by hand\n640 480\n255\n", "Netpbm (PBM, PGM, PPM)"),
            (b"P7\nWIDTH 4\n", "Netpbm (PBM, PGM, PPM)"),
            (b"<?xml version=\"1.0\"?>\n<!-- x -->\n<svg xmlns", "SVG"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"FUJIFILMCCD-RAW 0201", "camera raw (Fujifilm RAF)"),
        ] {
            let format = Format::of(head).map(|format| format.to_string());
            assert_eq!(format.as_deref(), Some(name), "{head:?}");
        }
    }

    #[test]
    fn text_films_tables_and_weights_are_no_pictures() {
        for head in [
            &b""[..],
            b"B",
            b"BMW and Audi are makers of cars",
            b"P1 is the first point, P2 the second",
            b"path,class\n1.jpg,cat\n",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"RIFF",
            b"PK\x03\x04",
            b"%PDF-1.4",
            b"\0\0\0\x18ftypmp42",
            b"\0\x01\0\0\0\x0fOS/2",
            b"\0\0\x01\0\x01",
            b"\0\0\x01\xba\x44\0\x04\0\x04\x01\x00\x00\x00\xf8\0\0\0\0\0\0\0\0",
            b"<!DOCTYPE html><html>",
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
            b"\x58\0\0\0\0\0\0\0{\"__metadata__\":",
        ] {
            assert_eq!(Format::of(head), None, "{head:?}");
        }
    }

    #[test]
    fn what_is_not_read_is_named_with_a_remedy() {
        let heic = Format::of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").and_then(Format::not_read);
        let heic = heic.unwrap();
        assert!(heic.starts_with("is HEIC, which is not read: convert it"), "{heic}");
        assert_eq!(Format::Jpeg.not_read(), None);
        let jpeg_xl = Format::JpegXl.not_read();
        assert_eq!(jpeg_xl.is_none(), cfg!(feature = "jpeg-xl"));
        assert!(jpeg_xl.is_none_or(|reason| reason.contains("`--features jpeg-xl`")));
        for (.., format) in SIGNATURES {
            let reason = format.not_read().unwrap_or_default();
            assert!(reason.len() < 150, "{reason}");
        }
    }
}
