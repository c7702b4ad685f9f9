//! Lists of shards: `photos-{000..099}.tar` and `photos-*.tar`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::ShardError;

/// The most shards that a pattern may name: more are hardly meant.
const MAX_SHARDS: usize = 1_000_000;

/// The files that `patterns` name, in their order, each once.
///
/// A range in braces, such as `{000..099}`, stands for its numbers, with as many digits as its
/// first one has; a list, such as `{a,b}`, for its words. `*`, `?` and `[...]` are matched against
/// the files that exist, in byte order. A file whose name looks like a pattern is taken as it is.
///
/// # Errors
/// If a pattern is malformed or matches nothing, or names more than a million files. A range may
/// name files that do not exist.
pub fn shard_paths(patterns: &[PathBuf]) -> Result<Vec<PathBuf>, ShardError> {
    let mut seen = BTreeSet::new();
    let mut paths = Vec::new();
    for pattern in patterns {
        for path in expanded(pattern)? {
            if seen.insert(path.clone()) {
                paths.push(path);
            }
            if paths.len() > MAX_SHARDS {
                return Err(malformed(pattern, "it names more than a million files"));
            }
        }
    }
    Ok(paths)
}

fn expanded(pattern: &Path) -> Result<Vec<PathBuf>, ShardError> {
    let Some(text) = pattern.to_str().filter(|_| !pattern.exists()) else {
        return Ok(vec![pattern.to_owned()]);
    };
    let mut paths = Vec::new();
    for name in braces(text).map_err(|reason| malformed(pattern, reason))? {
        if !name.contains(['*', '?', '[']) || Path::new(&name).exists() {
            paths.push(PathBuf::from(name));
            continue;
        }
        let found = glob::glob(&name).map_err(|error| malformed(pattern, error.msg))?;
        // A folder that cannot be listed has no files that could be read.
        let mut found: Vec<PathBuf> = found.filter_map(Result::ok).collect();
        if found.is_empty() {
            return Err(ShardError::NoMatch(PathBuf::from(name)));
        }
        found.sort();
        paths.extend(found);
    }
    Ok(paths)
}

fn malformed(pattern: &Path, reason: impl Into<String>) -> ShardError {
    ShardError::Pattern { pattern: pattern.to_owned(), reason: reason.into() }
}

/// The texts that `text` stands for, with one for each choice of each pair of braces.
fn braces(text: &str) -> Result<Vec<String>, &'static str> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(vec![text.to_owned()]) };
    let (inside, after) = rest.split_once('}').ok_or("a brace is not closed")?;
    if inside.contains('{') {
        return Err("braces within braces are not read");
    }
    let choices = match inside.split_once("..") {
        Some((first, last)) => range(first, last)?,
        None => inside.split(',').map(str::to_owned).collect(),
    };
    let endings = braces(after)?;
    if choices.len().saturating_mul(endings.len()) > MAX_SHARDS {
        return Err("it names more than a million files");
    }
    let of = |choice: &String| -> Vec<String> {
        endings.iter().map(|ending| format!("{before}{choice}{ending}")).collect()
    };
    Ok(choices.iter().flat_map(of).collect())
}

/// The numbers from `first` to `last`, with as many digits as `first` has.
fn range(first: &str, last: &str) -> Result<Vec<String>, &'static str> {
    const WRONG: &str = "a range needs two numbers, such as {000..099}";
    let number = |text: &str| -> Option<usize> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    let (from, to) = (number(first).ok_or(WRONG)?, number(last).ok_or(WRONG)?);
    if to < from {
        return Err("the range ends before it starts");
    }
    if to - from >= MAX_SHARDS {
        return Err("it names more than a million files");
    }
    Ok((from..=to).map(|number| format!("{number:00$}", first.len())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        let paths = shard_paths(&[pattern.into()]).unwrap();
        paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn braces_stand_for_numbers_and_words() {
        assert_eq!(names("x-{008..011}.tar"), ["x-008.tar", "x-009.tar", "x-010.tar", "x-011.tar"]);
        assert_eq!(names("x-{8..10}.tar"), ["x-8.tar", "x-9.tar", "x-10.tar"]);
        assert_eq!(names("{a,b}-{0..1}.tar"), ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]);
        assert_eq!(names("plain.tar"), ["plain.tar"]);
        let twice = shard_paths(&["{0..1}".into(), "{1..2}".into()]).unwrap();
        assert_eq!(twice, ["0", "1", "2"].map(PathBuf::from));
    }

    #[test]
    fn patterns_that_are_malformed_or_endless_are_refused() {
        for pattern in
            ["x{", "x{0..}", "x{b..a}", "x{9..1}", "{0..9999999}", "{-1..2}", "{0..99999}{0..99}"]
        {
            let error = shard_paths(&[pattern.into()]).unwrap_err().to_string();
            assert!(error.contains(pattern), "{error}");
        }
    }

    #[test]
    fn stars_match_the_files_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.tar", "a.tar", "c.zip", "{0..1}.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let of = |name: &str| shard_paths(&[folder.path().join(name)]);
        let found = |names: &[&str]| -> Vec<PathBuf> {
            names.iter().map(|name| folder.path().join(name)).collect()
        };
        assert_eq!(of("[a-z].tar").unwrap(), found(&["a.tar", "b.tar"]));
        assert_eq!(of("{0..1}.tar").unwrap(), found(&["{0..1}.tar"]));
        assert!(matches!(of("*.parquet"), Err(ShardError::NoMatch(_))));
    }
}
