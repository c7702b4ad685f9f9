//! JPEGs of every form decode to the pixels that they were made from.

use image::RgbImage;
use kindling::photos::decode;

use crate::jpeg_encoder::{Form, Plane, encode};
use crate::reference::fixture;

/// A decoder rounds each sample (1), twice where it transforms, and red or blue is luma plus 1.772
/// times a colour difference: 1 + 1.772 + rounding.
const TOLERANCE: f64 = 4.0;

const SIZES: [(usize, usize); 3] = [(45, 37), (64, 48), (3, 5)];

fn decoded(file: &[u8]) -> RgbImage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).unwrap().clone()
}

/// Noise for components that have a sample for every pixel, and one value a block for the others:
/// how samples are spread over pixels does not matter inside of a block.
fn content(form: &Form) -> impl Fn(usize, usize, usize) -> f64 + use<> {
    let (max, sampling) = (form.max_sampling(), form.sampling.clone());
    move |component, x, y| {
        let (x, y) = if sampling[component] == max { (x, y) } else { (x / 8, y / 8) };
        let hash = (component * 7919 + x * 104_729 + y * 1_299_709).wrapping_mul(2_654_435_761);
        60.0 + (hash >> 8 & 127) as f64
    }
}

/// The component's value at a pixel, or `None` within a sample of the edge of a block: decoders
/// blend there.
fn at(form: &Form, planes: &[Plane], component: usize, (x, y): (usize, usize)) -> Option<f64> {
    let (max_h, max_v) = form.max_sampling();
    let (h, v) = form.sampling[component];
    let (across, down) = (max_h / h, max_v / v);
    let inside = |at: usize, factor: usize| {
        factor == 1 || (factor..7 * factor).contains(&(at % (8 * factor)))
    };
    let plane = &planes[component];
    (inside(x, across) && inside(y, down))
        .then(|| plane.samples[y / down * plane.stride + x / across])
}

fn ycbcr([luma, blue, red]: [f64; 3]) -> [f64; 3] {
    let (blue, red) = (blue - 128.0, red - 128.0);
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
        .map(|value| value.clamp(0.0, 255.0))
}

/// Encodes, decodes and compares; `colours` converts the components.
fn assert_decodes(form: &Form, colours: impl Fn(&[f64]) -> [f64; 3], what: &str) {
    let (file, planes) = encode(form, content(form));
    let photo = decoded(&file);
    assert_eq!(photo.dimensions(), (form.size.0 as u32, form.size.1 as u32), "{what}");
    let mut compared = 0;
    for (x, y, pixel) in photo.enumerate_pixels() {
        let place = (x as usize, y as usize);
        let components = 0..form.sampling.len();
        let values: Option<Vec<f64>> =
            components.map(|component| at(form, &planes, component, place)).collect();
        let Some(values) = values else { continue };
        compared += 1;
        for (actual, expected) in pixel.0.iter().zip(colours(&values)) {
            let error = (f64::from(*actual) - expected).abs();
            assert!(error <= TOLERANCE, "{what}: {pixel:?} at {x}, {y} for {expected}");
        }
    }
    let pixels = photo.width() * photo.height();
    assert!(compared * 8 >= pixels || pixels < 100, "{what}: only {compared} pixels compared");
}

fn as_ycbcr(values: &[f64]) -> [f64; 3] {
    ycbcr([values[0], values[1], values[2]])
}

#[test]
fn every_sampling_form_decodes_interleaved_or_not_with_restarts_or_without() {
    let luma = [
        (1, 1),
        (2, 1),
        (1, 2),
        (2, 2),
        (4, 1),
        (1, 4),
        (4, 2),
        (2, 4),
        (4, 4),
        (3, 1),
        (1, 3),
        (3, 3),
    ];
    let mut forms: Vec<Vec<(usize, usize)>> =
        luma.iter().map(|luma| vec![*luma, (1, 1), (1, 1)]).collect();
    forms.extend([
        // Luma smaller than chroma, and factors that have a common divisor.
        vec![(1, 1), (2, 2), (2, 2)],
        vec![(2, 1), (2, 2), (1, 1)],
        vec![(1, 1), (1, 2), (1, 2)],
        vec![(2, 2), (2, 1), (1, 2)],
        vec![(1, 2), (2, 1), (2, 2)],
        vec![(2, 2), (2, 2), (2, 2)],
        vec![(4, 2), (2, 2), (2, 1)],
    ]);
    for (size, sampling) in SIZES.iter().flat_map(|size| forms.iter().map(move |form| (size, form)))
    {
        let form = Form::interleaved(*size, sampling);
        let mut forms = vec![form.clone().one_a_scan()];
        forms.push(Form { scans: vec![vec![0], vec![1, 2]], ..form.clone() });
        // No group may have more than ten blocks.
        if sampling.iter().map(|(h, v)| h * v).sum::<usize>() <= 10 {
            forms.push(form);
        }
        for form in forms {
            for restart_interval in [0, 3] {
                let form = Form { restart_interval, ..form.clone() };
                let what = format!(
                    "{size:?} {sampling:?} in {:?}, restarts {restart_interval}",
                    form.scans
                );
                assert_decodes(&form, as_ycbcr, &what);
            }
        }
    }
}

#[test]
fn a_grey_jpeg_ignores_its_sampling_factors() {
    for (h, v) in [(1, 1), (2, 1), (1, 2), (2, 2), (4, 4)] {
        let form = Form::interleaved((45, 37), &[(h, v)]);
        assert_decodes(&form, |values| [values[0]; 3], &format!("{h}x{v}"));
    }
}

#[test]
fn colour_markers_are_understood_as_libjpeg_does() {
    let rgb = |values: &[f64]| [values[0], values[1], values[2]];
    let plain = Form::interleaved((45, 37), &[(1, 1); 3]);
    for adobe in [None, Some(0), Some(1), Some(2)] {
        for jfif in [false, true] {
            for ids in [*b"\x01\x02\x03", *b"RGB", *b"\0\x01\x02"] {
                let form = Form { adobe, jfif, ids: ids.to_vec(), ..plain.clone() };
                let what = format!("Adobe {adobe:?}, JFIF {jfif}, {ids:?}");
                // JFIF is always YCbCr; otherwise Adobe's transform decides, then the names.
                match (jfif, adobe, &ids) {
                    (false, Some(0), _) | (false, None, b"RGB") => {
                        assert_decodes(&form, rgb, &what);
                    }
                    _ => assert_decodes(&form, as_ycbcr, &what),
                }
            }
        }
    }
    // Adobe's programs store inks inverted.
    let cmyk = |values: &[f64]| [0, 1, 2].map(|ink| values[ink] * values[3] / 255.0);
    let ycck = |values: &[f64]| as_ycbcr(values).map(|ink| (255.0 - ink) * values[3] / 255.0);
    for adobe in [None, Some(0), Some(1), Some(2)] {
        for sampling in [[(1, 1); 4], [(2, 2), (1, 1), (1, 1), (2, 2)]] {
            let form = Form { adobe, ..Form::interleaved((45, 37), &sampling) };
            for form in [form.clone().one_a_scan(), form] {
                let what = format!("four components, Adobe {adobe:?}, {sampling:?}");
                match adobe {
                    None | Some(0) => assert_decodes(&form, cmyk, &what),
                    Some(_) => assert_decodes(&form, ycck, &what),
                }
            }
        }
    }
}

/// Rows of pixels between restart markers.
const STRIP: usize = 16;

/// A photo with a restart marker after each row of groups.
fn strips() -> Vec<u8> {
    let form = Form::interleaved((96, 12 * STRIP), &[(2, 2), (1, 1), (1, 1)]);
    encode(&Form { restart_interval: 6, ..form.clone() }, content(&form)).0
}

/// Asserts that strips are as in the whole photo, up to where colours blend into other strips.
fn assert_strips_equal(damaged: &[u8], strips: impl Iterator<Item = usize>, what: &str) {
    let (whole, damaged) = (decoded(&self::strips()), decoded(damaged));
    for strip in strips {
        for y in strip * STRIP + 1..(strip + 1) * STRIP - 1 {
            for x in 0..96 {
                let (whole, damaged) =
                    (whole.get_pixel(x, y as u32), damaged.get_pixel(x, y as u32));
                assert_eq!(whole, damaged, "{what}: strip {strip} at {x}, {y}");
            }
        }
    }
}

#[test]
fn after_damage_decoding_goes_on_at_the_next_restart_marker() {
    let whole = strips();
    let markers: Vec<usize> = (1..whole.len())
        .filter(|at| whole[at - 1] == 0xff && matches!(whole[*at], 0xd0..=0xd7))
        .collect();
    assert_eq!(markers.len(), 11);
    // Strip 5 begins after marker 4.
    let (start, end) = (markers[4] + 1, markers[5] - 1);
    let others = || (0..12).filter(|strip| *strip != 5);
    for at in (start..end).step_by(97) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        // A new marker would hide the rest of the file, in libjpeg too.
        if changed[at] != 0xff && changed[at - 1] != 0xff {
            assert_strips_equal(&changed, others(), &format!("bit {at}"));
        }
        let mut shorter = whole.clone();
        shorter.drain(at..(at + 20).min(end));
        if shorter[at - 1] != 0xff {
            assert_strips_equal(&shorter, others(), &format!("cut at {at}"));
        }
    }
    let mut missing = whole.clone();
    missing.drain(start - 2..end);
    assert_strips_equal(&missing, others(), "no strip 5 and no marker before it");
    let mut twice = whole.clone();
    twice.splice(end..end, whole[start..markers[5] + 1].iter().copied());
    // The second one is taken for strip 6.
    assert_strips_equal(&twice, others().filter(|strip| *strip != 6), "strip 5 twice");
}

#[test]
fn of_a_jpeg_that_is_cut_off_the_first_rows_are_used() {
    let whole = strips();
    let marker = (1..whole.len()).find(|at| whole[at - 1] == 0xff && whole[*at] == 0xd4);
    let cut = &whole[..marker.unwrap() + 1];
    assert_strips_equal(cut, 0..5, "cut");
    let photo = decoded(cut);
    assert!((100..192).all(|y| (0..96).all(|x| photo.get_pixel(x, y).0 == [128; 3])), "grey");
}

#[test]
fn of_a_multi_picture_jpeg_the_first_picture_is_read() {
    let picture = |size| {
        let form = Form::interleaved(size, &[(1, 1)]);
        encode(&form, content(&form)).0
    };
    let (first, second) = (picture((45, 37)), picture((64, 48)));
    // The index of pictures (CIPA DC-007): version, number, and 16 bytes on each picture.
    let mut index = b"II*\0\x08\0\0\0\x03\0".to_vec();
    index.extend(b"\x00\xb0\x07\0\x04\0\0\x000100\x01\xb0\x04\0\x01\0\0\0\x02\0\0\0");
    index.extend(b"\x02\xb0\x07\0\x20\0\0\0\x32\0\0\0\0\0\0\0");
    // SOI, the marker with its length, and `MPF` come before the index.
    let (before, length) = (2 + 4 + 4, 50 + 32);
    let size = |bytes: usize| (bytes as u32).to_le_bytes();
    let size_of_first = 8 + length + first.len();
    for (kind, length, offset) in
        [(0x2003_0000, size_of_first, 0), (0x0002_0002, second.len(), size_of_first - before)]
    {
        index.extend([size(kind), size(length), size(offset), [0; 4]].concat());
    }
    assert_eq!(index.len(), length);
    let marker = [&[0xff, 0xe2, 0, (2 + 4 + length) as u8], &b"MPF\0"[..], &index].concat();
    let file = [&first[..2], &marker, &first[2..], &second].concat();
    assert_eq!(file[size_of_first..][..2], [0xff, 0xd8]);
    assert!(decoded(&file) == decoded(&first));
    assert_eq!(decoded(&file).dimensions(), (45, 37));
}

#[test]
fn jpegs_that_are_not_read_are_named() {
    let (file, _) = encode(&Form::interleaved((16, 16), &[(1, 1)]), |_, _, _| 90.0);
    let frame = file.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    for (marker, precision, named) in [
        (0xc9, 8, "an arithmetic-coded JPEG"),
        (0xca, 8, "an arithmetic-coded JPEG"),
        (0xc3, 8, "a lossless JPEG"),
        (0xc1, 12, "a JPEG with 12 bits a value"),
        (0xc5, 8, "a hierarchical JPEG"),
    ] {
        let mut changed = file.clone();
        changed[frame + 1] = marker;
        changed[frame + 4] = precision;
        std::fs::write(&path, &changed).unwrap();
        let error = decode(&path).unwrap_err().to_string();
        let expected = format!("is {named}, which is not read; convert it to a usual JPEG or PNG");
        assert_eq!(error, expected);
    }
}

/// Frames of Motion JPEG films, and pictures of some webcams, have no Huffman tables.
#[test]
fn a_jpeg_without_huffman_tables_has_the_standard_ones() {
    for name in ["rgb.jpg", "grey.jpeg", "cmyk.jpg"] {
        let file = std::fs::read(fixture("formats").join(name)).unwrap();
        let mut without = file[..2].to_vec();
        let mut rest = &file[2..];
        while rest[1] != 0xda {
            let segment = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            if rest[1] != 0xc4 {
                without.extend(&rest[..segment]);
            }
            rest = &rest[segment..];
        }
        without.extend(rest);
        assert!(without.len() < file.len() - 200, "{name} had tables");
        assert_eq!(decoded(&without), decoded(&file), "{name}");
    }
}
