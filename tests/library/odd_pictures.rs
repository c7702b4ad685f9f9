//! Damaged and unusual PNG, BMP, GIF and TIFF files decode as PIL shows them.

use std::io::Write;

use flate2::write::ZlibEncoder;
use image::RgbImage;
use kindling::photos::{DecodeWarning, decode};

use crate::jpeg_encoder::{Form, encode};

type Chunk = ([u8; 4], Vec<u8>);

fn decoded(file: &[u8]) -> Result<RgbImage, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).map(|photo| photo.clone()).map_err(|error| error.to_string())
}

fn warning(file: &[u8]) -> Option<DecodeWarning> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).unwrap().warning()
}

/// Asserts the pixels, as rows of one text per pixel in `colours`.
fn assert_shows(file: &[u8], rows: &[&str], colours: &[(char, [u8; 3])], what: &str) {
    let photo = decoded(file).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(photo.dimensions(), (rows[0].len() as u32, rows.len() as u32), "{what}");
    for (y, row) in rows.iter().enumerate() {
        for (x, letter) in row.chars().enumerate() {
            let (_, colour) = colours.iter().find(|(known, _)| *known == letter).unwrap();
            let pixel = photo.get_pixel(x as u32, y as u32).0;
            assert_eq!(pixel, *colour, "{what}: {letter} at {x}, {y}");
        }
    }
}

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

const RED: [u8; 3] = [200, 30, 40];
const GREEN: [u8; 3] = [30, 180, 60];
const BLACK: [u8; 3] = [0; 3];
const COLOURS: [(char, [u8; 3]); 3] = [('r', RED), ('g', GREEN), ('.', BLACK)];

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

/// A BMP with a header of 40 bytes: bits, compression, height, palette (BGRX), pixels.
fn bmp(bits: u16, compression: u32, size: (i32, i32), palette: &[u8], pixels: &[u8]) -> Vec<u8> {
    let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
    file.extend((54 + palette.len() as u32).to_le_bytes());
    file.extend([40, 0, 0, 0]);
    file.extend([size.0.to_le_bytes(), size.1.to_le_bytes()].concat());
    file.extend([[1, 0], bits.to_le_bytes()].concat());
    file.extend(compression.to_le_bytes());
    file.extend([0; 20]);
    file.extend(palette);
    file.extend(pixels);
    file
}

fn bgrx(colours: &[[u8; 3]], entries: usize) -> Vec<u8> {
    let mut palette: Vec<u8> = colours.iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect();
    palette.resize(4 * entries, 0);
    palette
}

#[test]
fn pixels_that_a_run_length_encoded_bmp_skips_have_index_0() {
    let palette = [RED, GREEN, BLACK];
    // From the bottom: a run, skip 1; a jump of 1 right and 1 up; three absolute ones and padding.
    for (bits, compression, pixels) in [
        (8, 1, vec![2, 1, 0, 2, 1, 1, 1, 2, 0, 0, 0, 3, 1, 2, 1, 0, 0, 0, 0, 1]),
        (4, 2, vec![2, 0x11, 0, 2, 1, 1, 1, 0x20, 0, 0, 0, 3, 0x12, 0x10, 0, 0, 0, 1]),
    ] {
        let palette = bgrx(&palette, 1 << bits);
        // Rows from the bottom: `gg--`, `---.` (after the jump), `g.g-`, and what was not reached.
        let bottom_up = bmp(bits, compression, (4, 4), &palette, &pixels);
        let shown = ["rrrr", "g.gr", "rrr.", "ggrr"];
        assert_shows(&bottom_up, &shown, &COLOURS, &format!("{bits} bits"));
        let top_down = bmp(bits, compression, (4, -4), &palette, &pixels);
        let shown = ["ggrr", "rrr.", "g.gr", "rrrr"];
        assert_shows(&top_down, &shown, &COLOURS, &format!("{bits} bits, top down"));
    }
    let overlong = bmp(8, 1, (4, 2), &bgrx(&palette, 256), &[200, 1, 0, 0, 200, 2, 0, 1]);
    assert_shows(&overlong, &["....", "gggg"], &COLOURS, "runs past the row's end");
}

#[test]
fn odd_headers_of_bmp_are_read() {
    let pixels: Vec<u8> =
        [RED, GREEN, GREEN, RED].iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect();
    let rows: Vec<u8> = [&pixels[..6], &[0; 2], &pixels[6..], &[0; 2]].concat();
    let plain = bmp(24, 0, (2, 2), &[], &rows);
    let shown = ["gr", "rg"];
    assert_shows(&plain, &shown, &COLOURS, "24 bits");
    for planes in [0, 7] {
        let mut file = plain.clone();
        file[26] = planes;
        assert_shows(&file, &shown, &COLOURS, "planes");
    }
    let mut file = plain.clone();
    file[10..14].fill(0);
    assert_shows(&file, &shown, &COLOURS, "no offset of the pixels");
    // OS/2: sizes of two bytes and a palette of three bytes an entry.
    let mut os2 = b"BM\0\0\0\0\0\0\0\0".to_vec();
    os2.extend((26u32 + 3 * 256).to_le_bytes());
    os2.extend([12, 0, 0, 0, 2, 0, 2, 0, 1, 0, 8, 0]);
    let mut palette: Vec<u8> = [RED, GREEN].iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect();
    palette.resize(3 * 256, 0);
    os2.extend(palette);
    os2.extend([0, 1, 0, 0, 1, 0, 0, 0]);
    assert_shows(&os2, &shown, &COLOURS, "OS/2 version 1");
    // OS/2 version 2 and Windows' later headers are longer.
    for size in [52u32, 56, 64, 108, 124] {
        let mut file = plain[..54].to_vec();
        file[10..14].copy_from_slice(&(14 + size).to_le_bytes());
        file[14] = size as u8;
        file.resize(14 + size as usize, 0);
        file.extend(&rows);
        assert_shows(&file, &shown, &COLOURS, &format!("a header of {size} bytes"));
    }
    // A palette of five colours, and one of too many.
    let mut five = bmp(8, 0, (4, 1), &bgrx(&[RED, GREEN], 5), &[0, 1, 4, 9]);
    five[46] = 5;
    assert_shows(&five, &["rg.."], &COLOURS, "five colours");
    let mut cut = plain;
    cut.truncate(54 + 8 + 3);
    assert_shows(&cut, &["g.", "rg"], &COLOURS, "cut off");
}

#[test]
fn bit_fields_of_bmp_are_read() {
    let masked = |bits: u16, masks: [u32; 3], pixel: u32| {
        let masks: Vec<u8> = masks.iter().flat_map(|mask| mask.to_le_bytes()).collect();
        let mut file = bmp(bits, 3, (1, 1), &masks, &pixel.to_le_bytes());
        file[10] = 54 + 12;
        file
    };
    let pixel = [255, 0, 255];
    let expected = [('p', pixel)];
    for (what, file) in [
        ("565", masked(16, [0xf800, 0x7e0, 0x1f], 0xf81f)),
        ("555", masked(16, [0x7c00, 0x3e0, 0x1f], 0x7c1f)),
        ("555 without masks", bmp(16, 0, (1, 1), &[], &0x7c1fu32.to_le_bytes())),
        ("BGRX", masked(32, [0xff_0000, 0xff00, 0xff], 0xff_00ff)),
        ("XBGR", masked(32, [0xff00_0000, 0xff_0000, 0xff00], 0xff00_ff00)),
        ("RGBX", masked(32, [0xff, 0xff00, 0xff_0000], 0xff_00ff)),
    ] {
        assert_shows(&file, &["p"], &expected, what);
    }
    // PIL: 31 levels spread over 255.
    let grey = decoded(&masked(16, [0xf800, 0x7e0, 0x1f], 0x8410)).unwrap();
    assert_eq!(grey.get_pixel(0, 0).0, [131, 129, 131]);
}

/// A GIF with one frame: canvas, global palette, transparent index, then place, local palette,
/// interlacing and indices (below 4) of the frame.
struct Gif<'a> {
    canvas: (u16, u16),
    global: &'a [[u8; 3]],
    transparent: Option<u8>,
    place: [u16; 4],
    local: &'a [[u8; 3]],
    interlaced: bool,
    indices: &'a [u8],
}

impl Gif<'_> {
    fn file(&self) -> Vec<u8> {
        // Palettes of 4 colours.
        let flags = |palette: &[[u8; 3]]| if palette.is_empty() { 0 } else { 0x81u8 };
        let mut file = b"GIF89a".to_vec();
        file.extend([self.canvas.0.to_le_bytes(), self.canvas.1.to_le_bytes()].concat());
        file.extend([flags(self.global), 0, 0]);
        file.extend(self.global.as_flattened());
        if let Some(index) = self.transparent {
            file.extend([b'!', 0xf9, 4, 1, 0, 0, index, 0]);
        }
        file.push(b',');
        file.extend(self.place.iter().flat_map(|number| number.to_le_bytes()));
        file.push(flags(self.local) | if self.interlaced { 0x40 } else { 0 });
        file.extend(self.local.as_flattened());
        // Codes of 3 bits: a clear code before every second index keeps them so.
        let mut codes = Vec::new();
        for pair in self.indices.chunks(2) {
            codes.push(4);
            codes.extend(pair);
        }
        codes.push(5);
        let bits: Vec<u8> =
            codes.iter().flat_map(|code| (0..3).map(move |bit| code >> bit & 1)).collect();
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|bits| bits.iter().enumerate().map(|(at, bit)| bit << at).sum())
            .collect();
        file.push(2);
        for block in bytes.chunks(255) {
            file.push(block.len() as u8);
            file.extend(block);
        }
        file.extend([0, b';']);
        file
    }
}

const FOUR: [[u8; 3]; 4] = [RED, GREEN, BLACK, [255; 3]];

#[test]
fn a_gif_whose_first_frame_is_partial_shows_it_on_the_canvas() {
    let partial = Gif {
        canvas: (4, 3),
        global: &FOUR,
        transparent: None,
        place: [1, 1, 2, 2],
        local: &[],
        interlaced: false,
        indices: &[1, 2, 2, 1],
    };
    assert_shows(&partial.file(), &["rrrr", "rg.r", "r.gr"], &COLOURS, "index 0 around it");
    let transparent = Gif { transparent: Some(2), ..partial };
    let shown = ["....", ".g..", "..g."];
    assert_shows(&transparent.file(), &shown, &COLOURS, "the transparent index around it");
    let local = [GREEN, RED, BLACK, BLACK];
    let own_palette = Gif { local: &local, transparent: None, ..partial };
    assert_shows(&own_palette.file(), &["gggg", "gr.g", "g.rg"], &COLOURS, "its own palette");
    let larger = Gif { canvas: (1, 1), ..own_palette };
    assert_shows(&larger.file(), &["ggg", "gr.", "g.r"], &COLOURS, "larger than the canvas");
}

#[test]
fn a_gif_without_a_palette_is_grey() {
    let grey = Gif {
        canvas: (2, 1),
        global: &[],
        transparent: None,
        place: [0, 0, 2, 1],
        local: &[],
        interlaced: false,
        indices: &[1, 3],
    };
    assert_shows(&grey.file(), &["13"], &[('1', [1; 3]), ('3', [3; 3])], "no palette");
}

#[test]
fn interlaced_and_cut_gifs_show_the_rows_that_are_there() {
    let rows = [0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1];
    let interlaced = Gif {
        canvas: (2, 6),
        global: &[RED, GREEN, BLACK, RED],
        transparent: None,
        place: [0, 0, 2, 6],
        local: &[],
        interlaced: true,
        indices: &rows,
    };
    // In the file: rows 0, 4, 2, 1, 3, 5.
    let shown = ["rr", "rr", "..", "rr", "gg", "gg"];
    assert_shows(&interlaced.file(), &shown, &COLOURS, "interlaced");
    let cut = Gif { interlaced: false, indices: &rows[2..6], ..interlaced };
    let shown = ["gg", "..", "rr", "rr", "rr", "rr"];
    assert_shows(&cut.file(), &shown, &COLOURS, "two of six rows");
    // Any part of a file is an error or a photo.
    let file = cut.file();
    for length in 0..file.len() {
        let _ = decoded(&file[..length]);
    }
}

/// A TIFF with one strip: photometric interpretation, bits of each sample, more entries (tag, type
/// and values in order of bytes), pixels.
pub fn tiff(
    (width, height): (u32, u32),
    photometric: u16,
    bits: &[u16],
    extra: &[(u16, u16, Vec<u8>)],
    pixels: &[u8],
) -> Vec<u8> {
    let long = |value: u32| value.to_le_bytes().to_vec();
    let bits_value: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let mut entries = vec![
        (256, 4, long(width)),
        (257, 4, long(height)),
        (258, 3, bits_value),
        (259, 3, vec![1, 0]),
        (262, 3, photometric.to_le_bytes().to_vec()),
        (273, 4, long(8)),
        (277, 3, (bits.len() as u16).to_le_bytes().to_vec()),
        (278, 4, long(height)),
        (279, 4, long(pixels.len() as u32)),
    ];
    entries.extend(extra.iter().cloned());
    entries.sort();
    let mut file = b"II*\0".to_vec();
    file.extend(long(8 + pixels.len() as u32));
    file.extend(pixels);
    let mut values: Vec<u8> = Vec::new();
    let start = file.len() + 2 + 12 * entries.len() + 4;
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in &entries {
        let unit = [0, 1, 1, 2, 4][usize::from(*kind)];
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend(long((value.len() / unit) as u32));
        if value.len() <= 4 {
            let mut field = value.clone();
            field.resize(4, 0);
            file.extend(field);
        } else {
            file.extend(long((start + values.len()) as u32));
            values.extend(value);
        }
    }
    file.extend(long(0));
    file.extend(values);
    file
}

#[test]
fn tiffs_of_every_usual_colour_space_are_read() {
    let shades = [('w', [255; 3]), ('.', BLACK), ('m', [85; 3]), ('r', RED), ('g', GREEN)];
    let short = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut map = vec![0u16; 768];
    for (channel, (red, green)) in RED.iter().zip(GREEN).enumerate() {
        map[256 * channel] = u16::from(*red) << 8 | 7;
        map[256 * channel + 1] = u16::from(green) << 8;
    }
    let palette: Vec<u8> = short(&map);
    let map_of_four: Vec<u16> = (0..3)
        .flat_map(|channel| [RED[channel], GREEN[channel], 0, 0])
        .map(|v| u16::from(v) << 8)
        .collect();
    let premultiplied = [[100, 15, 20, 128], [0, 0, 0, 0], [255; 4], [85, 85, 85, 255]].concat();
    let shown = tiff((4, 1), 2, &[8; 4], &[(338, 3, vec![1, 0])], &premultiplied);
    let photo = decoded(&shown).unwrap();
    assert_eq!(photo.get_pixel(0, 0).0, [199, 29, 39], "colours divided by their opacity");
    for (what, file, row) in [
        ("RGB", tiff((2, 1), 2, &[8; 3], &[], &[RED, GREEN].concat()), "rg"),
        (
            "RGBA",
            tiff((2, 1), 2, &[8; 4], &[(338, 3, vec![2, 0])], &[200, 30, 40, 0, 30, 180, 60, 9]),
            "rg",
        ),
        (
            "16 bits",
            tiff((2, 1), 2, &[16; 3], &[], &[9, 255, 9, 255, 9, 255, 9, 85, 9, 85, 9, 85]),
            "wm",
        ),
        ("grey", tiff((3, 1), 1, &[8], &[], &[255, 85, 0]), "wm."),
        ("grey, white is 0", tiff((3, 1), 0, &[8], &[], &[0, 170, 255]), "wm."),
        (
            "grey and alpha",
            tiff((3, 1), 1, &[8, 8], &[(338, 3, vec![2, 0])], &[255, 1, 85, 2, 0, 3]),
            "wm.",
        ),
        ("1 bit", tiff((4, 2), 1, &[1], &[], &[0b1010_0000, 0b1010_0000]), "w.w."),
        ("4 bits", tiff((3, 1), 1, &[4], &[], &[0xf5, 0]), "wm."),
        ("16 bits of grey", tiff((3, 1), 1, &[16], &[], &[9, 255, 9, 85, 9, 0]), "wm."),
        ("palette", tiff((3, 1), 3, &[8], &[(320, 3, palette)], &[0, 1, 2]), "rg."),
        (
            "palette of 2 bits",
            tiff((3, 1), 3, &[2], &[(320, 3, short(&map_of_four))], &[0b0001_1000]),
            "rg.",
        ),
        ("CMYK", tiff((3, 1), 5, &[8; 4], &[], &[0, 0, 0, 0, 0, 0, 0, 170, 0, 0, 0, 255]), "wm."),
        (
            "YCbCr",
            tiff(
                (3, 1),
                6,
                &[8; 3],
                &[(530, 3, vec![1, 0, 1, 0])],
                &[255, 128, 128, 85, 128, 128, 0, 128, 128],
            ),
            "wm.",
        ),
    ] {
        let photo = decoded(&file).unwrap_or_else(|error| panic!("{what}: {error}"));
        let rows = vec![row; photo.height() as usize];
        assert_shows(&file, &rows, &shades, what);
    }
}

#[test]
fn a_tiff_that_is_not_read_is_named() {
    let reversed = tiff((8, 1), 1, &[1], &[(266, 3, vec![2, 0])], &[0x55]);
    let error = decoded(&reversed).unwrap_err();
    assert!(error.contains("FillOrder 2"), "{error}");
    let huge = tiff((60_000, 60_000), 1, &[8], &[], &[0]);
    let error = decoded(&huge).unwrap_err();
    assert!(error.contains("too large"), "{error}");
}
