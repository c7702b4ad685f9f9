//! TIFF files of the usual colour spaces decode as PIL shows them.

use crate::shown::{BLACK, GREEN, RED, assert_shows, decoded};

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
