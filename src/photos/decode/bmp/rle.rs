//! Run-length encoded indices of 4 or 8 bits.

/// Decodes up to `count` indices, in the file's order of rows. Skipped pixels have index 0, as in
/// PIL. Fewer indices are returned if the data ends.
///
/// `offset` is that of `data` in the file: in PIL, absolute runs end at even offsets of the file.
pub(super) fn decode(
    data: &[u8],
    offset: usize,
    width: usize,
    count: usize,
    four_bits: bool,
) -> Vec<u8> {
    let mut indices = Vec::with_capacity(count);
    let mut bytes = data.iter().copied();
    // Column, which an encoded run never leaves.
    let mut x = 0;
    while indices.len() < count {
        let (Some(run), Some(value)) = (bytes.next(), bytes.next()) else { break };
        match (usize::from(run), usize::from(value)) {
            (0, 0) => {
                let row = indices.len().next_multiple_of(width);
                indices.resize(row.min(count), 0);
                x = 0;
            }
            (0, 1) => {
                // The end of the bitmap: what was not reached is as if it was skipped.
                break;
            }
            (0, 2) => {
                let (Some(right), Some(up)) = (bytes.next(), bytes.next()) else { break };
                let skipped = usize::from(right) + usize::from(up) * width;
                indices.resize((indices.len() + skipped).min(count), 0);
                x = indices.len() % width;
            }
            (0, length) => {
                let wanted = length.min(count - indices.len());
                for at in 0..wanted {
                    if four_bits {
                        // Two in a byte.
                        if at % 2 == 1 {
                            continue;
                        }
                        let Some(pair) = bytes.next() else { return indices };
                        indices.push(pair >> 4);
                        if at + 1 < wanted {
                            indices.push(pair & 15);
                        }
                    } else {
                        let Some(index) = bytes.next() else { return indices };
                        indices.push(index);
                    }
                }
                x += length;
                if (offset + data.len() - bytes.len()) % 2 == 1 {
                    bytes.next();
                }
            }
            (run, _) => {
                let run = run.min(width.saturating_sub(x));
                for at in 0..run.min(count - indices.len()) {
                    indices.push(match (four_bits, at % 2) {
                        (false, _) => value,
                        (true, 0) => value >> 4,
                        (true, _) => value & 15,
                    });
                }
                x += run;
            }
        }
    }
    indices
}
