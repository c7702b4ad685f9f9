//! Groups the members of an archive into samples, by their names.

use std::mem;

use serde_json::Value;

use super::ShardPhoto;
use crate::photos::PhotoPlace;

/// Endings of photos, in lower case.
const PHOTOS: [&str; 11] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "jxl"];
/// What fields and columns with the label are called, the first one before the others.
pub(super) const LABEL_NAMES: [&str; 5] = ["label", "class", "cls", "target", "category"];

/// The files that hold a label, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelFile {
    /// `.cls`: the label alone, usually a number.
    Cls,
    /// `.json`: the label alone, or an object with it.
    Json,
    /// `.txt`: the label on the first line.
    Txt,
}

impl LabelFile {
    /// The most bytes that are read of one.
    pub const MAX_BYTES: u64 = 1 << 20;
}

/// What a member of an archive is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A photo.
    Photo,
    /// The label of its sample.
    Label(LabelFile),
    /// Something else, such as another annotation.
    Other,
}

/// Photos and labels of an archive, as its members come.
#[derive(Default)]
pub struct Samples {
    photos: Vec<ShardPhoto>,
    /// The name of the sample that members are added to.
    key: Vec<u8>,
    /// Its first photo, and its label with the file that it comes from.
    first: usize,
    label: Option<(LabelFile, String)>,
}

impl Samples {
    /// What the member called `name` is. Files whose names start with a dot are system files.
    pub fn kind(name: &[u8]) -> MemberKind {
        let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        let is_of_macos = name.split(|byte| *byte == b'/').any(|folder| folder == b"__MACOSX");
        let ending = file.rsplit(|byte| *byte == b'.').next().filter(|it| it.len() < file.len());
        let (Some(ending), false) = (ending, is_of_macos || file.starts_with(b".")) else {
            return MemberKind::Other;
        };
        match ending.to_ascii_lowercase().as_slice() {
            b"cls" => MemberKind::Label(LabelFile::Cls),
            b"json" => MemberKind::Label(LabelFile::Json),
            b"txt" => MemberKind::Label(LabelFile::Txt),
            ending if PHOTOS.iter().any(|known| known.as_bytes() == ending) => MemberKind::Photo,
            _ => MemberKind::Other,
        }
    }

    /// Adds a photo.
    pub fn photo(&mut self, name: &[u8], place: PhotoPlace) {
        self.continue_or_begin(name);
        self.photos.push(ShardPhoto { name: super::name_text(name), place, label: None });
    }

    /// Adds the content of a label file.
    pub fn label(&mut self, name: &[u8], file: LabelFile, content: &[u8]) {
        self.continue_or_begin(name);
        let Some(text) = label_in(file, content) else { return };
        if self.label.as_ref().is_none_or(|(known, _)| file < *known) {
            self.label = Some((file, text));
        }
    }

    /// The number of photos so far.
    pub fn count(&self) -> usize {
        self.photos.len()
    }

    /// All photos.
    pub fn finish(mut self) -> Vec<ShardPhoto> {
        self.end();
        self.photos
    }

    /// Members of a sample follow each other. Its name ends at the first dot of the file's name.
    fn continue_or_begin(&mut self, name: &[u8]) {
        let file = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let dot = name[file..].iter().position(|byte| *byte == b'.');
        let key = &name[..dot.map_or(name.len(), |dot| file + dot)];
        if self.key != key {
            self.end();
            self.key = key.to_vec();
        }
    }

    fn end(&mut self) {
        let label = mem::take(&mut self.label).map(|(_, label)| label);
        for photo in &mut self.photos[self.first..] {
            photo.label.clone_from(&label);
        }
        self.first = self.photos.len();
    }
}

/// The label in a file. `None` if it has none.
fn label_in(file: LabelFile, content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?.trim_start_matches('\u{feff}').trim();
    let label = match file {
        LabelFile::Cls | LabelFile::Txt => text.lines().next()?.trim_end().to_owned(),
        LabelFile::Json => {
            let value: Value = serde_json::from_str(text).ok()?;
            match &value {
                Value::Object(fields) => {
                    scalar(LABEL_NAMES.iter().find_map(|key| fields.get(*key))?)?
                }
                alone => scalar(alone)?,
            }
        }
    };
    (!label.is_empty()).then_some(label)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_known_by_their_endings() {
        let label = MemberKind::Label;
        for (name, expected) in [
            ("000.jpg", MemberKind::Photo),
            ("a/b.x/000.JPEG", MemberKind::Photo),
            ("000.left.png", MemberKind::Photo),
            ("000.cls", label(LabelFile::Cls)),
            ("000.json", label(LabelFile::Json)),
            ("000.TXT", label(LabelFile::Txt)),
            ("000.npy", MemberKind::Other),
            ("jpg", MemberKind::Other),
            ("._000.jpg", MemberKind::Other),
            ("__MACOSX/000.jpg", MemberKind::Other),
            ("a/.jpg", MemberKind::Other),
        ] {
            assert_eq!(Samples::kind(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_label_belongs_to_the_photos_of_its_sample_alone() {
        let mut samples = Samples::default();
        let place = || PhotoPlace::Bytes(Vec::new().into());
        samples.photo(b"a/0.left.jpg", place());
        samples.label(b"a/0.txt", LabelFile::Txt, b"a dog \nthat runs");
        samples.photo(b"a/0.right.jpg", place());
        samples.label(b"a/0.cls", LabelFile::Cls, b"7\n");
        samples.photo(b"b/0.jpg", place());
        samples.label(b"1.json", LabelFile::Json, br#"{"class": "cat", "label": 3}"#);
        samples.photo(b"1.jpg", place());
        samples.photo(b"2.jpg", place());
        let found: Vec<_> = samples.finish().into_iter().map(|it| (it.name, it.label)).collect();
        let expected = [
            ("a/0.left.jpg", Some("7")),
            ("a/0.right.jpg", Some("7")),
            ("b/0.jpg", None),
            ("1.jpg", Some("3")),
            ("2.jpg", None),
        ];
        assert_eq!(found, expected.map(|(name, label)| (name.into(), label.map(str::to_owned))));
    }

    #[test]
    fn a_file_without_a_label_gives_none() {
        for (file, content) in [
            (LabelFile::Cls, &b" \n"[..]),
            (LabelFile::Cls, b"\xff\xfe"),
            (LabelFile::Json, b"{\"caption\": \"a dog\"}"),
            (LabelFile::Json, b"[1, 2]"),
            (LabelFile::Json, b"{"),
        ] {
            assert_eq!(label_in(file, content), None);
        }
        assert_eq!(label_in(LabelFile::Json, b"5").as_deref(), Some("5"));
    }
}
