//! A size in bytes on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A number of bytes, as `512MiB` or `2GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize(pub u64);

/// The units, largest first. A letter alone means the power of 1024.
const UNITS: [(&str, u64); 10] = [
    ("TIB", 1 << 40),
    ("GIB", 1 << 30),
    ("MIB", 1 << 20),
    ("KIB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("G", 1 << 30),
    ("M", 1 << 20),
];

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a size such as 512MiB, 2GiB or 2GB".to_owned();
        let upper = text.trim().to_ascii_uppercase();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((upper.strip_suffix(name)?, *unit)))
            .unwrap_or((&upper, 1));
        let number = number.trim_end();
        // Only digits and a point: a float may also be `inf` or `1e9`.
        if !number.chars().all(|character| character.is_ascii_digit() || character == '.') {
            return Err(wrong());
        }
        let bytes = number.parse::<f64>().map_err(|_| wrong())? * unit as f64;
        match bytes >= 1.0 && bytes <= i64::MAX as f64 {
            true => Ok(Self(bytes as u64)),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().take(4).find(|(_, unit)| self.0.is_multiple_of(*unit));
        match binary.filter(|_| self.0 > 0) {
            Some((name, unit)) => write!(formatter, "{}{}iB", self.0 / unit, &name[..1]),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl Serialize for MemorySize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_size_is_a_number_with_a_unit() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("512MiB", 512 << 20),
            ("2gb", 2_000_000_000),
            ("1.5 GB", 1_500_000_000),
            ("64M", 64 << 20),
            ("1000", 1000),
        ] {
            assert_eq!(text.parse(), Ok(MemorySize(bytes)), "{text}");
            let MemorySize(again) = MemorySize(bytes).to_string().parse().unwrap();
            assert_eq!(again, bytes, "{text}");
        }
        for wrong in ["", "GB", "0", "-1GB", "1e9", "inf", "1XB", "99999999TB"] {
            assert!(wrong.parse::<MemorySize>().is_err(), "{wrong}");
        }
    }
}
