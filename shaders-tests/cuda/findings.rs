//! The table: each kernel in each precision, for each architecture.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tools::{Assembled, Tools};

/// Registers of a multiprocessor, and the most that one thread block may take: the same for every
/// architecture since Maxwell. CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability".
const REGISTERS: usize = 65536;
/// A warp, to which threads are rounded up.
const WARP: usize = 32;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kernel {
    name: String,
    /// Its entry point, which tells the launches of one algorithm apart.
    entry: String,
    operation: String,
    precision: String,
    /// Counts kernels that differ in nothing above.
    copy: usize,
}

/// What became of a kernel on one architecture.
#[derive(Clone, Debug)]
enum Outcome {
    Compiled { assembled: Assembled, threads: usize, shared: usize },
    Refused(String),
}

/// All rows, each with an outcome for each architecture that was tried.
#[derive(Default)]
pub struct Findings {
    architectures: Vec<String>,
    compilers: Vec<String>,
    rows: BTreeMap<Kernel, BTreeMap<usize, Outcome>>,
}

impl Findings {
    /// Adds what one process left in `folder`, the modules of one architecture.
    pub fn add(&mut self, tools: &Tools, folder: &Path) -> Result<(), String> {
        let at = self.architectures.len();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.architectures.push(name);
        let log = std::fs::read_to_string(folder.join("log")).map_err(|error| error.to_string())?;
        let mut launched = Vec::new();
        for line in log.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["launch", module, entry, threads, shared] => {
                    let module = folder.join(format!("{module}.ptx"));
                    let number = |text: &str| text.parse::<usize>().map_err(|_| line.to_owned());
                    let assembled = tools.assemble(&module);
                    let (threads, shared) = (number(threads)?, number(shared)?);
                    launched.push((
                        entry.to_owned(),
                        match assembled {
                            Ok(assembled) => Outcome::Compiled { assembled, threads, shared },
                            Err(reason) => Outcome::Refused(reason),
                        },
                    ));
                    self.compiler(&module)?;
                }
                ["case", name, operation, precision, reason] => {
                    if !reason.is_empty() {
                        launched.push((String::new(), Outcome::Refused(reason.to_owned())));
                    }
                    for (entry, outcome) in launched.drain(..) {
                        let [name, operation, precision] =
                            [name, operation, precision].map(str::to_owned);
                        let mut kernel = Kernel { name, entry, operation, precision, copy: 0 };
                        while self.rows.get(&kernel).is_some_and(|row| row.contains_key(&at)) {
                            kernel.copy += 1;
                        }
                        self.rows.entry(kernel).or_default().insert(at, outcome);
                    }
                }
                _ => return Err(format!("a line of the log that nobody wrote: {line}")),
            }
        }
        Ok(())
    }

    /// Notes the compiler that `module` names.
    fn compiler(&mut self, module: &Path) -> Result<(), String> {
        let ptx = std::fs::read_to_string(module).map_err(|error| error.to_string())?;
        let name = ptx.lines().find_map(|line| line.strip_prefix("// Cuda compilation tools, "));
        let name = name.ok_or("a module that NVRTC did not write")?.to_owned();
        if !self.compilers.contains(&name) {
            self.compilers.push(name);
        }
        Ok(())
    }

    /// Prints the table.
    ///
    /// # Errors
    /// If a kernel does not compile or cannot be launched, or if there is none.
    pub fn finish(self) -> Result<(), String> {
        println!("NVRTC: {}", self.compilers.join("; "));
        let mut head =
            ["kernel", "entry point", "operation", "precision"].map(str::to_owned).to_vec();
        head.extend(self.architectures.iter().cloned());
        let mut lines = vec![head];
        let mut failures = 0;
        let mut spilling = 0;
        for (kernel, outcomes) in &self.rows {
            let Kernel { name, entry, operation, precision, .. } = kernel.clone();
            let mut line = vec![name, entry, operation, precision];
            for at in 0..self.architectures.len() {
                // Kernels are the same on each: one that only some compile is a failure.
                let outcome = outcomes.get(&at);
                failures += usize::from(!outcome.is_some_and(Outcome::is_good));
                spilling += usize::from(outcome.is_some_and(Outcome::spills));
                line.push(outcome.map_or_else(|| "never launched".to_owned(), Outcome::described));
            }
            lines.push(line);
        }
        print_aligned(&lines);
        let (kernels, architectures) = (self.rows.len(), self.architectures.len());
        println!(
            "{kernels} kernels for {architectures} architectures: {failures} do not compile or \
             cannot be launched, {spilling} spill registers"
        );
        match (failures, kernels) {
            (0, 1..) => Ok(()),
            (_, 0) => Err("no kernel was compiled".into()),
            _ => Err(format!("{failures} kernels cannot run; the table names them")),
        }
    }
}

impl Outcome {
    fn is_good(&self) -> bool {
        match self {
            Self::Compiled { assembled, threads, .. } => {
                assembled.registers * threads.next_multiple_of(WARP) <= REGISTERS
            }
            Self::Refused(_) => false,
        }
    }

    fn spills(&self) -> bool {
        matches!(self, Self::Compiled { assembled, .. } if assembled.spilled != [0, 0])
    }

    fn described(&self) -> String {
        match self {
            Self::Refused(reason) => reason.clone(),
            Self::Compiled { assembled, threads, shared } => {
                let Assembled { registers, stack, spilled, shared: declared } = *assembled;
                let verdict = if self.is_good() { "ok" } else { "TOO MANY REGISTERS" };
                let mut text = format!("{verdict}, {registers} registers");
                if threads * registers > 0 && shared + declared > 0 {
                    text += &format!(", {} B shared", shared + declared);
                }
                if stack > 0 {
                    text += &format!(", {stack} B local");
                }
                if self.spills() {
                    text += &format!(", spills {}+{} B", spilled[0], spilled[1]);
                }
                text
            }
        }
    }
}

fn print_aligned(lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
