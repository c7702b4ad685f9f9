//! Damaged and unusual PNG files decode as PIL shows them.

use std::io::Write;

use flate2::write::ZlibEncoder;
use kindling::photos::DecodeWarning;

use crate::bmp_files::bmp;
use crate::jpeg_encoder::{Form, encode};
use crate::shown::{BLACK, COLOURS, GREEN, RED, assert_shows, decoded, warning};

type Chunk = ([u8; 4], Vec<u8>);

/// The chunks of a PNG file.
pub fn png_chunks(file: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = &file[8..];
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        chunks.push((after[..4].try_into().unwrap(), after[4..4 + size].to_vec()));
        rest = &after[4 + size + 4..];
    }
    chunks
}

/// A PNG file of chunks.
pub fn png(chunks: &[Chunk]) -> Vec<u8> {
    png_with(chunks, |_| false)
}

/// A PNG file whose chunks of some names have a wrong checksum.
fn png_with(chunks: &[Chunk], wrong: impl Fn(&[u8; 4]) -> bool) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(name);
        file.extend(data);
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(data);
        file.extend((crc.sum() ^ u32::from(wrong(name))).to_be_bytes());
    }
    file
}

/// Header and pixels of a PNG: colour type, bits, rows without their filter bytes.
fn png_of(size: (u32, u32), bits: u8, colour: u8, interlaced: u8, rows: &[Vec<u8>]) -> Vec<Chunk> {
    let mut header = [size.0.to_be_bytes(), size.1.to_be_bytes()].concat();
    header.extend([bits, colour, 0, 0, interlaced]);
    // Level 0, so that a part of the data holds a known part of the rows.
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::none());
    for row in rows {
        encoder.write_all(&[0]).unwrap();
        encoder.write_all(row).unwrap();
    }
    vec![(*b"IHDR", header), (*b"IDAT", encoder.finish().unwrap()), (*b"IEND", vec![])]
}

fn red_and_green() -> Vec<Vec<u8>> {
    (0..6).map(|row| if row % 2 == 0 { RED.repeat(4) } else { GREEN.repeat(4) }).collect()
}

const STRIPES: [&str; 6] = ["rrrr", "gggg", "rrrr", "gggg", "rrrr", "gggg"];

#[test]
fn a_png_without_its_end_or_with_wrong_checksums_of_pixels_is_whole() {
    let chunks = png_of((4, 6), 8, 2, 0, &red_and_green());
    assert_shows(&png(&chunks[..2]), &STRIPES, &COLOURS, "no IEND");
    let file = png(&chunks[..2]);
    assert_shows(&file[..file.len() - 4], &STRIPES, &COLOURS, "not even the last checksum");
    for wrong in [b"IDAT", b"IEND"] {
        let file = png_with(&chunks, |name| name == wrong);
        assert_shows(&file, &STRIPES, &COLOURS, "wrong checksum");
    }
    let mut junk = png(&chunks[..2]);
    junk.extend(b"this is no chunk");
    assert_shows(&junk, &STRIPES, &COLOURS, "junk instead of IEND");
}

#[test]
fn a_png_with_a_wrong_checksum_of_its_size_or_palette_is_refused() {
    let mut chunks = png_of((4, 6), 8, 3, 0, &vec![vec![0; 4]; 6]);
    chunks.insert(1, (*b"PLTE", RED.to_vec()));
    for wrong in [b"IHDR", b"PLTE"] {
        assert!(decoded(&png_with(&chunks, |name| name == wrong)).is_err());
    }
}

#[test]
fn missing_rows_of_a_png_are_black() {
    let cut = ["rrrr", "gggg", "rrrr", "....", "....", "...."];
    let mut chunks = png_of((4, 6), 8, 2, 0, &red_and_green());
    // 2 bytes of zlib's header, 5 of the block's, 13 a row.
    chunks[1].1.truncate(7 + 3 * 13 + 6);
    assert_shows(&png(&chunks), &cut, &COLOURS, "IDAT too short");
    let file = png(&png_of((4, 6), 8, 2, 0, &red_and_green()));
    // The signature, IHDR with its frame, and the head of IDAT.
    assert_shows(&file[..8 + 25 + 8 + 7 + 3 * 13 + 6], &cut, &COLOURS, "file too short");
    let mut chunks = png_of((4, 6), 8, 2, 0, &red_and_green());
    chunks[1].1[7 + 3 * 13] = 9;
    assert_shows(&png(&chunks), &cut, &COLOURS, "an unknown filter");
    // Without a whole row there is no photo.
    assert!(decoded(&file[..8 + 25 + 8 + 7 + 5]).is_err());
    let mut chunks = png_of((4, 6), 8, 3, 0, &vec![vec![1; 4]; 6]);
    chunks.insert(1, (*b"PLTE", [RED, GREEN].concat()));
    chunks[2].1.truncate(7 + 2 * 5 + 1);
    let cut = ["gggg", "gggg", "rrrr", "rrrr", "rrrr", "rrrr"];
    assert_shows(&png(&chunks), &cut, &COLOURS, "index 0 of a palette");
}

#[test]
fn photos_with_missing_or_doubtful_pixels_have_a_warning_and_others_none() {
    let chunks = png_of((4, 6), 8, 2, 0, &red_and_green());
    assert_eq!(warning(&png(&chunks)), None);
    assert_eq!(warning(&png(&chunks[..2])), None, "all pixels are there");
    let file = png_with(&chunks, |name| name == b"IDAT");
    assert_eq!(warning(&file), Some(DecodeWarning::Damaged));
    let mut cut = chunks;
    cut[1].1.truncate(40);
    assert_eq!(warning(&png(&cut)), Some(DecodeWarning::Incomplete));
    let whole = bmp(24, 0, (4, 4), &[], &[9; 48]);
    assert_eq!(warning(&whole), None);
    assert_eq!(warning(&whole[..70]), Some(DecodeWarning::Incomplete));
    let form = Form::interleaved((64, 64), &[(1, 1)]);
    let form = Form { restart_interval: 8, ..form };
    let (jpeg, _) = encode(&form, |_, x, y| ((x * 7) ^ (y * 5)) as f64);
    assert_eq!(warning(&jpeg), None);
    assert_eq!(warning(&jpeg[..jpeg.len() - 2]), None, "only the end marker is missing");
    assert_eq!(warning(&jpeg[..jpeg.len() / 2]), Some(DecodeWarning::Incomplete));
    let marker = jpeg.windows(2).position(|pair| pair == [0xff, 0xd2]).unwrap();
    let without = [&jpeg[..marker], &jpeg[marker + 2..]].concat();
    assert_eq!(warning(&without), Some(DecodeWarning::Damaged));
}

#[test]
fn every_kind_of_pixel_is_rescued_from_a_png_without_its_end() {
    let grey = [('w', [255; 3]), ('.', BLACK), ('m', [85; 3])];
    for (what, bits, colour, row, shown) in [
        ("1 bit", 1, 0, vec![0b1010_0000], "w.w."),
        ("2 bits", 2, 0, vec![0b1101_0011], "wm.w"),
        ("4 bits", 4, 0, vec![0xf5, 0x0f], "wm.w"),
        ("16 bits", 16, 0, vec![255, 9, 85, 9, 0, 9, 255, 9], "wm.w"),
        ("grey and alpha", 8, 4, vec![255, 0, 85, 9, 0, 1, 255, 2], "wm.w"),
        ("16 bits of colour", 16, 2, [[255u8; 6], [85; 6], [0; 6], [255; 6]].concat(), "wm.w"),
        ("colour and alpha", 8, 6, [[255u8; 4], [85; 4], [0; 4], [255; 4]].concat(), "wm.w"),
    ] {
        let chunks = png_of((4, 1), bits, colour, 0, &[row]);
        assert_shows(&png(&chunks[..2]), &[shown], &grey, what);
    }
    // The passes of a 3x3 picture: 1 pixel, none, none, 1 pixel (2, 0), 2 pixels of row 2, columns
    // 1 of rows 0 and 2, row 1.
    let passes =
        [vec![1], vec![2], vec![3, 4], vec![5], vec![6], vec![7, 8, 9]].map(|row| row.to_vec());
    let mut chunks = png_of((3, 3), 8, 3, 1, &passes);
    let palette: Vec<u8> = (0..10).flat_map(|index| [index * 20; 3]).collect();
    chunks.insert(1, (*b"PLTE", palette));
    let shades: Vec<(char, [u8; 3])> =
        (0..10).map(|index| ((b'0' + index) as char, [index * 20; 3])).collect();
    assert_shows(&png(&chunks[..3]), &["152", "789", "364"], &shades, "interlaced");
}

#[test]
fn an_animated_png_shows_its_first_picture() {
    let mut chunks = png_of((4, 6), 8, 2, 0, &red_and_green());
    let control = |sequence: u8| {
        let mut data = vec![0, 0, 0, sequence, 0, 0, 0, 4, 0, 0, 0, 6];
        data.extend([0; 14]);
        (*b"fcTL", data)
    };
    let second = png_of((4, 6), 8, 2, 0, &vec![GREEN.repeat(4); 6]).swap_remove(1).1;
    chunks.insert(1, (*b"acTL", vec![0, 0, 0, 2, 0, 0, 0, 0]));
    chunks.insert(2, control(0));
    chunks.insert(4, control(1));
    chunks.insert(5, (*b"fdAT", [vec![0, 0, 0, 2], second].concat()));
    assert_shows(&png(&chunks), &STRIPES, &COLOURS, "animated");
}
