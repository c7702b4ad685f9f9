//! Huffman tables and the bits of a scan.

use crate::photos::decode::DecodeError;

/// Codes of up to this length are looked up.
const LOOKUP_BITS: u32 = 9;

/// A table of codes.
pub(super) struct Table {
    /// Symbol and length of the code that begins with these bits; length 0 if it is longer.
    lookup: Vec<(u8, u8)>,
    /// For each length: the code after the last one, aligned to 16 bits.
    ends: [u32; 17],
    /// For each length: what to add to a code to get the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// The table with this many codes of each length from 1 to 16, in the order of `symbols`.
    ///
    /// # Errors
    /// If there are more codes than bits can tell apart.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, DecodeError> {
        const DAMAGED: DecodeError = DecodeError::Damaged("a Huffman table of the JPEG is damaged");
        let mut table = Self {
            lookup: vec![(0, 0); 1 << LOOKUP_BITS],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let at = length as usize;
            let count = u32::from(counts[at - 1]);
            table.offsets[at] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(index).ok_or(DAMAGED)?;
                if code >= 1 << length {
                    return Err(DAMAGED);
                }
                if length <= LOOKUP_BITS {
                    let free = LOOKUP_BITS - length;
                    let first = (code << free) as usize;
                    table.lookup[first..first + (1 << free)].fill((symbol, length as u8));
                }
                code += 1;
                index += 1;
            }
            table.ends[at] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }
}

/// Reads the bits of a scan up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    /// Bits in the buffer.
    count: u32,
    /// The marker at which the bits end, if it was reached. The end of the file counts as EOI.
    pub marker: Option<u8>,
    /// More bits were asked for than there are; they read as 0.
    pub exhausted: bool,
    /// A code was read that no table has.
    pub bad_code: bool,
}

const EOI: u8 = 0xd9;

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        let (buffer, count, marker) = (0, 0, None);
        Self { bytes, at, buffer, count, marker, exhausted: false, bad_code: false }
    }

    /// Offset of the first byte that was not read: that of the marker, if it was reached.
    pub fn position(&self) -> usize {
        self.at
    }

    fn fill(&mut self) {
        while self.count <= 56 && self.marker.is_none() {
            let Some(byte) = self.bytes.get(self.at) else {
                self.marker = Some(EOI);
                return;
            };
            if *byte == 0xff {
                let after = self.bytes[self.at..].iter().position(|byte| *byte != 0xff);
                let after = after.map_or(self.bytes.len(), |after| self.at + after);
                match self.bytes.get(after) {
                    Some(0) => self.at = after,
                    found => {
                        self.marker = Some(found.copied().unwrap_or(EOI));
                        return;
                    }
                }
            }
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(*byte);
            self.count += 8;
        }
    }

    /// The next 16 bits, with zeros after the last one.
    fn peek(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        let bits = match self.count < 16 {
            true => self.buffer << (16 - self.count),
            false => self.buffer >> (self.count - 16),
        };
        (bits & 0xffff) as u32
    }

    fn skip(&mut self, bits: u32) {
        match self.count.checked_sub(bits) {
            Some(rest) => self.count = rest,
            None => {
                self.exhausted = true;
                self.count = 0;
                self.buffer = 0;
            }
        }
    }

    /// The next 0 to 16 bits as a number.
    pub fn read(&mut self, bits: u32) -> i32 {
        let value = self.peek() >> (16 - bits);
        self.skip(bits);
        value as i32
    }

    pub fn bit(&mut self) -> bool {
        self.read(1) == 1
    }

    /// The next number of this size, whose first bit gives the sign (ITU T.81, figure F.12).
    pub fn signed(&mut self, bits: u32) -> i32 {
        let value = self.read(bits);
        if bits > 0 && value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value }
    }

    /// The next symbol. A code that the table lacks reads as 0, as in libjpeg.
    pub fn symbol(&mut self, table: &Table) -> u8 {
        let bits = self.peek();
        let (symbol, length) = table.lookup[(bits >> (16 - LOOKUP_BITS)) as usize];
        if length > 0 {
            self.skip(u32::from(length));
            return symbol;
        }
        for length in LOOKUP_BITS + 1..=16 {
            if bits < table.ends[length as usize] {
                self.skip(length);
                let index = (bits >> (16 - length)) as i32 + table.offsets[length as usize];
                return table.symbols.get(index as usize).copied().unwrap_or(0);
            }
        }
        // libjpeg reads one bit more before it gives up.
        self.skip(16);
        self.bit();
        self.bad_code = true;
        0
    }

    /// Goes on after the restart marker `expected` (0 to 7), where `libjpeg` would: a marker that
    /// comes too early is left for later, and the data before it reads as missing; one that comes
    /// too late is passed over.
    ///
    /// Returns whether the marker was the expected one.
    pub fn restart(&mut self, expected: u8) -> bool {
        (self.count, self.buffer) = (0, 0);
        let found = match self.marker {
            Some(marker) => marker,
            None => self.next_marker(),
        };
        let mut found = found;
        let exact = found == 0xd0 + expected;
        loop {
            let early = |by: u8| found == 0xd0 + ((expected + by) & 7);
            match found {
                0x01..0xc0 => {}
                0xd0..=0xd7 if early(1) || early(2) => break,
                0xd0..=0xd7 if early(6) || early(7) => {}
                0xd0..=0xd7 => {
                    self.pass_marker();
                    self.exhausted = false;
                    break;
                }
                _ => break,
            }
            self.pass_marker();
            found = self.next_marker();
        }
        exact
    }

    fn pass_marker(&mut self) {
        // The marker's own byte follows any number of 0xff.
        while self.bytes.get(self.at) == Some(&0xff) {
            self.at += 1;
        }
        self.at = (self.at + 1).min(self.bytes.len());
        self.marker = None;
    }

    /// Moves to the next marker and returns it.
    fn next_marker(&mut self) -> u8 {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let found =
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let marker = match found {
            Some(found) => {
                self.at += found;
                rest[found + 1]
            }
            None => {
                self.at = self.bytes.len();
                EOI
            }
        };
        self.marker = Some(marker);
        marker
    }
}
