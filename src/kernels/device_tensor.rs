//! Activations on the device.
//!
//! **Memory**: `[photos, height, width, vectors]`. A vector holds four channels; the last vector is
//! padded with zeros. With channels last, the units of a work-group, which process neighbouring
//! channels, read neighbouring addresses, and a convolution is a product over contiguous values.

use std::pin::Pin;

use cubecl::prelude::{BufferArg, CubeElement};
use cubecl::server::{Handle, ServerError};
use half::f16;

use super::WIDTH;
use super::gpu_client::GpuClient;
use crate::precision::Precision;

impl Precision {
    /// Encodes `values` in this precision.
    pub(crate) fn stored(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => f32::as_bytes(values).to_vec(),
            Self::F16 => {
                let halves: Vec<f16> = values.iter().map(|value| f16::from_f32(*value)).collect();
                f16::as_bytes(&halves).to_vec()
            }
        }
    }

    /// Decodes `bytes` that hold values in this precision.
    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => f32::from_bytes(bytes).to_vec(),
            Self::F16 => f16::from_bytes(bytes).iter().map(|half| half.to_f32()).collect(),
        }
    }
}

/// Activations on the device.
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    handle: Handle,
    /// Values in the buffer, padding included.
    length: usize,
    /// Number of photos.
    pub photos: usize,
    /// Channels, without the padding of the last vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Precision in which the values are stored.
    pub precision: Precision,
}

impl DeviceTensor {
    /// Size in bytes of a tensor of this shape.
    pub fn bytes_of(
        photos: usize,
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> usize {
        photos * height * width * channels.next_multiple_of(WIDTH) * precision.bytes()
    }

    /// Allocates a tensor with uninitialised values.
    pub fn empty(
        client: &GpuClient,
        photos: usize,
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        let length = photos * height * width * channels.next_multiple_of(WIDTH);
        let handle = client.empty(length * precision.bytes());
        Self { handle, length, photos, channels, height, width, precision }
    }

    /// Uploads `values`, `[photos, channels, height, width]`.
    ///
    /// # Panics
    /// If the number of values is not a multiple of `channels * height * width`.
    pub fn upload(
        client: &GpuClient,
        values: &[f32],
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        assert_eq!(
            values.len() % (channels * height * width),
            0,
            "the values must fill whole photos"
        );
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

    /// A tensor filled with `value`, padding included. Tests use it to poison an output before a
    /// kernel writes it.
    pub fn filled(
        client: &GpuClient,
        value: f32,
        photos: usize,
        [channels, height, width]: [usize; 3],
        precision: Precision,
    ) -> Self {
        let length = photos * height * width * channels.next_multiple_of(WIDTH);
        let handle = client.create_from_slice(&precision.stored(&vec![value; length]));
        Self { handle, length, photos, channels, height, width, precision }
    }

    /// Downloads the values, `[photos, channels, height, width]`.
    ///
    /// # Errors
    /// If the copy fails, or if an earlier kernel failed on the device.
    pub fn read(&self, client: &GpuClient) -> Result<Vec<f32>, ServerError> {
        self.read_later(client).wait()
    }

    /// Downloads the values in their memory layout, `[photos, height, width, channels]`, with the
    /// channels padded to a multiple of four.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn read_stored(&self, client: &GpuClient) -> Result<Vec<f32>, ServerError> {
        self.read_later(client).wait_stored()
    }

    /// Starts downloading the values and returns at once. The copy is queued after all earlier
    /// launches and before all later ones.
    pub fn read_later<'a>(&self, client: &'a GpuClient) -> Reading<'a> {
        // The copy is queued here, not when the future is first polled.
        let copied = client.read_async(vec![self.handle.clone()]);
        let copied = Box::pin(async move { Ok(copied.await?.remove(0).to_vec()) });
        Reading { tensor: self.clone(), copied }
    }

    /// Vectors of four channels per pixel.
    pub fn vectors(&self) -> usize {
        self.channels.div_ceil(WIDTH)
    }

    /// Total number of pixels of all photos.
    pub fn pixels(&self) -> usize {
        self.photos * self.height * self.width
    }

    /// Number of photos and precision, which a kernel's input and output share.
    pub(crate) fn batch(&self) -> (usize, Precision) {
        (self.photos, self.precision)
    }

    /// Asserts that this tensor can be the output for `input` and `shortcut` of a kernel whose
    /// weights are stored in `precision`.
    ///
    /// # Panics
    /// If the numbers of photos or the precisions differ, or if the shortcut's shape is not this
    /// tensor's shape.
    pub(crate) fn assert_follows(
        &self,
        input: &Self,
        shortcut: Option<&Self>,
        precision: Precision,
    ) {
        let batch = (input.photos, precision);
        assert_eq!((input.batch(), self.batch()), (batch, batch));
        assert!(
            shortcut.is_none_or(|added| (added.batch(), added.shape()) == (batch, self.shape())),
            "the shortcut must have the output's shape"
        );
    }

    /// `[channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.length * self.precision.bytes()
    }

    /// The buffer as a kernel argument.
    pub(crate) fn argument(&self) -> BufferArg {
        // SAFETY: every constructor above allocates the handle for exactly `length` values, and
        // neither the handle nor the length changes afterwards.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.length) }
    }
}

/// A pending download of a [`DeviceTensor`].
pub struct Reading<'a> {
    tensor: DeviceTensor,
    copied: Pin<Box<dyn Future<Output = Result<Vec<u8>, ServerError>> + Send + 'a>>,
}

impl Reading<'_> {
    /// Waits for the values, `[photos, channels, height, width]`.
    ///
    /// # Errors
    /// If the copy fails, or if an earlier kernel failed on the device.
    pub fn wait(self) -> Result<Vec<f32>, ServerError> {
        let DeviceTensor { photos, channels, height, width, .. } = self.tensor;
        let (stored, pixels) = (self.tensor.vectors() * WIDTH, height * width);
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
        let mut values = self.tensor.precision.read(&bytes);
        values.truncate(self.tensor.length);
        Ok(values)
    }
}

/// Constant kernel arguments: weights, biases, lookup tables.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    handle: Handle,
    length: usize,
    bytes: usize,
}

impl Constants {
    /// Uploads `values` in `precision`.
    pub(crate) fn new(client: &GpuClient, values: &[f32], precision: Precision) -> Self {
        let stored = precision.stored(values);
        let bytes = stored.len();
        Self { handle: client.create_from_slice(&stored), length: values.len(), bytes }
    }

    /// Size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn argument(&self) -> BufferArg {
        // SAFETY: `new` created the handle from exactly `length` values.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.length) }
    }
}
