//! GIF files whose first frame is unusual decode as PIL shows them.

use crate::shown::{BLACK, COLOURS, GREEN, RED, assert_shows, decoded};

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
