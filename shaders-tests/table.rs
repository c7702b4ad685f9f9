//! The table of results: for each kernel, operation and shape, the error and its bound.
//!
//! ```ignore
//! let mut table = Table::new("matrix products");
//! table.row("matmul_naive", "matmul", "49x512x1000", expected.worst(&actual));
//! let declined = Outcome::Declined("no CMMA".into());
//! table.row("matmul_simple_cyclic_cmma", "matmul", "49x512x1000", declined);
//! table.finish(&[]);
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::adapter::{self, TestAdapter};
use kindling::kernels::reference::Worst;

/// The outcome of a kernel at a shape.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The kernel ran, with this largest error.
    Ran(Worst),
    /// The kernel declined the problem before it was launched, for this reason.
    Declined(String),
    /// The driver or the runtime refused the launch, for this reason.
    CannotRun(String),
    /// The kernel was not tried, for this reason.
    LeftOut(&'static str),
}

impl From<Worst> for Outcome {
    fn from(worst: Worst) -> Self {
        Self::Ran(worst)
    }
}

struct Row {
    kernel: String,
    op: String,
    shape: String,
    outcome: Outcome,
}

/// A kernel that is known to be wrong. The test fails when it is no longer wrong.
#[derive(Clone, Copy, Debug)]
pub struct KnownWrong {
    /// The kernel's name in the table.
    pub kernel: &'static str,
    /// Whether the kernel is wrong at this op and shape, as named in the table.
    pub wrong_at: fn(op: &str, shape: &str) -> bool,
    /// What is wrong, with a link to the report.
    pub why: &'static str,
}

/// The results of one family of operations.
pub struct Table {
    title: String,
    adapter: String,
    rows: Vec<Row>,
}

impl Table {
    /// Creates an empty table of results on the first adapter.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), adapter: adapter::described(), rows: Vec::new() }
    }

    /// Creates an empty table of results on `adapter`.
    pub fn on(adapter: &TestAdapter, title: &str) -> Self {
        Self { title: title.to_owned(), adapter: adapter.info.to_string(), rows: Vec::new() }
    }

    /// Adds the outcome of `kernel`.
    pub fn row(&mut self, kernel: &str, op: &str, shape: &str, outcome: impl Into<Outcome>) {
        self.rows.push(Row {
            kernel: kernel.to_owned(),
            op: op.to_owned(),
            shape: shape.to_owned(),
            outcome: outcome.into(),
        });
    }

    /// The kernels that exceed a bound at any op and shape.
    pub fn wrong(&self) -> BTreeSet<&str> {
        let wrong = |row: &&Row| matches!(&row.outcome, Outcome::Ran(worst) if !worst.is_within());
        self.rows.iter().filter(wrong).map(|row| row.kernel.as_str()).collect()
    }

    /// Prints the table: first the kernels that ran, then the others with the reason.
    ///
    /// # Panics
    /// If a kernel that is not in `known` is wrong, or if one in `known` is no longer wrong. The
    /// message lists all of them.
    pub fn finish(self, known: &[KnownWrong]) {
        println!("\n{} on {}", self.title, self.adapter);
        self.print();
        let complaints = self.complaints(known).join("\n");
        assert!(complaints.is_empty(), "on {}:\n{complaints}", self.adapter);
    }

    fn print(&self) {
        let mut lines = Vec::new();
        let mut unrun: BTreeMap<(&str, &str, String), BTreeSet<&str>> = BTreeMap::new();
        for Row { kernel, op, shape, outcome } in &self.rows {
            let (what, why) = match outcome {
                Outcome::Ran(worst) => {
                    let [error, bound] =
                        [worst.error, worst.bound].map(|value| format!("{value:.1e}"));
                    let share = format!("{:.3}", worst.share());
                    lines.push([kernel.clone(), op.clone(), shape.clone(), error, bound, share]);
                    continue;
                }
                Outcome::Declined(why) => ("declined", why.as_str()),
                Outcome::CannotRun(why) => ("cannot run", why.as_str()),
                Outcome::LeftOut(why) => ("left out", *why),
            };
            unrun.entry((kernel, what, brief(why))).or_default().insert(shape);
        }
        lines.sort();
        lines.insert(0, ["kernel", "op", "shape", "error", "bound", "share"].map(str::to_owned));
        print_aligned(&lines);
        for ((kernel, what, why), shapes) in &unrun {
            println!("{kernel}: {what} at {} shapes: {why}", shapes.len());
        }
    }

    fn complaints(&self, known: &[KnownWrong]) -> Vec<String> {
        let mut complaints = Vec::new();
        for Row { kernel, op, shape, outcome } in &self.rows {
            let Outcome::Ran(worst) = outcome else { continue };
            let known =
                known.iter().find(|known| known.kernel == kernel && (known.wrong_at)(op, shape));
            match known {
                None if !worst.is_within() => {
                    let Worst { error, bound, at } = worst;
                    complaints.push(format!(
                        "{kernel} is wrong at {op} {shape}: off by {error:.1e} at {at}, where \
                         {bound:.1e} is allowed"
                    ));
                }
                Some(known) if worst.is_within() => complaints
                    .push(format!("{kernel} is no longer wrong at {op} {shape}: {}", known.why)),
                _ => (),
            }
        }
        complaints
    }
}

/// `why` on one line, shortened, with numbers replaced by `#` so that the reasons of different
/// shapes are equal.
fn brief(why: &str) -> String {
    let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("Unable to launch matmul because ").unwrap_or(&line);
    let mut brief = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' if brief.ends_with('#') => (),
            '0'..='9' => brief.push('#'),
            _ => brief.push(character),
        }
    }
    brief.chars().take(140).collect()
}

/// Prints lines of cells, each column as wide as its widest cell.
pub fn print_aligned<const N: usize>(lines: &[[String; N]]) {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
