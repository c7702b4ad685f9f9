//! A JPEG encoder for tests: baseline, with any sampling factors, one or several components a scan,
//! restart markers and colour markers, and the planes that a decoder should get back, in f64.

use std::f64::consts::PI;

/// Coefficients are divided by this.
const QUANTISATION: f64 = 2.0;

const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What a file should be like.
#[derive(Clone)]
pub struct Form {
    pub size: (usize, usize),
    /// Horizontal and vertical sampling factors of each component.
    pub sampling: Vec<(usize, usize)>,
    /// Components of each scan.
    pub scans: Vec<Vec<usize>>,
    /// Groups of blocks between restart markers; 0 for none.
    pub restart_interval: usize,
    /// Transform of an Adobe segment.
    pub adobe: Option<u8>,
    pub jfif: bool,
    pub ids: Vec<u8>,
}

impl Form {
    /// All components in one scan, and nothing said about colours.
    pub fn interleaved(size: (usize, usize), sampling: &[(usize, usize)]) -> Self {
        let count = sampling.len();
        Self {
            size,
            sampling: sampling.to_vec(),
            scans: vec![(0..count).collect()],
            restart_interval: 0,
            adobe: None,
            jfif: false,
            ids: (1..=count as u8).collect(),
        }
    }

    /// One component a scan.
    pub fn one_a_scan(self) -> Self {
        Self { scans: (0..self.sampling.len()).map(|component| vec![component]).collect(), ..self }
    }

    pub fn max_sampling(&self) -> (usize, usize) {
        let factors = self.sampling.iter();
        factors.fold((1, 1), |(h, v), factors| (h.max(factors.0), v.max(factors.1)))
    }

    /// Groups of blocks across and down.
    pub fn groups(&self) -> (usize, usize) {
        let (h, v) = self.max_sampling();
        (self.size.0.div_ceil(8 * h), self.size.1.div_ceil(8 * v))
    }
}

/// A component's samples, as a decoder should get them.
pub struct Plane {
    pub stride: usize,
    pub samples: Vec<f64>,
}

struct Component {
    /// In zigzag order.
    blocks: Vec<[i32; 64]>,
    across: usize,
}

/// A file and its planes. `sample` gives the value of a component at a sample.
pub fn encode(form: &Form, sample: impl Fn(usize, usize, usize) -> f64) -> (Vec<u8>, Vec<Plane>) {
    let (groups_across, groups_down) = form.groups();
    let mut components = Vec::new();
    let mut planes = Vec::new();
    for (index, (h, v)) in form.sampling.iter().enumerate() {
        let (across, down) = (groups_across * h, groups_down * v);
        let mut plane = Plane { stride: 8 * across, samples: vec![0.0; 64 * across * down] };
        let mut blocks = Vec::new();
        for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
            let values = |at: usize| sample(index, 8 * x + at % 8, 8 * y + at / 8) - 128.0;
            let coefficients = transform(&std::array::from_fn(values), false)
                .map(|coefficient| (coefficient / QUANTISATION).round());
            let decoded = transform(&coefficients.map(|value| value * QUANTISATION), true);
            for (at, value) in decoded.iter().enumerate() {
                let offset = (8 * y + at / 8) * plane.stride + 8 * x + at % 8;
                plane.samples[offset] = (value + 128.0).clamp(0.0, 255.0);
            }
            blocks.push(ZIGZAG.map(|natural| coefficients[natural] as i32));
        }
        components.push(Component { blocks, across });
        planes.push(plane);
    }
    let mut file = headers(form);
    for scan in &form.scans {
        write_scan(form, scan, &components, &mut file);
    }
    file.extend([0xff, 0xd9]);
    (file, planes)
}

/// The discrete cosine transform of a block, or its inverse.
fn transform(block: &[f64; 64], inverse: bool) -> [f64; 64] {
    let basis = |frequency: usize, place: usize| {
        let scale = if frequency == 0 { 0.125f64.sqrt() } else { 0.5 };
        scale * ((2 * place + 1) as f64 * frequency as f64 * PI / 16.0).cos()
    };
    let pass = |values: &[f64; 64]| -> [f64; 64] {
        // Transforms the rows and transposes.
        std::array::from_fn(|out| {
            let (to, row) = (out / 8, out % 8);
            let factor = |from| if inverse { basis(from, to) } else { basis(to, from) };
            (0..8).map(|from| values[8 * row + from] * factor(from)).sum()
        })
    };
    pass(&pass(block))
}

fn headers(form: &Form) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    if form.jfif {
        file.extend(b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    }
    if let Some(transform) = form.adobe {
        file.extend(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0");
        file.push(transform);
    }
    file.extend([0xff, 0xdb, 0, 67, 0]);
    file.extend([QUANTISATION as u8; 64]);
    let count = form.sampling.len();
    let (width, height) = (form.size.0 as u16, form.size.1 as u16);
    file.extend([0xff, 0xc0, 0, 8 + 3 * count as u8, 8]);
    file.extend(height.to_be_bytes());
    file.extend(width.to_be_bytes());
    file.push(count as u8);
    for (id, (h, v)) in form.ids.iter().zip(&form.sampling) {
        file.extend([*id, (h << 4 | v) as u8, 0]);
    }
    for (class, symbols) in [(0, dc_symbols()), (0x10, ac_symbols())] {
        file.extend([0xff, 0xc4]);
        file.extend((19 + symbols.len() as u16).to_be_bytes());
        file.push(class);
        let length = code_length(&symbols);
        file.extend((1..=16).map(|at| if at == length { symbols.len() as u8 } else { 0 }));
        file.extend(symbols);
    }
    if form.restart_interval > 0 {
        file.extend([0xff, 0xdd, 0, 4]);
        file.extend((form.restart_interval as u16).to_be_bytes());
    }
    file
}

fn dc_symbols() -> Vec<u8> {
    (0..12).collect()
}

fn ac_symbols() -> Vec<u8> {
    let all = (0..16u8).flat_map(|run| (0..11).map(move |size| run << 4 | size));
    all.filter(|symbol| symbol & 15 != 0 || matches!(symbol, 0 | 0xf0)).collect()
}

/// All codes of a table have the same length, and none is all ones.
fn code_length(symbols: &[u8]) -> u32 {
    symbols.len().next_power_of_two().trailing_zeros()
}

fn write_scan(form: &Form, scan: &[usize], components: &[Component], file: &mut Vec<u8>) {
    file.extend([0xff, 0xda, 0, 6 + 2 * scan.len() as u8, scan.len() as u8]);
    file.extend(scan.iter().flat_map(|component| [form.ids[*component], 0]));
    file.extend([0, 63, 0]);
    let (max_h, max_v) = form.max_sampling();
    let (across, down) = match scan {
        [one] => {
            let (h, v) = form.sampling[*one];
            let width = (form.size.0 * h).div_ceil(max_h);
            let height = (form.size.1 * v).div_ceil(max_v);
            (width.div_ceil(8), height.div_ceil(8))
        }
        _ => form.groups(),
    };
    let mut bits = Bits::default();
    let mut predictions = vec![0; scan.len()];
    let mut markers = 0;
    for group in 0..across * down {
        if form.restart_interval > 0 && group > 0 && group % form.restart_interval == 0 {
            bits.flush(file);
            file.extend([0xff, 0xd0 + markers % 8]);
            markers += 1;
            predictions.fill(0);
        }
        let (x, y) = (group % across, group / across);
        for (component, prediction) in scan.iter().zip(&mut predictions) {
            let (h, v) = if scan.len() == 1 { (1, 1) } else { form.sampling[*component] };
            let Component { blocks, across } = &components[*component];
            for at in 0..h * v {
                let block = &blocks[(y * v + at / h) * across + x * h + at % h];
                bits.block(block, prediction);
            }
        }
    }
    bits.flush(file);
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn symbol(&mut self, symbol: u8, symbols: &[u8]) {
        let code = symbols.iter().position(|known| *known == symbol).unwrap();
        self.put(code as u32, code_length(symbols));
    }

    /// The size of a number and its bits.
    fn number(value: i32) -> (u32, u32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let bits = if value < 0 { value + (1 << size) - 1 } else { value };
        (size, bits as u32)
    }

    fn block(&mut self, block: &[i32; 64], prediction: &mut i32) {
        let (dc, ac) = (dc_symbols(), ac_symbols());
        let (size, bits) = Self::number(block[0] - *prediction);
        *prediction = block[0];
        self.symbol(size as u8, &dc);
        self.put(bits, size);
        let mut run = 0;
        let last = block.iter().rposition(|value| *value != 0).unwrap_or(0);
        for value in &block[1..=last] {
            if *value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.symbol(0xf0, &ac);
                run -= 16;
            }
            let (size, bits) = Self::number(*value);
            self.symbol((run << 4) | size as u8, &ac);
            self.put(bits, size);
            run = 0;
        }
        if last < 63 {
            self.symbol(0, &ac);
        }
    }

    fn flush(&mut self, file: &mut Vec<u8>) {
        while !self.0.len().is_multiple_of(8) {
            self.0.push(true);
        }
        for byte in self.0.chunks(8) {
            let byte = byte.iter().fold(0u8, |byte, bit| byte << 1 | u8::from(*bit));
            file.push(byte);
            if byte == 0xff {
                file.push(0);
            }
        }
        self.0.clear();
    }
}
