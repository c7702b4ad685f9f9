//! Photos of bytes to normalised values.
//!
//! **Memory**: reads `[photos, height, width, 3]` bytes, four to a word; writes
//! `[photos, height, width, 4]` values, the fourth of which is zero. Uploading bytes takes a
//! quarter of the transfer that f32 photos would take.
//! **Launch**: one unit per four pixels, which are three words; a 1D launch.
//! **Arithmetic intensity**: none; 3 bytes are read and 16 written per pixel. Each byte is looked
//! up in a table of 768 values, the same table that the CPU engine uses, so that the results are
//! bit-identical.

use cubecl::prelude::*;

use super::device_tensor::{Constants, DeviceTensor};
use super::gpu_client::GpuClient;
use super::{Four, Launch, Limits, Precision};

/// The preprocessing kernel with its lookup table on the device.
#[derive(Clone, Debug)]
pub struct Preprocess {
    table: Constants,
    precision: Precision,
}

impl Preprocess {
    /// Uploads the table of the normalised value of each byte in each channel.
    pub fn new(client: &GpuClient, normalised: &[[f32; 256]; 3], precision: Precision) -> Self {
        let table = Constants::new(client, normalised.as_flattened(), Precision::F32);
        Self { table, precision }
    }

    /// Converts `pixels`, `[photos, height, width, 3]`, to a tensor of photos.
    ///
    /// # Panics
    /// If the number of bytes is not a multiple of `3 * height * width`.
    pub fn run(
        &self,
        client: &GpuClient,
        pixels: &[u8],
        [height, width]: [usize; 2],
    ) -> DeviceTensor {
        let photo = 3 * height * width;
        assert!(pixels.len().is_multiple_of(photo), "the pixels must fill whole photos");
        let photos =
            DeviceTensor::empty(client, pixels.len() / photo, [3, height, width], self.precision);
        self.run_into(client, pixels, &photos);
        photos
    }

    /// As [`run`](Self::run), but writes to `photos`.
    ///
    /// # Panics
    /// If `photos` does not have three channels, or if its number of pixels is not that of
    /// `pixels`.
    pub fn run_into(&self, client: &GpuClient, pixels: &[u8], photos: &DeviceTensor) {
        assert_eq!(
            (photos.channels, photos.pixels() * 3),
            (3, pixels.len()),
            "the tensor must have the shape of the photos"
        );
        let groups = launch(client.limits(), photos.pixels());
        let (cubes, dimension) = (groups.cubes(), groups.dimension());
        // Pad to three whole words for the last four pixels.
        let mut bytes = pixels.to_vec();
        bytes.resize(word_bytes(photos.pixels()), 0);
        let words = bytes.len() / 4;
        // SAFETY: the handle is created from `bytes`, which are exactly `words` words.
        let input = unsafe { BufferArg::from_raw_parts(client.create_from_slice(&bytes), words) };
        let launch = match photos.precision {
            Precision::F32 => preprocess::launch::<f32>,
            Precision::F16 => preprocess::launch::<half::f16>,
        };
        let (table, output) = (self.table.argument(), photos.argument());
        launch(client, cubes, dimension, input, table, output, photos.pixels());
    }

    /// Bytes that the kernel reads for `pixels` pixels.
    pub fn bytes_read(&self, pixels: usize) -> usize {
        3 * pixels + self.table.bytes()
    }
}

/// The launch for `pixels` pixels.
pub fn launch(limits: Limits, pixels: usize) -> Launch {
    Launch::line(limits, pixels.div_ceil(PIXELS))
}

/// Bytes of the buffer that holds `pixels` pixels: three whole words for the last four.
pub fn word_bytes(pixels: usize) -> usize {
    3 * pixels.next_multiple_of(PIXELS)
}

/// Pixels per unit.
const PIXELS: usize = 4;

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
