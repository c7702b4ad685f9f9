//! `--task`: one part of the shards.

use std::env;
use std::str::FromStr;

/// A part of the work: every shard whose number, from 0, leaves `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub index: usize,
    pub of: usize,
}

#[cfg(feature = "parquet")]
impl Task {
    /// All of the work.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The shards of this part.
    pub fn part<T: Clone>(self, shards: &[T]) -> Vec<T> {
        shards.iter().skip(self.index).step_by(self.of).cloned().collect()
    }
}

const WRONG: &str = "expected I/N with I from 0 to N - 1, such as 3/100, or `auto` in a SLURM \
                     array, or auto/N in one or in a Kubernetes indexed job";

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(text, |name| env::var(name).ok())
    }
}

impl Task {
    /// Reads a task. `variable` is the environment.
    fn of(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (index, of) = match text.split_once('/') {
            Some(("auto", of)) => (index(&variable)?, number(of).ok_or(WRONG)?),
            Some((index, of)) => (number(index).ok_or(WRONG)?, number(of).ok_or(WRONG)?),
            None if text == "auto" => {
                let count = variable("SLURM_ARRAY_TASK_COUNT").and_then(|text| number(&text));
                let count = count.ok_or(
                    "`auto` needs SLURM_ARRAY_TASK_COUNT, which a SLURM array sets; elsewhere give \
                     the number of tasks: auto/N",
                )?;
                (index(&variable)?, count)
            }
            None => return Err(WRONG.into()),
        };
        match index < of {
            true => Ok(Self { index, of }),
            false => Err(format!("task {index} of {of}: {WRONG}")),
        }
    }
}

/// The number of this task, from 0, as the scheduler sets it.
fn index(variable: &impl Fn(&str) -> Option<String>) -> Result<usize, String> {
    let number = |name: &str| -> Result<Option<usize>, String> {
        let Some(text) = variable(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| format!("{name} is `{text}`, not a number"))
    };
    if let Some(index) = number("SLURM_ARRAY_TASK_ID")? {
        // `--array=1-100` starts at 1.
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        return index
            .checked_sub(first)
            .ok_or_else(|| format!("SLURM_ARRAY_TASK_ID is {index}, less than {first}"));
    }
    number("JOB_COMPLETION_INDEX")?.ok_or_else(|| {
        "`auto` needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX in the environment".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, variables: &[(&str, &str)]) -> Result<Task, String> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Task::of(text, variable)
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn the_parts_have_every_shard_once() {
        let shards: Vec<usize> = (0..10).collect();
        let mut all: Vec<usize> =
            (0..3).flat_map(|index| Task { index, of: 3 }.part(&shards)).collect();
        assert_eq!(Task { index: 1, of: 3 }.part(&shards), [1, 4, 7]);
        all.sort_unstable();
        assert_eq!(all, shards);
        assert_eq!(Task::WHOLE.part(&shards), shards);
        assert!(Task { index: 11, of: 12 }.part(&shards).is_empty());
    }

    #[test]
    fn schedulers_number_their_tasks() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "5"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "8"),
        ];
        assert_eq!(of("auto", &slurm), Ok(Task { index: 4, of: 8 }));
        assert_eq!(of("auto/9", &slurm[..1]), Ok(Task { index: 5, of: 9 }));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(of("auto/4", &kubernetes), Ok(Task { index: 0, of: 4 }));
        assert_eq!(of("2/4", &kubernetes), Ok(Task { index: 2, of: 4 }));
        assert!(of("auto", &kubernetes).unwrap_err().contains("auto/N"));
        assert!(of("auto/4", &[]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
        assert!(of("auto/4", &[("SLURM_ARRAY_TASK_ID", "x")]).unwrap_err().contains("`x`"));
    }

    #[test]
    fn a_task_that_is_none_is_refused() {
        for text in ["", "3", "4/4", "0/0", "-1/4", "a/4", "1/", "auto/", "1/2/3"] {
            assert!(of(text, &[]).is_err(), "{text}");
        }
    }
}
