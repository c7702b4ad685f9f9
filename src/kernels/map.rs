//! Activations on the device.
//!
//! In memory: `[photos, height, width, vectors]`, a vector being four channels, the last one padded with zeros. Channels
//! last means that the units of a work-group, which take neighbouring channels, read neighbouring addresses; and that a
//! convolution is a product over runs of contiguous values.

use std::pin::Pin;

use cubecl::client::Client;
use cubecl::prelude::{BufferArg, CubeElement};
use cubecl::server::{Handle, ServerError};
use half::f16;

use super::WIDTH;
use crate::precision::Precision;

impl Precision {
    /// The bytes of `values` as they are stored.
    pub(crate) fn stored(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => f32::as_bytes(values).to_vec(),
            Self::F16 => {
                let halves: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
                f16::as_bytes(&halves).to_vec()
            }
        }
    }

    /// The values that lie in `bytes`.
    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => f32::from_bytes(bytes).to_vec(),
            Self::F16 => f16::from_bytes(bytes).iter().map(|half| half.to_f32()).collect(),
        }
    }
}

/// Activations on the device.
#[derive(Clone, Debug)]
pub struct Map {
    handle: Handle,
    /// How many values the handle was made for.
    length: usize,
    /// How many photos.
    pub photos: usize,
    /// Channels, without the zeros that fill the last vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// How its values are stored.
    pub precision: Precision,
}

impl Map {
    /// One that holds anything.
    pub fn empty(
        client: &Client,
        photos: usize,
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        let length = photos * height * width * channels.next_multiple_of(WIDTH);
        let handle = client.empty(length * precision.bytes());
        Self { handle, length, photos, channels, height, width, precision }
    }

    /// One of `values`, `[photos, channels, height, width]`.
    ///
    /// # Panics
    /// Where there are not as many.
    pub fn upload(
        client: &Client,
        values: &[f32],
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        assert_eq!(values.len() % (channels * height * width), 0, "whole photos");
        let photos = values.len() / (channels * height * width);
        let stored = channels.next_multiple_of(WIDTH);
        let mut last = vec![0.0; photos * height * width * stored];
        for (plane, values) in values.chunks_exact(height * width).enumerate() {
            let (photo, channel) = (plane / channels, plane % channels);
            for (pixel, value) in values.iter().enumerate() {
                last[(photo * height * width + pixel) * stored + channel] = *value;
            }
        }
        let handle = client.create_from_slice(&precision.stored(&last));
        Self { handle, length: last.len(), photos, channels, height, width, precision }
    }

    /// One of `value` everywhere, also where channels are filled up: for tests, which poison what a kernel has to write.
    pub fn filled(
        client: &Client,
        value: f32,
        photos: usize,
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        let length = photos * height * width * channels.next_multiple_of(WIDTH);
        let handle = client.create_from_slice(&precision.stored(&vec![value; length]));
        Self { handle, length, photos, channels, height, width, precision }
    }

    /// Its values, `[photos, channels, height, width]`.
    ///
    /// # Errors
    /// Where the device does not give them back, or failed before.
    pub fn read(&self, client: &Client) -> Result<Vec<f32>, ServerError> {
        self.read_later(client).wait()
    }

    /// Its values as they lie, `[photos, height, width, channels]`, the channels filled up to fours.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_stored(&self, client: &Client) -> Result<Vec<f32>, ServerError> {
        self.read_later(client).wait_stored()
    }

    /// Asks for its values: the copy is under way when this returns, behind what was launched before and ahead of what is
    /// launched later.
    pub fn read_later<'a>(&self, client: &'a Client) -> Reading<'a> {
        // Asked for here, not when it is waited for.
        let copied = client.read_async(vec![self.handle.clone()]);
        let copied = Box::pin(async move { Ok(copied.await?.remove(0).to_vec()) });
        Reading { map: self.clone(), copied }
    }

    /// Vectors of four channels a pixel.
    pub fn vectors(&self) -> usize {
        self.channels.div_ceil(WIDTH)
    }

    /// Pixels of all photos.
    pub fn pixels(&self) -> usize {
        self.photos * self.height * self.width
    }

    /// How many photos, and how they are stored: alike for what goes into a kernel and what comes out.
    pub(crate) fn batch(&self) -> (usize, Precision) {
        (self.photos, self.precision)
    }

    /// That it may come of `input` and a shortcut, by a kernel whose weights are stored in `precision`.
    ///
    /// # Panics
    /// Where the photos or the precisions are not the same, or the shortcut is not like it.
    pub(crate) fn assert_follows(
        &self,
        input: &Self,
        shortcut: Option<&Self>,
        precision: Precision,
    ) {
        let batch = (input.photos, precision);
        assert_eq!((input.batch(), self.batch()), (batch, batch));
        assert!(
            shortcut.is_none_or(|map| (map.batch(), map.shape()) == (batch, self.shape())),
            "a shortcut like the output"
        );
    }

    /// `[channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.length * self.precision.bytes()
    }

    /// It as a kernel's argument.
    pub(crate) fn argument(&self) -> BufferArg {
        // SAFETY: the handle was made for exactly so many values, in every constructor above, and neither changes.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.length) }
    }
}

/// A map on its way back from the device.
pub struct Reading<'a> {
    map: Map,
    copied: Pin<Box<dyn Future<Output = Result<Vec<u8>, ServerError>> + Send + 'a>>,
}

impl Reading<'_> {
    /// Its values, `[photos, channels, height, width]`.
    ///
    /// # Errors
    /// Where the device does not give them back, or failed before.
    pub fn wait(self) -> Result<Vec<f32>, ServerError> {
        let Map { photos, channels, height, width, .. } = self.map;
        let (stored, pixels) = (self.map.vectors() * WIDTH, height * width);
        let last = self.wait_stored()?;
        let mut values = Vec::with_capacity(photos * channels * pixels);
        for photo in last.chunks_exact(pixels * stored) {
            for channel in 0..channels {
                values.extend((0..pixels).map(|pixel| photo[pixel * stored + channel]));
            }
        }
        Ok(values)
    }

    fn wait_stored(self) -> Result<Vec<f32>, ServerError> {
        let bytes = cubecl::future::block_on(self.copied)?;
        let mut values = self.map.precision.read(&bytes);
        values.truncate(self.map.length);
        Ok(values)
    }
}

/// Values that do not change, as a kernel's argument: weights, biases, tables.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    handle: Handle,
    length: usize,
    bytes: usize,
}

impl Constants {
    /// Stores `values`.
    pub(crate) fn new(client: &Client, values: &[f32], precision: Precision) -> Self {
        let stored = precision.stored(values);
        let bytes = stored.len();
        Self { handle: client.create_from_slice(&stored), length: values.len(), bytes }
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn argument(&self) -> BufferArg {
        // SAFETY: the handle was made of exactly so many values.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.length) }
    }
}
