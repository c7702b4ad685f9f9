//! Class names that come with weights of other programs.

/// A list of class names in a weights file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassNames {
    /// What the file calls it, after the keys of the dictionaries that it lies deep in.
    pub key: String,
    /// The names, in the order of the logits.
    pub names: Vec<String>,
}

/// Names under these keys are those of the classes, so their number must be the number of logits.
const CERTAIN: [&str; 6] =
    ["classes", "class_names", "class_to_idx", "idx_to_class", "id2label", "label2id"];
/// Names under these keys may be those of something else.
const POSSIBLE: [&str; 5] = ["names", "labels", "label_names", "categories", "vocab"];

/// The most names of a list that an error shows.
const SHOWN: usize = 3;

impl ClassNames {
    /// Whether programs save class names under `key`.
    pub(super) fn is_key(key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        CERTAIN.contains(&key.as_str()) || POSSIBLE.contains(&key.as_str())
    }

    /// The class names among `lists` for a network with `logits` logits.
    ///
    /// # Errors
    /// The reason, if there are class names for another number of classes, the names are not
    /// distinct, or two lists differ.
    pub(super) fn of(lists: &[Self], logits: usize) -> Result<Option<&Self>, String> {
        let mut fitting = lists.iter().filter(|list| list.names.len() == logits);
        let Some(first) = fitting.next() else {
            let certain = lists.iter().find(|list| CERTAIN.contains(&list.key.as_str()));
            return certain.map_or(Ok(None), |list| {
                let count = list.names.len();
                Err(format!("its `{}` names {count} classes, but it has {logits} logits", list.key))
            });
        };
        if let Some(other) = fitting.find(|list| list.names != first.names) {
            return Err(format!(
                "its `{}` and its `{}` name different classes: {} and {}",
                first.key,
                other.key,
                shown(&first.names),
                shown(&other.names)
            ));
        }
        let mut sorted: Vec<&String> = first.names.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) if CERTAIN.contains(&first.key.as_str()) => {
                Err(format!("its `{}` names `{}` twice", first.key, twice[0]))
            }
            Some(_) => Ok(None),
            None => Ok(Some(first)),
        }
    }
}

fn shown(names: &[String]) -> String {
    let mut first: Vec<String> =
        names.iter().take(SHOWN).map(|name| name.chars().take(20).collect()).collect();
    if names.len() > SHOWN {
        first.push("...".to_owned());
    }
    first.join(", ")
}
