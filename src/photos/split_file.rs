//! `split.csv`: which photos a run was trained, validated and tested on, for runs whose split
//! cannot be made again from the folder alone.

use std::path::{Path, PathBuf};

use super::{Label, LabelledPhoto, Part, Split};
use crate::printable::{PathText, path_of};

/// The columns.
const HEADER: [&str; 4] = ["path", "part", "label", "group"];
/// Separates the labels of a photo. A backslash before it, or before another one, makes it a part
/// of a name.
const SEPARATOR: char = '|';

impl<L: Label> Split<L> {
    /// The split as a CSV file with the columns `path`, `part`, `label` and `group`. Several labels
    /// are separated by `|`; groups are numbers.
    pub fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let rows = self.photos().map(|(part, photo)| {
            let group = photo.group.map(|group| group.to_string()).unwrap_or_default();
            let path = photo.path.shown().to_string();
            [path, part.name().to_owned(), self.label_text(&photo.label), group]
        });
        let written = csv
            .write_record(HEADER)
            .and_then(|()| rows.into_iter().try_for_each(|row| csv.write_record(&row)));
        // Writing to memory does not fail.
        written.ok().and_then(|()| csv.into_inner().ok()).unwrap_or_default()
    }

    /// The classes of a label, as `split.csv` writes them.
    fn label_text(&self, label: &L) -> String {
        let names = label.classes().iter().map(|class| self.classes[*class].as_str());
        match L::IS_SET {
            false => names.collect(),
            true => names.map(escaped).collect::<Vec<_>>().join(&SEPARATOR.to_string()),
        }
    }

    /// Reads what [`csv`](Self::csv) wrote, with the classes of the run.
    ///
    /// # Errors
    /// With a description if it is something else.
    pub fn read_csv(text: &str, classes: Vec<String>) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut split = Self::empty(classes);
        if reader.headers().map_err(|error| error.to_string())?.iter().ne(HEADER) {
            return Err(format!("its columns are not {}", HEADER.join(", ")));
        }
        for row in reader.records() {
            let row = row.map_err(|error| error.to_string())?;
            let (path, part, label, group) = (&row[0], &row[1], &row[2], &row[3]);
            let faulty = |what: &str| format!("`{path}` has an unknown {what}");
            let part = Part::ALL.into_iter().find(|known| known.name() == part);
            let part = part.ok_or_else(|| faulty("part"))?;
            let label = split.label_of(label).ok_or_else(|| faulty("label"))?;
            let group = match group {
                "" => None,
                number => Some(number.parse().map_err(|_| faulty("group"))?),
            };
            let photo = LabelledPhoto { path: path_of(path), label, group };
            match part {
                Part::Train => &mut split.train,
                Part::Val => &mut split.val,
                Part::Test => &mut split.test,
            }
            .push(photo);
        }
        Ok(split)
    }

    fn label_of(&self, text: &str) -> Option<L> {
        let names = if L::IS_SET { unescaped(text) } else { vec![text.to_owned()] };
        let position = |name: &String| self.classes.iter().position(|class| class == name);
        let mut classes = names.iter().map(position).collect::<Option<Vec<usize>>>()?;
        classes.sort_unstable();
        L::of(&classes)
    }

    /// A split without photos.
    fn empty(classes: Vec<String>) -> Self {
        let (train, val, test) = (Vec::new(), Vec::new(), Vec::new());
        let (passed_over, test_passed_over) = (Vec::new(), Vec::new());
        let (val_folder, test_folder, roles) = (None, None, None);
        Self {
            classes,
            train,
            val,
            test,
            passed_over,
            val_folder,
            test_folder,
            test_passed_over,
            roles,
        }
    }

    /// The same with absolute paths.
    #[must_use]
    pub fn with_absolute_paths(mut self) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for photo in self.train.iter_mut().chain(&mut self.val).chain(&mut self.test) {
            photo.path = absolute(&photo.path);
        }
        let folder = |folder: Option<PathBuf>| folder.map(|folder| absolute(&folder));
        Self { val_folder: folder(self.val_folder), test_folder: folder(self.test_folder), ..self }
    }
}

fn escaped(name: &str) -> String {
    name.replace('\\', r"\\").replace(SEPARATOR, r"\|")
}

/// The names in a text of [`escaped`] ones; none if it is empty.
fn unescaped(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let next = match character {
            SEPARATOR => {
                names.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        names.last_mut().into_iter().for_each(|name| name.extend(next));
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_read_as_it_was_written() {
        let photo = |path: &str, label: &[usize], group| LabelledPhoto {
            path: path.into(),
            label: label.to_vec(),
            group,
        };
        let classes = ["a|b", "c\\", "d"].map(String::from).to_vec();
        let split = Split {
            train: vec![photo("/x/1,2.jpg", &[0, 1], Some(3)), photo("/x/\"\n.jpg", &[], None)],
            val: vec![photo("/x/3.jpg", &[2], None)],
            test: vec![photo("/x/4.jpg", &[1], Some(0))],
            ..Split::empty(classes.clone())
        };
        let text = String::from_utf8(split.csv()).unwrap();
        assert!(text.starts_with("path,part,label,group\n"), "{text}");
        assert_eq!(Split::read_csv(&text, classes.clone()), Ok(split));
        for faulty in [
            "path,part,label\na,train,d\n",
            "path,part,label,group\na,training,d,\n",
            "path,part,label,group\na,train,e,\n",
            "path,part,label,group\na,train,d,x\n",
            "path,part,label,group\na,train\n",
        ] {
            assert!(Split::<Vec<usize>>::read_csv(faulty, classes.clone()).is_err(), "{faulty}");
        }
        let single = Split::<usize>::read_csv("path,part,label,group\na,val,a|b,\n", classes);
        assert_eq!(single.unwrap().val[0].label, 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf_8_is_found_again() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/x/caf\xe9.jpg")).to_owned();
        let train = vec![LabelledPhoto { path, label: 0, group: None }];
        let split = Split { train, ..Split::empty(vec!["a".into()]) };
        let text = String::from_utf8(split.csv()).unwrap();
        assert_eq!(Split::read_csv(&text, vec!["a".into()]), Ok(split));
    }
}
