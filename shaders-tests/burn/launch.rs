//! Launches single kernels, one after another, on outputs that are filled with NaN.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::TensorBinding;
use cubecl::server::Handle;
use cubecl::std::tensor::TensorHandle;

use kindling::kernels::reference::{Expected, Worst};
use shaders_tests::table::Outcome;

/// The type of all values.
pub const F32: ElemType = ElemType::Float(FloatKind::F32);

/// NaN values appended to each buffer. A kernel that reads past the end gets a NaN result, even if
/// it multiplies the value by zero, and writes past the end are detected.
const TAIL: usize = 256;

/// A lock for tests that launch single kernels, so that they do not wait for each other's kernels
/// on the device.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uploads `values`, followed by a tail of NaN.
fn upload(client: &Client, mut values: Vec<f32>) -> Handle {
    values.resize(values.len() + TAIL, f32::NAN);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    client.create_from_slice(&bytes)
}

/// Uploads an input tensor, contiguous in row-major order.
pub fn input(client: &Client, values: &[f32], shape: &[usize]) -> TensorHandle {
    assert_eq!(values.len(), shape.iter().product::<usize>());
    TensorHandle::new_contiguous(shape.to_vec(), upload(client, values.to_vec()), F32)
}

/// Uploads a column-major matrix.
pub fn transposed(client: &Client, values: &[f32], [rows, columns]: [usize; 2]) -> TensorHandle {
    assert_eq!(values.len(), rows * columns);
    let handle = upload(client, values.to_vec());
    TensorHandle::new(handle, [rows, columns], [1, rows], F32)
}

/// Runs `launch` on an output of `shape` that is filled with NaN, and compares the result.
pub fn force<E: Debug>(
    client: &Client,
    shape: &[usize],
    expected: &Expected,
    launch: impl FnOnce(TensorBinding) -> Result<(), E>,
) -> Outcome {
    match run(client, shape, launch) {
        Ok(values) => expected.worst(&values).into(),
        Err(outcome) => outcome,
    }
}

/// Runs `launch` on an output of `shape` that is filled with NaN.
///
/// # Errors
/// Returns the outcome if there are no values: `Declined` if `launch` returns an error, `CannotRun`
/// if it panics or the driver refuses the kernel, and an infinite error if the kernel writes past
/// the end.
pub fn run<E: Debug>(
    client: &Client,
    shape: &[usize],
    launch: impl FnOnce(TensorBinding) -> Result<(), E>,
) -> Result<Vec<f32>, Outcome> {
    let count: usize = shape.iter().product();
    let output = upload(client, vec![f32::NAN; count]);
    let binding = TensorHandle::new_contiguous(shape.to_vec(), output.clone(), F32).binding();
    let attempt = AssertUnwindSafe(|| {
        launch(binding).map_err(|why| Outcome::Declined(format!("{why:?}")))?;
        client.read_one(output).map_err(|why| Outcome::CannotRun(why.to_string()))
    });
    let bytes = catch_unwind(attempt).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Outcome::CannotRun(format!("panics: {}", message.unwrap_or("no message"))))
    })?;
    let mut values: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("chunks of four bytes")))
        .collect();
    let tail = values.split_off(count);
    match tail.iter().position(|value| !value.is_nan()) {
        Some(past) => Err(Worst { error: f64::INFINITY, bound: 0.0, at: count + past }.into()),
        None => Ok(values),
    }
}

#[test]
fn an_output_that_is_not_written_is_infinitely_wrong() {
    let Some(client) = shaders_tests::adapter::client() else { return };
    let expected = Expected::of([3], |_| kindling::kernels::reference::Reference::unrounded(0.0));
    let outcome = force::<()>(&client, &[3], &expected, |_| Ok(()));
    let Outcome::Ran(worst) = outcome else { panic!("it ran") };
    assert!(!worst.is_within(), "{worst:?}");
}
