//! What goes wrong, and when.
//!
//! `FAULTY_VULKAN` is a list of faults, separated by commas. Each is `WHAT@EVENT:N`: at the `N`-th
//! event of this kind, counted from 1. `WHAT@EVENT:N..` is a fault of the `N`-th and of every later
//! one. Two have a size instead of a count, and one has neither.
//!
//! | fault | what happens |
//! | --- | --- |
//! | `device-lost@submit:N` | `vkQueueSubmit` reports that the device is lost, and so does every later call |
//! | `device-lost@wait:N` | the same, when the program waits for the work |
//! | `hang@submit:N` | neither this work nor any later work is ever done |
//! | `hang@pipeline:N` | the compilation of a shader never ends |
//! | `out-of-memory@buffer:N` | `vkCreateBuffer` finds no memory |
//! | `out-of-memory@memory:N` | `vkAllocateMemory` finds no memory |
//! | `out-of-memory@pipeline:N` | the compilation of a shader finds no memory |
//! | `out-of-memory@submit:N` | `vkQueueSubmit` finds no memory |
//! | `memory:BYTES` | the device has so much memory in all |
//! | `largest:BYTES` | there is no memory for a larger buffer |
//! | `refused@pipeline:N` | the driver's compiler fails |
//! | `refused@device:N` | `vkCreateDevice` fails |
//! | `gone@instance:N` | the `N`-th instance that the program creates finds no device |
//! | `wrong-tile@dispatch:N` | the last work-group of a dispatch does not run |
//! | `zeros@read:N` | a copy into a buffer that the processor reads leaves zeros |
//! | `lost@read:N` | such a copy does not happen: the buffer has its older bytes |
//! | `poison` | new memory and memory that should be cleared hold NaN in f32 and f16 |

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The variable with the faults.
pub const FAULTS: &str = "FAULTY_VULKAN";
/// The variable with the file of the log.
pub const LOG: &str = "FAULTY_VULKAN_LOG";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DeviceLost,
    Hang,
    OutOfMemory,
    Refused,
    Gone,
    WrongTile,
    Zeros,
    Lost,
}

/// A call that may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Instance,
    Device,
    Buffer,
    Memory,
    Pipeline,
    Dispatch,
    Read,
    Submit,
    Wait,
}

const FAULT_NAMES: [(&str, Fault); 8] = [
    ("device-lost", Fault::DeviceLost),
    ("hang", Fault::Hang),
    ("out-of-memory", Fault::OutOfMemory),
    ("refused", Fault::Refused),
    ("gone", Fault::Gone),
    ("wrong-tile", Fault::WrongTile),
    ("zeros", Fault::Zeros),
    ("lost", Fault::Lost),
];

const EVENT_NAMES: [(&str, Event); 9] = [
    ("instance", Event::Instance),
    ("device", Event::Device),
    ("buffer", Event::Buffer),
    ("memory", Event::Memory),
    ("pipeline", Event::Pipeline),
    ("dispatch", Event::Dispatch),
    ("read", Event::Read),
    ("submit", Event::Submit),
    ("wait", Event::Wait),
];

/// Which faults a call can have.
fn is_possible(fault: Fault, event: Event) -> bool {
    match event {
        Event::Instance => fault == Fault::Gone,
        Event::Device => fault == Fault::Refused,
        Event::Buffer | Event::Memory => fault == Fault::OutOfMemory,
        Event::Pipeline => matches!(fault, Fault::Refused | Fault::OutOfMemory | Fault::Hang),
        Event::Dispatch => fault == Fault::WrongTile,
        Event::Read => matches!(fault, Fault::Zeros | Fault::Lost),
        Event::Submit => matches!(fault, Fault::DeviceLost | Fault::Hang | Fault::OutOfMemory),
        Event::Wait => fault == Fault::DeviceLost,
    }
}

/// A fault at some events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Planned {
    fault: Fault,
    event: Event,
    first: u64,
    last: u64,
}

/// The faults of this process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    planned: Vec<Planned>,
    /// Bytes of the device's memory, if they are limited.
    pub memory: Option<u64>,
    /// Bytes of the largest buffer, if they are limited.
    pub largest: Option<u64>,
    pub poison: bool,
}

impl Plan {
    /// Reads the language that the module's documentation describes.
    fn parse(text: &str) -> Option<Self> {
        let mut plan = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "poison" {
                plan.poison = true;
                continue;
            }
            let (what, count) = part.split_once(':')?;
            if what == "memory" {
                plan.memory = Some(count.parse().ok()?);
                continue;
            }
            if what == "largest" {
                plan.largest = Some(count.parse().ok()?);
                continue;
            }
            let (fault, event) = what.split_once('@')?;
            let (_, fault) = *FAULT_NAMES.iter().find(|(name, _)| *name == fault)?;
            let (_, event) = *EVENT_NAMES.iter().find(|(name, _)| *name == event)?;
            let (first, last) = match count.strip_suffix("..") {
                Some(first) => (first.parse().ok()?, u64::MAX),
                None => (count.parse().ok()?, count.parse().ok()?),
            };
            if !is_possible(fault, event) {
                return None;
            }
            plan.planned.push(Planned { fault, event, first, last });
        }
        Some(plan)
    }
}

/// The faults that `FAULTY_VULKAN` asks for.
pub(crate) static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let text = std::env::var(FAULTS).unwrap_or_default();
    Plan::parse(&text).unwrap_or_else(|| {
        // A test with a misspelt fault must not run as if there were none.
        eprintln!("{FAULTS} has no fault of the name `{text}`");
        std::process::abort()
    })
});

static COUNTS: LazyLock<Mutex<HashMap<Event, u64>>> = LazyLock::new(Mutex::default);

static LOG_FILE: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let path = std::env::var_os(LOG)?;
    let file = OpenOptions::new().create(true).append(true).open(&path);
    Some(Mutex::new(file.unwrap_or_else(|error| {
        eprintln!("{LOG}: {error}");
        std::process::abort()
    })))
});

/// Writes a line to the log.
pub(crate) fn note(line: &str) {
    if let Some(file) = LOG_FILE.as_ref() {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that the line is whole even if the process is killed.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// Counts an event, and returns its fault.
pub(crate) fn happened(event: Event) -> Option<Fault> {
    let count = {
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(event).or_default();
        *count += 1;
        *count
    };
    let name = EVENT_NAMES.iter().find(|(_, named)| *named == event).map_or("", |(name, _)| name);
    note(&format!("{name} {count}"));
    let is_now = |planned: &&Planned| {
        planned.event == event && (planned.first..=planned.last).contains(&count)
    };
    let fault = PLAN.planned.iter().find(is_now)?.fault;
    note(&format!("fault {fault:?} at {name} {count}"));
    Some(fault)
}
