//! `kindling compare`

mod table;

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum, ValueHint};
use kindling::photos::Part;
use kindling::run::{ComparedRun, Comparison, OptionDifference, option_differences};
use serde::Serialize;

use super::opened::put_back;
use super::terminal::{say, warn};

/// Compare trained runs, and say which differences are within noise
///
/// The runs are scored on the photos that all of them predicted: the test photos if all have some,
/// otherwise the validation photos. Because the photos are the same, small differences can be found
/// that the intervals of the accuracies hide. The table is sorted by accuracy, and the best run is
/// marked. Below it are the options in which the runs differ.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling compare runs/first runs/second
  kindling compare runs/* --part val
  kindling compare runs/first runs/second --json | jq .differences[0].within_noise")]
pub struct CompareArgs {
    /// Run folders, at least two
    #[arg(required = true, num_args = 2.., value_name = "RUN", value_hint = ValueHint::DirPath)]
    runs: Vec<PathBuf>,

    /// Photos to compare on: val or test [default: test if all runs have some]
    #[arg(long, value_name = "PART", hide_possible_values = true)]
    part: Option<PartArg>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The values of `--part`.
#[derive(Clone, Copy, ValueEnum)]
enum PartArg {
    Val,
    Test,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// In the order of the runs.
    options: &'a [OptionDifference],
    /// What people read below the table.
    sentences: Vec<String>,
}

pub fn run(args: &CompareArgs) -> Result<()> {
    args.runs.iter().for_each(|run| put_back(run));
    let runs: Vec<ComparedRun> =
        args.runs.iter().map(|run| ComparedRun::read(run)).collect::<Result<_, _>>()?;
    let part = args.part.map(|part| match part {
        PartArg::Val => Part::Val,
        PartArg::Test => Part::Test,
    });
    let comparison = Comparison::of(&runs, part)?;
    let without: Vec<&str> =
        runs.iter().filter(|run| run.predictions.is_none()).map(|run| run.name.as_str()).collect();
    if let Some(first) = without.first() {
        let others = match without.len() - 1 {
            0 => "has".to_owned(),
            more => format!("and {more} more have"),
        };
        warn(&format!(
            "`{first}` {others} no predictions.csv (older versions wrote none), so photos are not \
             paired, and only large differences can be found; train again to compare on the same photos"
        ));
    }
    // In the order of the table.
    let sorted: Vec<&ComparedRun> = comparison
        .runs
        .iter()
        .filter_map(|scores| runs.iter().find(|run| run.name == scores.run))
        .collect();
    let options = option_differences(&sorted);
    let sentences = table::sentences(&comparison);
    if args.json {
        let output = Output { comparison: &comparison, options: &options, sentences };
        return say(&serde_json::to_string(&output)?);
    }
    Ok(table::write(&mut io::stdout().lock(), &comparison, &options, &sentences)?)
}
