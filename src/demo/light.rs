//! Lighting of the finished picture: a tint, brightness that falls off to one side, and grain.

use image::RgbImage;
use rand::RngExt;

use super::colour::{Colour, pick};

/// Tints of daylight, lamps, dusk and shade. The picture is multiplied by one, channel by channel.
const LIGHTS: [u32; 6] = [0xff_ff_ff, 0xff_f3_df, 0xff_e2_c4, 0xdf_ea_ff, 0xe9_ff_ee, 0xff_e6_ee];

/// Applies random lighting to the picture.
pub fn apply(picture: &mut RgbImage, random: &mut impl RngExt) {
    let Colour([red, green, blue, _]) = Colour::hex(pick(&LIGHTS, random));
    let level = random.random_range(0.8..1.08);
    let fall_x = random.random_range(-0.14..0.14);
    let fall_y = random.random_range(-0.14..0.14);
    let grain = if random.random_bool(0.5) { random.random_range(3_i32..=18) } else { 0 };
    let (width, height) = picture.dimensions();
    let mut noise = vec![0_u8; width as usize];
    for (y, row) in picture.rows_mut().enumerate() {
        if grain > 0 {
            random.fill_bytes(&mut noise);
        }
        let down = fall_y * (y as f32 / height as f32 - 0.5);
        for (x, (pixel, noise)) in row.zip(&noise).enumerate() {
            let light = level + down + fall_x * (x as f32 / width as f32 - 0.5);
            let speck = ((i32::from(*noise) - 128) * grain / 128) as f32;
            for (value, tint) in pixel.0.iter_mut().zip([red, green, blue]) {
                // The cast saturates, so values do not wrap around.
                *value = (f32::from(*value) * light * tint + speck) as u8;
            }
        }
    }
}
