//! The tables of docs/gpus.md are made from docs/gpus/*.json, files of `devices --test --report`.
//!
//! `KINDLING_UPDATE_DOCS=1 cargo test --release --test command_line gpus_table` writes them.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::reference::committed;

const BEGIN: &str = "<!-- made from docs/gpus/*.json: begin -->\n";
const END: &str = "<!-- made from docs/gpus/*.json: end -->";

#[test]
fn docs_gpus_md_has_the_numbers_of_its_files() {
    let page = committed("docs/gpus.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has a mark");
    let (_, after) = rest.split_once(END).expect("the page has a second mark");
    let made = format!("{before}{BEGIN}\n{}\n{END}{after}", tables(&files()));
    if std::env::var_os("KINDLING_UPDATE_DOCS").is_some() {
        fs::write(&page, made).unwrap();
    } else {
        assert_eq!(
            text, made,
            "docs/gpus.md differs from its files: \
             KINDLING_UPDATE_DOCS=1 cargo test --release --test command_line gpus_table"
        );
    }
}

#[test]
fn a_row_shows_what_its_file_says() {
    let speed = |photos_per_s: f64, cost: bool| {
        let mut speed = serde_json::json!({ "photos_per_s": photos_per_s, "trusted": true });
        if cost {
            speed["share_of_bandwidth"] = 0.123.into();
            speed["share_of_peak"] = 1.5.into();
        }
        speed
    };
    let forward = |photos: u64, own: Value, burn: Value| {
        serde_json::json!({
            "network": "resnet18", "precision": "f32", "photos": photos, "own": own, "burn": burn,
        })
    };
    let kernel =
        |worst: Value, trusted: bool| serde_json::json!({ "worst": worst, "trusted": trusted });
    let file = serde_json::json!({
        "format": 1, "kindling": "0.1.0", "kernels_version": 1, "date": "2026-01-02",
        "os": "linux", "arch": "x86_64", "threads": 2, "instructions": "AVX2",
        "adapters": [{
            "name": "A | B", "driver": "Vulkan x", "software": true,
            "kernels": [kernel(0.25.into(), true), kernel(Value::Null, false)],
            "roofline": { "copied_gb_per_s": 12.34, "peak_gflops": 1234.0 },
            "forwards": [
                forward(1, speed(5.126, true), speed(0.5, false)),
                forward(8, Value::Null, Value::Null),
            ],
        }],
    });
    let text = tables(&[("mine".into(), file)]);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("mine")).collect();
    assert_eq!(
        rows,
        [
            "| [mine](gpus/mine.json) | A \\| B; linux x86_64, 2 threads, AVX2 | Vulkan x | 1 of 2 \
             | no value | 12.3 | 1234 | 2026-01-02, 0.1.0, kernels 1 |",
            "| mine | resnet18, f32 | 1: 5.13 (0.5) | 8: failed (-) | - | - |",
        ],
        "{text}"
    );
}

/// The files by name, without their extension.
fn files() -> Vec<(String, Value)> {
    let mut files: Vec<(String, Value)> = fs::read_dir(committed("docs/gpus"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            assert_eq!(path.extension().unwrap(), "json", "{}", path.display());
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(content["format"], 1, "{name}");
            (name, content)
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}

/// Both tables, of the adapters and of the networks.
fn tables(files: &[(String, Value)]) -> String {
    let mut adapters = String::from(
        "| file | adapter | driver | kernels trusted | largest error, of its bound | GB/s copied | \
         GFLOP/s | measured |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut networks = String::from(
        "| file | network | one photo | a few | many | of the bandwidth | of the GFLOP/s |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, file) in files {
        for adapter in array(&file["adapters"]) {
            adapters.push_str(&adapter_row(name, file, adapter));
            let mut forwards = array(&adapter["forwards"]).iter().peekable();
            while let Some(first) = forwards.next() {
                let mut batches = vec![first];
                while let Some(next) = forwards.next_if(|next| is_same_network(next, first)) {
                    batches.push(next);
                }
                networks.push_str(&network_row(name, &batches));
            }
        }
    }
    format!("{adapters}\n{networks}")
}

fn is_same_network(one: &Value, other: &Value) -> bool {
    ["network", "precision"].iter().all(|field| one[field] == other[field])
}

fn adapter_row(name: &str, file: &Value, adapter: &Value) -> String {
    let kernels = array(&adapter["kernels"]);
    let trusted = kernels.iter().filter(|kernel| kernel["trusted"] == true).count();
    let worst = kernels.iter().map(|kernel| kernel["worst"].as_f64());
    let worst = worst.reduce(|one, other| Some(one?.max(other?))).flatten();
    let bound = |field: &str| rounded(adapter["roofline"][field].as_f64());
    let system = match adapter["software"] == true {
        true => format!(
            "; {} {}, {} threads, {}",
            word(&file["os"]),
            word(&file["arch"]),
            file["threads"],
            word(&file["instructions"])
        ),
        false => format!("; {} {}", word(&file["os"]), word(&file["arch"])),
    };
    format!(
        "| [{name}](gpus/{name}.json) | {}{system} | {} | {trusted} of {} | {} | {} | {} | {}, {}, \
         kernels {} |\n",
        word(&adapter["name"]),
        word(&adapter["driver"]),
        kernels.len(),
        worst.map_or_else(|| "no value".to_owned(), |worst| format!("{worst:.2}")),
        bound("copied_gb_per_s"),
        bound("peak_gflops"),
        word(&file["date"]),
        word(&file["kindling"]),
        file["kernels_version"],
    )
}

/// A row with a cell for each batch size, and the shares of the largest one.
fn network_row(name: &str, batches: &[&Value]) -> String {
    let mut row = format!(
        "| {name} | {}, {} |",
        word(&batches[0]["network"]),
        word(&batches[0]["precision"])
    );
    for batch in batches {
        let own = match batch["own"].is_null() {
            true => "failed".to_owned(),
            false => rounded(batch["own"]["photos_per_s"].as_f64()),
        };
        let wrong = if batch["own"]["trusted"] == false { " WRONG" } else { "" };
        let burn = rounded(batch["burn"]["photos_per_s"].as_f64());
        write!(row, " {}: {own}{wrong} ({burn}) |", batch["photos"]).unwrap();
    }
    let last = batches[batches.len() - 1];
    for share in ["share_of_bandwidth", "share_of_peak"] {
        let share = last["own"][share].as_f64();
        let share = share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        write!(row, " {share} |").unwrap();
    }
    row + "\n"
}

/// Three digits, or as many as stand before the point.
fn rounded(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A text in a cell of a table.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").replace('|', "\\|")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
