//! The report in windows of every width, with few and with many classes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::browser;
use crate::fixtures::{narrow, run_in, stdout};

/// A phone, a tablet and a monitor.
const WIDTHS: [u32; 3] = [390, 768, 1400];
/// Names that tempt a browser to break them badly: the first classes of every data set here.
const NAMES: [&str; 6] = [
    "cat",
    "dog",
    "Welsh springer spaniel",
    "a_name_of_forty_eight_letters_without_any_space",
    "Eastern-box-turtle",
    "Donaudampfschifffahrtsgesellschaft",
];

/// A folder with the report of a run on `classes` classes of random photos, most of them wrong.
fn report(classes: usize, each: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = 1_u32;
    for part in ["train", "val"] {
        for class in 0..classes {
            let name = NAMES.get(class).map_or(format!("class {class}"), ToString::to_string);
            let place = folder.path().join("photos").join(part).join(name);
            fs::create_dir_all(&place).unwrap();
            for index in 0..each {
                let photo = RgbImage::from_fn(24, 24, |_, _| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Red, the colour that once hid the maps.
                    Rgb([200 + (noise >> 27) as u8, (noise >> 26) as u8, (noise >> 28) as u8])
                });
                photo.save(place.join(format!("{index}.png"))).unwrap();
            }
        }
    }
    let args = ["train", "photos", "--out", "run", "--epochs", "2", "--quiet"].map(String::from);
    stdout(&run_in(folder.path(), args.into_iter().chain(narrow())));
    let page = folder.path().join("run/report.html");
    (folder, page)
}

/// Measures the page in a frame of each width.
fn measured(page: &Path, script: &str) -> Vec<(u32, Value)> {
    let Some(measured) = browser::measure(page, &WIDTHS, script) else { return Vec::new() };
    WIDTHS.into_iter().zip(measured).collect()
}

/// The width of the page's content, and all names of classes in the heads of rows: the letters and
/// the lines of each.
const FITS: &str = "
    const names = [...D.querySelectorAll('th[scope=row] bdi, td.name bdi')]
        .filter(name => name.getClientRects().length)
        .map(name => [name.textContent, name.getClientRects().length]);
    return { width: D.scrollingElement.scrollWidth, height: D.scrollingElement.scrollHeight, names };";

#[test]
fn the_page_fits_the_window_and_names_are_not_broken_letter_by_letter() {
    for (classes, each) in [(2, 6), (6, 6), (25, 2), (120, 1)] {
        let (_folder, page) = report(classes, each);
        for (width, page) in measured(&page, FITS) {
            assert_eq!(page["width"], width, "{classes} classes scroll sideways");
            let height = page["height"].as_u64().unwrap();
            assert!(height < 16_000, "{classes} classes at {width}: {height} pixels high");
            let names = page["names"].as_array().unwrap();
            assert!(names.len() >= classes.min(50), "{classes} classes: {}", names.len());
            for name in names {
                let (text, lines) = (name[0].as_str().unwrap(), name[1].as_u64().unwrap() as usize);
                let most = text.split(' ').count().max(text.len().div_ceil(8));
                assert!(lines <= most, "`{text}` takes {lines} lines at {width}");
            }
        }
    }
}

#[test]
fn cards_and_curves_use_the_width_that_there_is() {
    let (_folder, page) = report(6, 6);
    let script = "
        D.querySelectorAll('details').forEach(details => details.open = true);
        const box = element => element.getBoundingClientRect();
        const cards = [...D.querySelectorAll('.class-gallery .cards')]
            .map(cards => [...cards.children].map(card => [box(card).top, box(card).width]))
            .filter(cards => cards.length > 1);
        const curves = [...D.querySelectorAll('#curves svg')]
            .map(svg => [box(svg).top, box(svg).bottom, box(svg).width]);
        return { cards, curves };";
    for (width, page) in measured(&page, script) {
        let cards = page["cards"].as_array().unwrap();
        assert!(!cards.is_empty());
        for row in cards {
            assert_eq!(row[0][0], row[1][0], "two cards are side by side at {width}");
            assert!(row[0][1].as_f64().unwrap() >= 100.0, "{row} at {width}");
        }
        let curve = |index: usize, edge: usize| page["curves"][index][edge].as_f64().unwrap();
        assert_eq!(page["curves"].as_array().unwrap().len(), 2);
        assert!(curve(0, 2) >= 320.0, "a curve is {} pixels wide at {width}", curve(0, 2));
        match width {
            390 => assert!(curve(1, 0) >= curve(0, 1), "the curves are stacked"),
            1400 => assert_eq!(curve(0, 0), curve(1, 0), "the curves are side by side"),
            _ => {}
        }
    }
}

#[test]
fn a_confusion_matrix_of_six_classes_shows_the_shares_that_it_speaks_of() {
    let (_folder, page) = report(6, 6);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("The shares of a row add up to 100 %"));
    assert!(!html.contains("top-5"), "five of six classes are nearly all");
    let script = "
        const shown = [...D.querySelectorAll('#matrix .share')].filter(
            share => share.getClientRects().length);
        const heading = D.querySelector('#matrix thead th:last-child');
        return [shown.map(share => share.textContent), W.getComputedStyle(heading).writingMode];";
    for (width, matrix) in measured(&page, script) {
        let shares: Vec<f64> = matrix[0]
            .as_array()
            .unwrap()
            .iter()
            .map(|share| share.as_str().unwrap().trim_end_matches(" %").parse().unwrap())
            .collect();
        assert_eq!(shares.len(), 36, "at {width}");
        for row in shares.chunks(6) {
            assert!((row.iter().sum::<f64>() - 100.0).abs() < 0.5, "{row:?}");
        }
        if width == 1400 {
            assert_eq!(matrix[1], "horizontal-tb", "there is room");
        }
    }
    // Too many to show them: then the page does not speak of them.
    let (_folder, page) = report(25, 3);
    let html = fs::read_to_string(&page).unwrap();
    assert!(!html.contains("add up to 100 %") && html.contains("top-5 accuracy"));
}

#[test]
fn a_photo_has_one_card_and_every_reference_leads_to_it() {
    let (_folder, page) = report(6, 6);
    let html = fs::read_to_string(&page).unwrap();
    let values = |start: &str| -> Vec<String> {
        let parts = html.split(start).skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let paths = values("data-path=\"");
    let distinct: HashSet<&String> = paths.iter().collect();
    assert_eq!(paths.len(), distinct.len(), "each photo once");
    assert_eq!(paths.len(), 36, "every photo of so few");
    let (ids, references) = (values("id=\"photo-"), values("href=\"#photo-"));
    let ids: HashSet<&String> = ids.iter().collect();
    assert!(references.len() > 6, "{}", references.len());
    assert!(references.iter().all(|reference| ids.contains(reference)));
}

#[test]
fn a_box_without_a_script_hides_the_maps_and_shows_the_photos_in_colour() {
    let (_folder, page) = report(6, 6);
    assert!(!fs::read_to_string(&page).unwrap().contains("<script"));
    let script = "
        D.querySelectorAll('details').forEach(details => details.open = true);
        const look = () => [...D.querySelectorAll('#maps .map')].map(map => [
            W.getComputedStyle(map.querySelector('img:not(.overlay)')).filter,
            W.getComputedStyle(map.querySelector('.overlay')).display]);
        const before = look();
        D.querySelector('label[for=hide-maps]').click();
        return [before, look()];";
    for (_, looks) in measured(&page, script) {
        let all = |at: usize, filter: &str, display: &str| {
            let maps = looks[at].as_array().unwrap();
            assert!(maps.len() > 12, "{}", maps.len());
            assert!(maps.iter().all(|map| map[0] == filter && map[1] == display), "{maps:?}");
        };
        // The photo is grey, so that its colours are not taken for the map's.
        all(0, "grayscale(1)", "block");
        all(1, "none", "none");
    }
}
