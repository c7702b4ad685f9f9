//! Photos of bytes to normalised values.
//!
//! **Memory**: reads `[photos, height, width, 3]` bytes, four to a word; writes `[photos, height, width, 4]` values, the
//! fourth zero. A quarter of the bytes that f32 photos take cross the bus.
//! **Launch**: a unit for four pixels, which are three words; work-groups in a line.
//! **Arithmetic intensity**: none, 3 bytes read and 16 written a pixel. What a byte of a channel stands for is looked up
//! among 768 values, which are those that the processor's executor uses: the results are its bits.

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::map::{Constants, Map};
use super::{Four, tile};

/// What bytes stand for, on the device.
#[derive(Clone, Debug)]
pub struct Preprocess {
    table: Constants,
    precision: Precision,
}

impl Preprocess {
    /// From what each byte of each channel stands for.
    pub fn new(client: &Client, normalised: &[[f32; 256]; 3], precision: Precision) -> Self {
        let table = Constants::new(client, normalised.as_flattened(), Precision::F32);
        Self { table, precision }
    }

    /// Photos of `height` rows and `width` columns from `pixels`, `[photos, height, width, 3]`.
    ///
    /// # Panics
    /// Where those are no whole photos.
    pub fn run(&self, client: &Client, pixels: &[u8], [height, width]: [usize; 2]) -> Map {
        let photo = 3 * height * width;
        assert!(pixels.len().is_multiple_of(photo), "whole photos");
        let photos = Map::empty(client, pixels.len() / photo, [3, height, width], self.precision);
        self.run_into(client, pixels, &photos);
        photos
    }

    /// The same, written to `photos`.
    ///
    /// # Panics
    /// Where it has not the shape of what comes out.
    pub fn run_into(&self, client: &Client, pixels: &[u8], photos: &Map) {
        assert_eq!(
            (photos.channels, photos.pixels() * 3),
            (3, pixels.len()),
            "a map of the photos"
        );
        let (cubes, dimension) = tile::line(client, photos.pixels().div_ceil(4));
        // Three whole words for the last four pixels too.
        let mut bytes = pixels.to_vec();
        bytes.resize(pixels.len().next_multiple_of(12), 0);
        let words = bytes.len() / 4;
        // SAFETY: the handle was made of exactly so many words.
        let input = unsafe { BufferArg::from_raw_parts(client.create_from_slice(&bytes), words) };
        let launch = match photos.precision {
            Precision::F32 => preprocess::launch::<f32>,
            Precision::F16 => preprocess::launch::<half::f16>,
        };
        let (table, output) = (self.table.argument(), photos.argument());
        launch(client, cubes, dimension, input, table, output, photos.pixels());
    }

    /// Bytes that it reads for so many pixels.
    pub fn bytes_read(&self, pixels: usize) -> usize {
        3 * pixels + self.table.bytes()
    }
}

#[cube(launch)]
fn preprocess<F: Float>(words: &[u32], table: &[f32], output: &mut [Four<F>], pixels: usize) {
    let first = ABSOLUTE_POS * 4;
    #[unroll]
    for pixel in 0..4usize {
        if first + pixel < pixels {
            let mut value = Four::<F>::new(F::new(0.0));
            #[unroll]
            for channel in 0..3usize {
                let byte = comptime!(pixel * 3 + channel);
                let word = words[ABSOLUTE_POS * 3 + comptime!(byte / 4)];
                let level = (word >> comptime!(byte as u32 % 4 * 8)) & 255;
                let entry = table[comptime!(channel * 256) + level as usize];
                value.insert(channel, F::cast_from(entry));
            }
            output[first + pixel] = value;
        }
    }
}
