//! PNG.

/// A chunk of a PNG file; its data is cut off if the file ends.
pub(super) struct Chunk<'a> {
    pub name: [u8; 4],
    pub data: &'a [u8],
}

/// The chunks after the signature.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let ([a, b, c, d, name @ ..], content) = rest.split_first_chunk::<8>()?;
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let data = &content[..size.min(content.len())];
        // The checksum has four bytes.
        rest = content.get(size.saturating_add(4)..).unwrap_or_default();
        Some(Chunk { name: *name, data })
    })
}
