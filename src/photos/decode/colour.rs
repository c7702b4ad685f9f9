//! Other colour spaces to RGB, as libjpeg and PIL convert them.

/// Bits after the point in libjpeg's constants (`jdcolor.c`).
const SCALE_BITS: u32 = 16;
const HALF: i32 = 1 << (SCALE_BITS - 1);

const fn fixed(constant: f64) -> i32 {
    (constant * (1 << SCALE_BITS) as f64 + 0.5) as i32
}

/// YCbCr of JFIF.
pub(super) fn ycbcr(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
    let r = luma + ((fixed(1.402) * red + HALF) >> SCALE_BITS);
    let g = luma + ((-fixed(0.344_14) * blue - fixed(0.714_14) * red + HALF) >> SCALE_BITS);
    let b = luma + ((fixed(1.772) * blue + HALF) >> SCALE_BITS);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}

/// PIL's `CMYK` to `RGB`.
pub(super) fn cmyk(inks: [u8; 3], black: u8) -> [u8; 3] {
    let white = 255 - u32::from(black);
    inks.map(|ink| {
        let product = u32::from(ink) * white + 128;
        (white - ((product + (product >> 8)) >> 8)) as u8
    })
}
