//! Photos are turned upright by every orientation that PIL reads, and by no other.

use std::io::{Cursor, Write};

use flate2::write::ZlibEncoder;
use image::{ImageFormat, RgbImage};
use kindling::photos::decode;

use crate::png_files::{png, png_chunks};
use crate::tiff_files::tiff;

const SIZE: (u32, u32) = (24, 16);

fn stored() -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| image::Rgb([x as u8 * 10, y as u8 * 15, 40]))
}

/// The stored picture upright, by the definition of the eight orientations: where row 0 and column 0
/// of the file are in the scene.
fn upright(stored: &RgbImage, orientation: u16) -> RgbImage {
    let (width, height) = stored.dimensions();
    let (right, bottom) = (width - 1, height - 1);
    let swapped = orientation >= 5;
    let size = if swapped { (height, width) } else { (width, height) };
    RgbImage::from_fn(size.0, size.1, |x, y| {
        let (x, y) = match orientation {
            1 => (x, y),
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => unreachable!(),
        };
        *stored.get_pixel(x, y)
    })
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    stored().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn decoded(file: &[u8]) -> RgbImage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).unwrap().clone()
}

/// Asserts how a file is turned, compared with the plain file of the format.
fn assert_turned(file: &[u8], plain: &[u8], orientation: u16, what: &str) {
    assert!(decoded(file) == upright(&decoded(plain), orientation), "{what}: not {orientation}");
}

/// An EXIF block with one entry besides another: the tag, its type, how many values, their bytes.
fn exif(big_endian: bool, tag: u16, kind: u16, count: u32, value: &[u8]) -> Vec<u8> {
    let u16 = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let u32 = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut block = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    block.extend(u32(8));
    block.extend(u16(2));
    // Software, as text.
    block.extend([u16(305), u16(2)].concat());
    block.extend([u32(4), *b"abc\0"].concat());
    block.extend([u16(tag), u16(kind)].concat());
    block.extend(u32(count));
    let mut field = value.to_vec();
    if value.len() > 4 {
        // After this field and the offset of the next directory.
        field = u32(8 + 2 + 2 * 12 + 4).to_vec();
    }
    field.resize(4, 0);
    block.extend(field);
    block.extend(u32(0));
    if value.len() > 4 {
        block.extend(value);
    }
    block
}

/// A plain EXIF block: one SHORT.
fn short(orientation: u16) -> Vec<u8> {
    exif(false, 274, 3, 1, &orientation.to_le_bytes())
}

fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    let plain = encoded(ImageFormat::Jpeg);
    let mut file = plain[..2].to_vec();
    for segment in segments {
        file.extend([0xff, 0xe1]);
        file.extend((segment.len() as u16 + 2).to_be_bytes());
        file.extend(segment);
    }
    file.extend(&plain[2..]);
    file
}

fn exif_segment(block: &[u8]) -> Vec<u8> {
    [b"Exif\0\0", block].concat()
}

fn xmp_segment(body: &str) -> Vec<u8> {
    [b"http://ns.adobe.com/xap/1.0/\0", body.as_bytes()].concat()
}

#[test]
fn all_eight_orientations_are_applied() {
    for orientation in 1..=8 {
        let file = jpeg(&[exif_segment(&short(orientation))]);
        assert_turned(&file, &jpeg(&[]), orientation, "SHORT");
    }
    for none in [0, 9, 256, 65535] {
        assert_turned(&jpeg(&[exif_segment(&short(none))]), &jpeg(&[]), 1, "no orientation");
    }
}

#[test]
fn an_orientation_may_have_any_numeric_type_and_count() {
    for big_endian in [false, true] {
        let bytes = |size: usize, value: i64| -> Vec<u8> {
            let big = value.to_be_bytes();
            let number = big[8 - size..].to_vec();
            if big_endian { number } else { number.into_iter().rev().collect() }
        };
        let float = |value: f32| bytes(4, i64::from(value.to_bits()));
        let double = |value: f64| bytes(8, value.to_bits() as i64);
        let six: [(&str, u16, Vec<u8>); 10] = [
            ("SHORT", 3, bytes(2, 6)),
            ("LONG", 4, bytes(4, 6)),
            ("RATIONAL", 5, [bytes(4, 12), bytes(4, 2)].concat()),
            ("SBYTE", 6, bytes(1, 6)),
            ("SSHORT", 8, bytes(2, 6)),
            ("SLONG", 9, bytes(4, 6)),
            ("SRATIONAL", 10, [bytes(4, -6), bytes(4, -1)].concat()),
            ("FLOAT", 11, float(6.0)),
            ("DOUBLE", 12, double(6.0)),
            ("IFD", 13, bytes(4, 6)),
        ];
        for (name, kind, value) in six {
            for count in [1, 2, 5] {
                let values = value.repeat(count as usize);
                let block = exif(big_endian, 274, kind, count, &values);
                let what = format!("{name}, count {count}, big-endian {big_endian}");
                assert_turned(&jpeg(&[exif_segment(&block)]), &jpeg(&[]), 6, &what);
            }
        }
        // Not numbers for PIL: bytes, text, and what has no value.
        for (name, kind, count, value) in [
            ("BYTE", 1, 1, vec![6]),
            ("ASCII", 2, 2, b"6\0".to_vec()),
            ("UNDEFINED", 7, 1, vec![6]),
            ("count 0", 3, 0, bytes(2, 6)),
            ("outside of the block", 3, 999, bytes(2, 6)),
            ("an unknown type", 99, 1, bytes(2, 6)),
            ("6.5", 5, 1, [bytes(4, 13), bytes(4, 2)].concat()),
            ("6/0", 5, 1, [bytes(4, 6), bytes(4, 0)].concat()),
            ("65542", 4, 1, bytes(4, 65542)),
            ("-6", 8, 1, bytes(2, -6)),
        ] {
            let block = exif(big_endian, 274, kind, count, &value);
            assert_turned(&jpeg(&[exif_segment(&block)]), &jpeg(&[]), 1, name);
        }
    }
}

#[test]
fn a_damaged_exif_block_leaves_the_photo_as_it_is_stored() {
    let block = short(6);
    for length in 0..block.len() {
        let file = jpeg(&[exif_segment(&block[..length])]);
        // The entry is whole from byte 34 on.
        assert_turned(&file, &jpeg(&[]), if length < 34 { 1 } else { 6 }, "cut");
    }
    for at in 0..block.len() {
        let mut changed = block.clone();
        changed[at] ^= 0xff;
        let _ = decoded(&jpeg(&[exif_segment(&changed)]));
    }
}

#[test]
fn an_exif_block_may_be_divided_or_have_its_marker_twice() {
    let block = short(8);
    let (first, second) = block.split_at(20);
    let plain = jpeg(&[]);
    assert_turned(&jpeg(&[exif_segment(first), exif_segment(second)]), &plain, 8, "divided");
    assert_turned(&jpeg(&[exif_segment(&exif_segment(&block))]), &plain, 8, "twice");
}

#[test]
fn xmp_decides_if_exif_says_nothing() {
    let plain = jpeg(&[]);
    let attribute = xmp_segment("<x tiff:Orientation=\"6\"/>");
    let element = xmp_segment("<tiff:Orientation>8</tiff:Orientation>");
    assert_turned(&jpeg(std::slice::from_ref(&attribute)), &plain, 6, "attribute");
    assert_turned(&jpeg(std::slice::from_ref(&element)), &plain, 8, "element");
    assert_turned(&jpeg(&[element.clone(), attribute.clone()]), &plain, 6, "the last packet");
    for other in ["tiff:Orientation='6'", "tiff:Orientation=\"\"", "Orientation=\"6\""] {
        assert_turned(&jpeg(&[xmp_segment(other)]), &plain, 1, other);
    }
    let another_tag = exif(false, 275, 3, 1, &6u16.to_le_bytes());
    let file = |block: &[u8]| jpeg(&[exif_segment(block), attribute.clone()]);
    assert_turned(&file(&another_tag), &plain, 6, "EXIF without the tag");
    // The tag decides, even if its value is no orientation.
    assert_turned(&file(&short(1)), &plain, 1, "EXIF 1");
    assert_turned(&file(&short(3)), &plain, 3, "EXIF 3");
    assert_turned(&file(&short(0)), &plain, 1, "EXIF 0");
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn png_chunks_and_texts_turn_a_photo_before_and_after_the_pixels() {
    let plain = encoded(ImageFormat::Png);
    let block = short(6);
    let hexadecimal: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
    let marker: String = b"Exif\0\0".iter().map(|byte| format!("{byte:02x}")).collect();
    let profile = |name: &str, digits: &str| {
        let lines: Vec<&str> = (0..digits.len().div_ceil(72))
            .map(|line| &digits[72 * line..digits.len().min(72 * (line + 1))])
            .collect();
        format!("\n{name}\n{:8}\n{}\n", digits.len() / 2, lines.join("\n")).into_bytes()
    };
    let bare = profile("exif", &hexadecimal);
    let marked = profile("exif", &format!("{marker}{hexadecimal}"));
    let packet = b"<x tiff:Orientation=\"6\"/>";
    let text = |keyword: &str, text: &[u8]| [keyword.as_bytes(), b"\0", text].concat();
    let compressed =
        |keyword: &str, text: &[u8]| [keyword.as_bytes(), b"\0\0", &zlib(text)].concat();
    let international =
        |keyword: &str, text: &[u8]| [keyword.as_bytes(), b"\0\0\0\0\0", text].concat();
    const RAW: &str = "Raw profile type exif";
    const APP1: &str = "Raw profile type APP1";
    const XMP: &str = "XML:com.adobe.xmp";
    for (what, name, data) in [
        ("eXIf", b"eXIf", block.clone()),
        ("eXIf with JPEG's marker", b"eXIf", exif_segment(&block)),
        ("raw profile", b"tEXt", text(RAW, &bare)),
        ("raw profile with JPEG's marker", b"tEXt", text(RAW, &marked)),
        ("compressed raw profile", b"zTXt", compressed(RAW, &marked)),
        ("raw APP1", b"zTXt", compressed(APP1, &marked)),
        ("XMP", b"iTXt", international(XMP, packet)),
        ("compressed XMP", b"iTXt", [XMP.as_bytes(), b"\0\x01\0\0\0", &zlib(packet)].concat()),
    ] {
        let chunks = png_chunks(&plain);
        let (header, rest) = chunks.split_first().unwrap();
        let (end, pixels) = rest.split_last().unwrap();
        let chunk = (*name, data);
        let before = [&[header.clone(), chunk.clone()], rest].concat();
        let after = [std::slice::from_ref(header), pixels, &[chunk, end.clone()]].concat();
        assert_turned(&png(&before), &plain, 6, what);
        assert_turned(&png(&after), &plain, 6, &format!("{what}, after the pixels"));
    }
    let damaged = text(RAW, &[&marked[..60], b"zz"].concat());
    let chunks = png_chunks(&plain);
    let file = png(&[&chunks[..1], &[(*b"tEXt", damaged)], &chunks[1..]].concat());
    assert_turned(&file, &plain, 1, "a profile that is not hexadecimal");
}

/// An extended WebP file of a simple one, with these flags and chunks.
fn webp(flags: u8, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let plain = encoded(ImageFormat::WebP);
    let mut header = vec![flags, 0, 0, 0];
    header.extend(&(SIZE.0 - 1).to_le_bytes()[..3]);
    header.extend(&(SIZE.1 - 1).to_le_bytes()[..3]);
    let mut content = b"WEBP".to_vec();
    let mut append = |name: &[u8], data: &[u8]| {
        content.extend(name);
        content.extend((data.len() as u32).to_le_bytes());
        content.extend(data);
        content.extend(&[0][..data.len() % 2]);
    };
    append(b"VP8X", &header);
    append(&plain[12..16], &plain[20..]);
    for (name, data) in chunks {
        append(*name, data);
    }
    [b"RIFF", (content.len() as u32).to_le_bytes().as_slice(), &content].concat()
}

#[test]
fn webp_metadata_turns_a_photo_if_the_header_announces_it() {
    let plain = encoded(ImageFormat::WebP);
    let packet = b"<x tiff:Orientation=\"8\"/>".to_vec();
    let exif_chunk = |block: Vec<u8>| (b"EXIF", block);
    assert_turned(&webp(8, &[exif_chunk(short(6))]), &plain, 6, "EXIF");
    // Pillow before 9.3 wrote it so.
    assert_turned(&webp(8, &[exif_chunk(exif_segment(&short(6)))]), &plain, 6, "EXIF, marked");
    assert_turned(&webp(4, &[(b"XMP ", packet.clone())]), &plain, 8, "XMP");
    let both = [exif_chunk(short(6)), (b"XMP ", packet.clone())];
    assert_turned(&webp(12, &both), &plain, 6, "both");
    assert_turned(&webp(4, &both), &plain, 8, "EXIF not announced");
    assert_turned(&webp(0, &both), &plain, 1, "neither announced");
    let garbage = [exif_chunk(b"garbage!".to_vec())];
    assert_turned(&webp(8, &garbage), &plain, 1, "damaged");
}

#[test]
fn a_tiff_is_turned_by_its_own_tag_or_its_xmp() {
    let pixels = stored().into_raw();
    let entries = |extra: &[(u16, u16, Vec<u8>)]| tiff(SIZE, 2, &[8, 8, 8], extra, &pixels);
    let plain = entries(&[]);
    let tag = (274, 3, 6u16.to_le_bytes().to_vec());
    assert_turned(&entries(&[tag]), &plain, 6, "tag");
    let packet = (700, 1, b"<x tiff:Orientation=\"8\"/>".to_vec());
    assert_turned(&entries(&[packet]), &plain, 8, "XMP");
}
