//! The marker segments of a JPEG file.

/// A marker with its data.
pub(in crate::photos::decode) struct Segment<'a> {
    /// The second byte of the marker.
    pub marker: u8,
    /// What follows the length; cut off if the file ends.
    pub data: &'a [u8],
    /// Offset of the byte after the segment.
    pub end: usize,
}

/// Iterates over the segments from an offset on. What lies between two segments is passed over.
pub(in crate::photos::decode) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The segments of a whole file.
pub(in crate::photos::decode) fn segments(bytes: &[u8]) -> Segments<'_> {
    Segments { bytes, at: 0 }
}

impl Segments<'_> {
    /// Goes on at this offset, where the data of a scan ended.
    pub fn resume(&mut self, at: usize) {
        self.at = at;
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        // 0xff repeats as padding, and 0xff00 is a data byte of a scan.
        let rest = self.bytes.get(self.at..)?;
        let found =
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
        let marker = rest[found + 1];
        let start = self.at + found + 2;
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            self.at = start;
            return Some(Segment { marker, data: &[], end: start });
        }
        let (length, data) = self.bytes[start..].split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2)?;
        let end = (start + 2 + length).min(self.bytes.len());
        self.at = end;
        Some(Segment { marker, data: &data[..length.min(data.len())], end })
    }
}
