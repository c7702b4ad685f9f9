//! What was found, as a table: which kernel, at which op and shape, how far off and how far it may be.
//!
//! ```ignore
//! let mut table = Table::new("matrix products");
//! table.row("matmul_naive", "matmul", "49x512x1000", expected.worst(&actual));
//! table.row("matmul_simple_cyclic_cmma", "matmul", "49x512x1000", Outcome::Declined("no CMMA".into()));
//! table.finish(&[]);
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::adapter;
use crate::exact::Worst;

/// What came of a kernel at a shape.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ran, and was compared.
    Ran(Worst),
    /// It said before it was launched that it does not do this, and why.
    Declined(String),
    /// It was launched, and the driver or the runtime refused it.
    CannotRun(String),
    /// It was not tried, and why.
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

/// A kernel that is known to be wrong, so that it is seen when it no longer is.
#[derive(Clone, Copy, Debug)]
pub struct KnownWrong {
    /// As in the table.
    pub kernel: &'static str,
    /// The op and shape at which it is wrong, as in the table.
    pub wrong_at: fn(op: &str, shape: &str) -> bool,
    /// What is wrong, and where that is reported.
    pub why: &'static str,
}

/// Rows of one family of ops.
pub struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    /// An empty one.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), rows: Vec::new() }
    }

    /// Adds what came of `kernel`.
    pub fn row(&mut self, kernel: &str, op: &str, shape: &str, outcome: impl Into<Outcome>) {
        self.rows.push(Row {
            kernel: kernel.to_owned(),
            op: op.to_owned(),
            shape: shape.to_owned(),
            outcome: outcome.into(),
        });
    }

    /// The kernels that are over a bound somewhere.
    pub fn wrong(&self) -> BTreeSet<&str> {
        // NaN is not at most 1 either.
        let is_wrong =
            |row: &&Row| matches!(&row.outcome, Outcome::Ran(worst) if !(worst.share() <= 1.0));
        self.rows.iter().filter(is_wrong).map(|row| row.kernel.as_str()).collect()
    }

    /// Prints it, what ran first, then what did not, and why.
    ///
    /// # Panics
    /// Where a kernel is wrong that is not in `known`, or one in `known` is no longer: names all of them.
    pub fn finish(self, known: &[KnownWrong]) {
        let adapter = adapter::described();
        println!("\n{} on {adapter}", self.title);
        let mut lines =
            vec![["kernel", "op", "shape", "error", "bound", "share"].map(str::to_owned)];
        let mut unrun: BTreeMap<(&str, &str, String), BTreeSet<&str>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for row in &self.rows {
            match &row.outcome {
                Outcome::Ran(worst) => {
                    let share = worst.share();
                    // NaN is not at most 1 either.
                    if !(share <= 1.0) {
                        wrong.push(row);
                    }
                    let [error, bound] =
                        [worst.error, worst.bound].map(|value| format!("{value:.1e}"));
                    lines.push([
                        row.kernel.clone(),
                        row.op.clone(),
                        row.shape.clone(),
                        error,
                        bound,
                        format!("{share:.3}"),
                    ]);
                }
                Outcome::Declined(why) => {
                    unrun
                        .entry((&row.kernel, "declined", brief(why)))
                        .or_default()
                        .insert(&row.shape);
                }
                Outcome::CannotRun(why) => {
                    unrun
                        .entry((&row.kernel, "cannot run", brief(why)))
                        .or_default()
                        .insert(&row.shape);
                }
                Outcome::LeftOut(why) => {
                    unrun
                        .entry((&row.kernel, "left out", brief(why)))
                        .or_default()
                        .insert(&row.shape);
                }
            }
        }
        lines[1..].sort();
        print_aligned(&lines);
        for ((kernel, what, why), shapes) in &unrun {
            println!("{kernel}: {what} at {} shapes: {why}", shapes.len());
        }
        let expected = |row: &Row, known: &KnownWrong| {
            known.kernel == row.kernel && (known.wrong_at)(&row.op, &row.shape)
        };
        let mut complaints: Vec<String> = wrong
            .iter()
            .filter(|row| !known.iter().any(|known| expected(row, known)))
            .map(|row| {
                let Outcome::Ran(worst) = &row.outcome else { unreachable!("it ran") };
                let Worst { error, bound, at } = worst;
                format!(
                    "{} is wrong at {} {}: off by {error:.1e} at {at}, where {bound:.1e} is allowed",
                    row.kernel, row.op, row.shape
                )
            })
            .collect();
        for known in known {
            let ran = |row: &&Row| matches!(row.outcome, Outcome::Ran(_)) && expected(row, known);
            let right = self
                .rows
                .iter()
                .filter(ran)
                .any(|row| matches!(&row.outcome, Outcome::Ran(worst) if worst.share() <= 1.0));
            if right {
                complaints.push(format!("{} is no longer wrong: {}", known.kernel, known.why));
            }
        }
        assert!(complaints.is_empty(), "on {adapter}:\n{}", complaints.join("\n"));
    }
}

/// The first line of a reason, shortened.
fn brief(why: &str) -> String {
    let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("Unable to launch matmul because ").unwrap_or(&line);
    line.chars().take(140).collect()
}

fn print_aligned<const N: usize>(lines: &[[String; N]]) {
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
