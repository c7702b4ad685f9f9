//! Folder names that tell which part of a data set a folder is.

/// The part that a folder's name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Train,
    Val,
    /// `eval` and the like: photos to validate on, or to test on if others are for validation.
    Eval,
    Test,
    /// Photos without a class.
    Unlabelled,
}

const ROLES: [(Role, &[&str]); 5] = [
    (Role::Train, &["train", "training", "trn", "trainval"]),
    (Role::Val, &["val", "valid", "validation", "validate", "validating", "dev", "devel"]),
    (Role::Eval, &["eval", "evaluation", "evaluate"]),
    (Role::Test, &["test", "testing", "tst", "holdout"]),
    (
        Role::Unlabelled,
        &["unlabeled", "unlabelled", "unsup", "unsupervised", "pred", "predict", "prediction"],
    ),
];
/// Words that say nothing about the part.
const FILLERS: [&str; 15] = [
    "dataset", "data", "sets", "set", "images", "image", "imgs", "img", "photos", "photo",
    "pictures", "pics", "samples", "split", "folder",
];

/// The part that the name tells, and what else it says: nothing in `training_set` and `val2017`,
/// `seg` in `seg_train`. `None` if it tells no part or two of them.
pub(super) fn role(name: &str) -> Option<(Role, String)> {
    let (mut found, mut rest) = (None, Vec::new());
    for word in words(name) {
        let stem = FILLERS.iter().find_map(|filler| word.strip_suffix(filler)).unwrap_or(&word);
        let role = ROLES.iter().find(|(_, words)| words.contains(&stem)).map(|(role, _)| *role);
        match (role, found) {
            (Some(_), Some(_)) => return None,
            (Some(role), None) => found = Some(role),
            // A single letter numbers the parts: trainA, trainB.
            (None, _) if stem.is_empty() || word.chars().count() == 1 => {}
            (None, _) => rest.push(word),
        }
    }
    found.map(|role| (role, rest.join(" ")))
}

/// The words of a name, in lower case: runs of letters, cut where a small letter is followed by a
/// capital.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for character in name.chars() {
        if !character.is_alphabetic() || (after_small && character.is_uppercase()) {
            words.push(String::new());
        }
        after_small = character.is_lowercase();
        if character.is_alphabetic() {
            words.last_mut().into_iter().for_each(|word| word.extend(character.to_lowercase()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_part_by_its_words() {
        for (names, expected) in [
            (
                &[
                    "train",
                    "Train",
                    "TRAINING",
                    "training_set",
                    "train_images",
                    "trainSet",
                    "train2017",
                ][..],
                Some((Role::Train, "")),
            ),
            (&["seg_train", "SegTrain", "seg-training-images"], Some((Role::Train, "seg"))),
            (
                &["val", "valid", "Validation", "validation_set", "dev", "val_images"],
                Some((Role::Val, "")),
            ),
            (&["eval", "evaluation-data"], Some((Role::Eval, ""))),
            (&["test", "test1", "testing", "Testing", "test_set", "testB"], Some((Role::Test, ""))),
            (&["crash test"], Some((Role::Test, "crash"))),
            (&["unlabeled", "unsup"], Some((Role::Unlabelled, ""))),
            (&["cat", "trains", "restrain", "contest", "valley", "device", "set", ""], None),
            // Two parts.
            (&["train_test", "train-val"], None),
        ] {
            for name in names {
                let told = role(name);
                let told = told.as_ref().map(|(role, stem)| (*role, stem.as_str()));
                assert_eq!(told, expected, "{name}");
            }
        }
    }
}
