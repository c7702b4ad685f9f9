//! Errors that a driver reports beside the call that failed.
//!
//! wgpu tells an error of a call that returns no result, such as the creation of a buffer, to a
//! handler of the device. The work that needed the buffer fails later, with an error that does not
//! say why. These reports do.

use std::sync::{Arc, Mutex, PoisonError};

/// An error that a driver reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverReport {
    /// The device's memory is too small.
    OutOfMemory,
    /// Another error, on one line.
    Other(String),
}

/// The reports of one device's driver. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct DriverReports(Arc<Mutex<Option<DriverReport>>>);

impl DriverReports {
    /// Keeps a report, unless there is one: later errors follow from the first.
    pub fn add(&self, report: DriverReport) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(report);
    }

    /// The first report since the last call.
    pub fn take(&self) -> Option<DriverReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
