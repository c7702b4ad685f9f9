//! Numbers in files, as `f32`.

use std::io::{self, Read};

use half::{bf16, f16};

/// Bytes that are read at a time.
const AT_A_TIME: usize = 1 << 20;

/// A type of numbers in a file, in little-endian byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FloatType {
    F16,
    Bf16,
    F32,
    F64,
}

impl FloatType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Reads `count` numbers, and hands them to `receive` block by block. The caller has compared
    /// `count` with the length of the file.
    ///
    /// # Errors
    /// If there are fewer, they cannot be read, or the first error of `receive`.
    pub fn read(
        self,
        from: &mut impl Read,
        count: usize,
        mut receive: impl FnMut(&[f32]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = vec![0; AT_A_TIME.min(count * self.size())];
        let (mut left, mut values) = (count, Vec::new());
        while left > 0 {
            let wanted = bytes.len().min(left * self.size());
            from.read_exact(&mut bytes[..wanted])?;
            values.clear();
            self.append(&bytes[..wanted], &mut values);
            receive(&values)?;
            left -= values.len();
        }
        Ok(())
    }

    fn append(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn each<const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> f32, to: &mut Vec<f32>) {
            to.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| of(*bytes)));
        }
        match self {
            Self::F16 => each(bytes, |it| f16::from_le_bytes(it).to_f32(), values),
            Self::Bf16 => each(bytes, |it| bf16::from_le_bytes(it).to_f32(), values),
            Self::F32 => each(bytes, f32::from_le_bytes, values),
            Self::F64 => each(bytes, |it| f64::from_le_bytes(it) as f32, values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_across_the_blocks() {
        let count = AT_A_TIME / 2 + 3;
        let number = |index: usize| (index % 64) as f32 * 0.5;
        let file = |bytes: &dyn Fn(f32) -> Vec<u8>| -> Vec<u8> {
            (0..count).flat_map(|index| bytes(number(index))).collect()
        };
        let files = [
            (FloatType::F16, file(&|it| f16::from_f32(it).to_le_bytes().into())),
            (FloatType::Bf16, file(&|it| bf16::from_f32(it).to_le_bytes().into())),
            (FloatType::F32, file(&|it| it.to_le_bytes().into())),
            (FloatType::F64, file(&|it| f64::from(it).to_le_bytes().into())),
        ];
        for (kind, bytes) in files {
            assert_eq!(bytes.len(), count * kind.size());
            let mut read = Vec::new();
            let mut keep = |values: &[f32]| {
                read.extend_from_slice(values);
                Ok(())
            };
            kind.read(&mut bytes.as_slice(), count, &mut keep).unwrap();
            assert!((0..count).all(|index| read[index] == number(index)), "{kind:?}");
            let short = kind.read(&mut &bytes[..bytes.len() - 1], count, |_| Ok(())).unwrap_err();
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
