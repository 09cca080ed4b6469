//! The walls of the house: a room of `src/` uses only rooms that stand below it (ARCHITECTURE.md shows the floors).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the top down. Rooms of one floor may use one another.
const FLOORS: [&[&str]; 12] = [
    &["main", "cli"],
    &["http"],
    &["issue"],
    &["verify"],
    &["store"],
    &["form"],
    &["qr", "statement"],
    &["layout", "render", "font", "page"],
    &["annotation"],
    &["record"],
    &["sign"],
    &["config", "clock", "deflate"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// `cli` for `src/cli/issue.rs`, `page` for `src/page.rs`.
fn room_of(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The rooms that a file names by `crate::room` or `certpress::room`, with the line.
fn named_rooms(text: &str) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap();
        for prefix in ["crate::", "certpress::"] {
            for (at, _) in code.match_indices(prefix) {
                let rest = &code[at + prefix.len()..];
                let names: Vec<&str> = match rest.strip_prefix('{') {
                    Some(group) => {
                        group.split('}').next().unwrap().split(',').map(|part| part.trim().split("::").next().unwrap()).collect()
                    }
                    None => vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()],
                };
                rooms.extend(names.into_iter().filter(|n| !n.is_empty()).map(|n| (number + 1, n.to_owned())));
            }
        }
    }
    rooms
}

#[test]
fn no_room_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    let mut breaches = Vec::new();
    for file in &files {
        let room = room_of(&src, file);
        if room == "lib" {
            continue;
        }
        let own = floor(&room).unwrap_or_else(|| panic!("{} is a room that FLOORS does not place", file.display()));
        for (line, other) in named_rooms(&fs::read_to_string(file).unwrap()) {
            if floor(&other).is_some_and(|other_floor| other_floor < own) {
                breaches.push(format!("{}:{line}: `{room}` uses `{other}`, which stands above it", file.display()));
            }
        }
    }
    assert!(!files.is_empty());
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let silent: Vec<_> = files.iter().filter(|f| !fs::read_to_string(f).unwrap().starts_with("//! ")).collect();
    assert!(silent.is_empty(), "these start without a //! sentence: {silent:?}");
}

#[test]
fn the_wall_test_sees_upward_paths() {
    assert_eq!(named_rooms("use crate::{issue::Line, page}; // crate::verify"), [(1, "issue".into()), (1, "page".into())]);
    assert_eq!(named_rooms("fn f(x: crate::render::Format) {}"), [(1, "render".into())]);
    assert!(floor("issue") < floor("record"));
}
