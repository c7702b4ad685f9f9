//! Tells TIFF files from camera raws, which many makers store in a TIFF container.

use super::Format;

/// Tag of the kind of picture; 1 in a raw's first directory: a smaller copy.
const NEW_SUBFILE_TYPE: u16 = 0x00fe;
/// Tag of the compression.
const COMPRESSION: u16 = 0x0103;
/// Tag of the offsets of further pictures.
const SUB_DIRECTORIES: u16 = 0x014a;
/// Tag that every DNG has.
const DNG_VERSION: u16 = 0xc612;
/// The compression of a Pentax raw, and Nikon's.
const RAW_COMPRESSIONS: [u32; 2] = [65535, 34713];

/// [`Format::Tiff`] or [`Format::Raw`], if `head` is the beginning of a TIFF file.
///
/// A raw is recognised if its first directory is in `head`, where cameras put it. A scan or an
/// edited photo may also have a smaller copy first, but not with its full size in a
/// sub-directory.
pub(super) fn tiff(head: &[u8]) -> Option<Format> {
    let big_endian = match head.get(..2)? {
        b"II" => false,
        b"MM" => true,
        _ => return None,
    };
    let numbers = Numbers { head, big_endian };
    match numbers.u16(2)? {
        // BigTIFF; no camera writes it.
        43 => return (numbers.u16(4) == Some(8)).then_some(Format::Tiff),
        42 => {}
        _ => return None,
    }
    if head.get(8..10) == Some(b"CR") {
        return Some(Format::Raw("Canon CR2"));
    }
    Some(numbers.raw().unwrap_or(Format::Tiff))
}

struct Numbers<'a> {
    head: &'a [u8],
    big_endian: bool,
}

impl Numbers<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.head.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.head.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The kind of raw that the first directory describes, if it describes one.
    fn raw(&self) -> Option<Format> {
        let directory = self.u32(4)? as usize;
        let entries = usize::from(self.u16(directory)?);
        let (mut reduced, mut nested) = (false, false);
        for entry in 0..entries {
            let at = directory.checked_add(2 + 12 * entry)?;
            let Some(tag) = self.u16(at) else { break };
            match tag {
                DNG_VERSION => return Some(Format::Raw("DNG")),
                NEW_SUBFILE_TYPE => reduced = self.u32(at + 8) == Some(1),
                SUB_DIRECTORIES => nested = true,
                COMPRESSION => {
                    let compression = match self.u16(at + 2)? {
                        3 => u32::from(self.u16(at + 8)?),
                        _ => self.u32(at + 8)?,
                    };
                    if RAW_COMPRESSIONS.contains(&compression) {
                        return Some(Format::Raw("in a TIFF container"));
                    }
                }
                _ => {}
            }
        }
        // Nikon's NEF, Sony's ARW and others.
        (reduced && nested).then_some(Format::Raw("in a TIFF container"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF file with one directory: tag, type and value of each entry.
    fn file(big_endian: bool, entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let short = |value: u16| match big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let long = |value: u32| match big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(short(42));
        bytes.extend(long(8));
        bytes.extend(short(entries.len() as u16));
        for (tag, kind, value) in entries {
            bytes.extend(short(*tag));
            bytes.extend(short(*kind));
            bytes.extend(long(1));
            match kind {
                3 => bytes.extend([short(*value as u16), short(0)].concat()),
                _ => bytes.extend(long(*value)),
            }
        }
        bytes
    }

    #[test]
    fn a_raw_in_a_tiff_container_is_no_tiff() {
        for big_endian in [false, true] {
            let recognised = |entries: &[(u16, u16, u32)]| tiff(&file(big_endian, entries));
            let plain = (256, 3, 640);
            assert_eq!(recognised(&[plain, (COMPRESSION, 3, 5)]), Some(Format::Tiff));
            // A page of a fax with its smaller copy first, and a photo with pages in it.
            assert_eq!(recognised(&[(NEW_SUBFILE_TYPE, 4, 1)]), Some(Format::Tiff));
            assert_eq!(recognised(&[(SUB_DIRECTORIES, 4, 9)]), Some(Format::Tiff));
            let container = Some(Format::Raw("in a TIFF container"));
            let nikon = [(NEW_SUBFILE_TYPE, 4, 1), plain, (SUB_DIRECTORIES, 4, 900)];
            assert_eq!(recognised(&nikon), container);
            assert_eq!(recognised(&[plain, (COMPRESSION, 3, 65535)]), container);
            assert_eq!(recognised(&[plain, (DNG_VERSION, 1, 1)]), Some(Format::Raw("DNG")));
        }
        assert_eq!(tiff(b"II*\0\x10\0\0\0CR\x02\0"), Some(Format::Raw("Canon CR2")));
        assert_eq!(tiff(b"II+\0\x08\0\0\0"), Some(Format::Tiff));
        assert_eq!(tiff(b"MM\0*"), Some(Format::Tiff));
        // Directories outside of the file, or without end.
        assert_eq!(tiff(b"II*\0\xff\xff\xff\xff"), Some(Format::Tiff));
        assert_eq!(tiff(b"II*\0\x08\0\0\0\xff\xff"), Some(Format::Tiff));
        assert_eq!(tiff(b"MM"), None);
    }
}
