//! Lists the fonts, layouts and sample records that are compiled into the binary, so that a new one is a new file and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (folder, wanted) in [
        ("fonts", &["ttf", "toml"][..]),
        ("layouts", &["toml", "svg"][..]),
        ("layouts/forms", &["toml", "docx"][..]),
        ("samples/records", &["json", "jpg", "png"][..]),
    ] {
        println!("cargo:rerun-if-changed={folder}");
        let mut files = Vec::new();
        collect(&root.join(folder), wanted, &mut files);
        if folder == "layouts" {
            // The definitions of Word forms have a list of their own: they are no licence types.
            files.retain(|file| !file.starts_with(root.join("layouts/forms")));
        }
        files.sort();
        let mut list = String::from("&[\n");
        for file in files {
            let name = file.strip_prefix(root.join(folder)).expect("below the folder").to_str().expect("UTF-8 names");
            let name = name.replace('\\', "/");
            writeln!(list, "    ({name:?}, include_bytes!({:?})),", file.display().to_string()).expect("a string takes it");
        }
        list.push_str("]\n");
        let name = folder.rsplit('/').next().expect("a folder has a name");
        std::fs::write(out.join(format!("{name}.rs")), list).expect("OUT_DIR is writable");
    }
}

fn collect(folder: &Path, wanted: &[&str], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, wanted, files);
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| wanted.contains(&e)) {
            files.push(path);
        }
    }
}
