//! BMP files with skipped pixels and odd headers decode as PIL shows them.

use crate::shown::{BLACK, COLOURS, GREEN, RED, assert_shows, decoded};

/// A BMP with a header of 40 bytes: bits, compression, height, palette (BGRX), pixels.
pub fn bmp(
    bits: u16,
    compression: u32,
    size: (i32, i32),
    palette: &[u8],
    pixels: &[u8],
) -> Vec<u8> {
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
