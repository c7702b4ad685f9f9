//! Warnings of `train` about classes with too few photos to validate on.

use crate::cli::terminal::{counted, warn};

/// A class with fewer validation photos gets a warning.
const ENOUGH: usize = 3;
/// Number of names in a warning.
const SHOWN: usize = 5;

/// Warns of classes with no validation photo, and of those with one or two. `counts` are the
/// numbers of validation photos of `classes`.
pub fn warn_of_classes(classes: &[String], counts: &[usize]) {
    let with = |wanted: &dyn Fn(usize) -> bool| -> Vec<&str> {
        let names = classes.iter().zip(counts);
        names.filter(|(_, count)| wanted(**count)).map(|(name, _)| name.as_str()).collect()
    };
    let none = with(&|count| count == 0);
    if !none.is_empty() {
        warn(&format!(
            "{} no photo to validate on, so nothing is known of the accuracy there: {}",
            have(none.len()),
            first_of(&none)
        ));
    }
    let few = with(&|count| (1..ENOUGH).contains(&count));
    if !few.is_empty() {
        warn(&format!(
            "{} only one or two photos to validate on, so the accuracy there says little: {}",
            have(few.len()),
            first_of(&few)
        ));
    }
}

fn have(classes: usize) -> String {
    format!("{} {}", counted(classes, "class"), if classes == 1 { "has" } else { "have" })
}

fn first_of(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| match name.char_indices().nth(30) {
            Some((end, _)) => format!("`{}...`", &name[..end]),
            None => format!("`{name}`"),
        })
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
