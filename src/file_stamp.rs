//! Whether a file is still the one that was read, without reading it again.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What the system says about a file. It changes when the content does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    bytes: u64,
    modified: Option<SystemTime>,
    created: Option<SystemTime>,
    #[cfg(unix)]
    node: Node,
}

/// Which file it is, and when it last changed: a time that no program can set.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// File systems record times to about this, so that a file may change again within it and keep
/// its time.
const COARSEST_TIME: Duration = Duration::from_secs(2);

impl FileStamp {
    /// The stamp of the file at `path`.
    ///
    /// # Errors
    /// If the system does not answer.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::metadata(path)?))
    }

    /// The stamp of a file with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            created: metadata.created().ok(),
            #[cfg(unix)]
            node: {
                use std::os::unix::fs::MetadataExt;
                Node {
                    device: metadata.dev(),
                    inode: metadata.ino(),
                    changed: (metadata.ctime(), metadata.ctime_nsec()),
                }
            },
        }
    }

    /// Whether a file with the stamp `other`, which may have been renamed or deleted since, has the
    /// same content.
    pub fn has_content_of(&self, other: &Self) -> bool {
        (self.bytes, self.modified) == (other.bytes, other.modified)
    }

    /// Whether the file changed so long ago that another change would have given it another time.
    pub fn is_settled(&self) -> bool {
        let long_ago = |time: SystemTime| {
            SystemTime::now().duration_since(time).is_ok_and(|age| age > COARSEST_TIME)
        };
        #[cfg(unix)]
        let changed = {
            let (seconds, _) = self.node.changed;
            let seconds = u64::try_from(seconds).ok().map(Duration::from_secs);
            seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(seconds))
        };
        #[cfg(not(unix))]
        let changed = self.modified;
        // Of whole seconds, the time may lie almost a second after this one.
        changed.is_some_and(|changed| long_ago(changed + Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_file_that_was_written_again_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "some text").unwrap();
        let stamp = FileStamp::at(&file).unwrap();
        assert_eq!(stamp, FileStamp::at(&file).unwrap());
        assert!(!stamp.is_settled(), "it could change within this clock tick");
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&file, "same size").unwrap();
        assert_ne!(stamp, FileStamp::at(&file).unwrap());
        // A program that puts the time back is noticed where the system has a time that nobody can
        // set.
        File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert_eq!(stamp == FileStamp::at(&file).unwrap(), cfg!(not(unix)));
    }
}
