//! Makes safe folder and file names from arbitrary text.

use std::collections::HashSet;

/// Maximum length of a name in bytes of UTF-8. File systems allow 255; the rest is for numbers and
/// extensions.
const MAX_BYTES: usize = 160;
/// Names that Windows reserves for devices, with any extension.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Turns the text into a file name that is valid on every system and stays inside its folder.
///
/// Separators, control characters and characters with a special meaning become `_`. So do dots and
/// spaces at the start (hidden files, parent folders) and at the end (Windows drops them). Empty
/// names and names of Windows devices get a `_` in front.
pub fn safe_name(text: &str) -> String {
    let replaced = |character: char| {
        let special = r#"/\:*?"<>|"#.contains(character);
        if special || character.is_control() { '_' } else { character }
    };
    let mut name = String::new();
    for character in text.chars().map(replaced) {
        if name.len() + character.len_utf8() > MAX_BYTES {
            break;
        }
        name.push(character);
    }
    let front = name.len() - name.trim_start_matches(['.', ' ']).len();
    name.replace_range(..front, &"_".repeat(front));
    let kept = name.trim_end_matches(['.', ' ']).len();
    let cut_off = name.len() - kept;
    name.replace_range(kept.., &"_".repeat(cut_off));
    if name.is_empty() || is_device(&name) {
        name.insert(0, '_');
    }
    name
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|rest| {
            let mut digits = rest.chars();
            digits.next().is_some_and(|digit| "0123456789¹²³".contains(digit))
                && digits.next().is_none()
        })
    };
    RESERVED.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// Returns the name itself for number 1, then `name-2`, `name-3` and so on.
pub fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}

/// Returns a folder name for each class. All are different, even on file systems that ignore case.
/// Classes whose names are already safe keep them; the others are numbered if necessary.
pub fn folder_names(classes: &[String]) -> Vec<String> {
    let safe: Vec<String> = classes.iter().map(|class| safe_name(class)).collect();
    let (unchanged, changed): (Vec<usize>, Vec<usize>) =
        (0..classes.len()).partition(|class| safe[*class] == classes[*class]);
    let mut taken = HashSet::new();
    let mut names = vec![String::new(); classes.len()];
    for class in unchanged.into_iter().chain(changed) {
        names[class] = (1..)
            .map(|number| numbered(&safe[class], number))
            .find(|name| taken.insert(name.to_lowercase()))
            .expect("some number is free");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder_or_means_something_to_a_system() {
        for (text, name) in [
            ("cat", "cat"),
            ("..", "__"),
            (".", "_"),
            ("", "_"),
            ("../../etc/passwd", "___.._etc_passwd"),
            (r"C:\Windows", "C__Windows"),
            (".hidden", "_hidden"),
            ("dots...", "dots___"),
            ("blank ", "blank_"),
            ("a\nb\u{1b}[31m", "a_b_[31m"),
            ("CON", "_CON"),
            ("nul.jpg", "_nul.jpg"),
            ("com7", "_com7"),
            ("LPT¹", "_LPT¹"),
            ("comet", "comet"),
            ("com10", "com10"),
            ("<b>&\"", "_b_&_"),
            ("猫 и кот", "猫 и кот"),
        ] {
            assert_eq!(safe_name(text), name, "{text:?}");
        }
        let long = safe_name(&"猫".repeat(500));
        assert!(long.len() <= MAX_BYTES && long.chars().all(|character| character == '猫'));
    }

    #[test]
    fn two_classes_never_share_a_folder() {
        let classes = ["a/b", "a_b", "A_B", "..", "__", "", "a\\b", "a_b-2"].map(String::from);
        let names = folder_names(&classes);
        let different: HashSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(different.len(), classes.len(), "{names:?}");
        assert_eq!((&names[1], &names[4]), (&"a_b".into(), &"__".into()), "unchanged");
        let long: Vec<String> = ["x", "y"].map(|end| "n".repeat(400) + end).into();
        assert_ne!(folder_names(&long)[0], folder_names(&long)[1]);
    }
}
