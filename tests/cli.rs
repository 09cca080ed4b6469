//! The command line as scripts call it: exit codes, reports, and what is left behind when something goes wrong.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{root, scratch};

/// Runs certpress in a scratch folder with keys of its own.
fn certpress(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certpress"))
        .args(args)
        .current_dir(folder)
        .env("CERTPRESS_KEYS", folder.join("keys"))
        .env_remove("CERTPRESS_CONFIG")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn report(folder: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(folder.join("out/report.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sample(name: &str) -> String {
    let found = std::fs::read_dir(root().join("samples/records")).unwrap().map(|e| e.unwrap().path());
    let path = found.into_iter().find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(name));
    path.unwrap_or_else(|| panic!("no sample {name}")).display().to_string()
}

#[test]
fn the_first_run_makes_keys_issues_and_reports() {
    let folder = scratch();
    let run = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("test keys"), "{}", text(&run.stderr));
    assert!(text(&run.stdout).starts_with("1 issued, 0 refused, 0 invalid, 0 failed"), "{}", text(&run.stdout));
    let lines = report(folder.path());
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["outcome"], "issued");
    assert!(lines[0]["qr"].as_str().unwrap().starts_with("https://zz.example.cn/v/"));
    for format in ["pdf", "ofd", "png", "svg"] {
        let file = &lines[0]["files"][format];
        let bytes = std::fs::read(folder.path().join("out").join(file["path"].as_str().unwrap())).unwrap();
        assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap(), "{format}");
    }
    let left = std::fs::read_dir(folder.path().join("out")).unwrap().count();
    assert_eq!(left, 5, "four files and the report, nothing else");
}

#[test]
fn a_rules_refusal_is_no_failure() {
    let folder = scratch();
    let run = certpress(folder.path(), &["issue", &sample("r09"), "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let lines = report(folder.path());
    assert_eq!(lines[0]["outcome"], "refused");
    assert_eq!(lines[0]["code"], "photo-missing");
    assert_eq!(lines[0]["message"], "缺少免冠证件照");
    assert!(!lines[0]["remedy"].as_str().unwrap().is_empty());
}

#[test]
fn an_invalid_record_does_not_stop_the_others() {
    let folder = scratch();
    std::fs::write(folder.path().join("bad.json"), "{\"licence_type\": \"constructor-1\", \"number\": 7").unwrap();
    let run = certpress(folder.path(), &["issue", "bad.json", &sample("r01"), "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    let lines = report(folder.path());
    assert_eq!(lines.iter().map(|l| l["outcome"].as_str().unwrap()).collect::<Vec<_>>(), ["invalid", "issued"]);
    assert!(lines[0]["message"].as_str().unwrap().contains("bad.json:1:"), "{}", lines[0]);
}

#[test]
fn an_unknown_type_names_the_nearest() {
    let folder = scratch();
    let record = std::fs::read_to_string(sample("r01")).unwrap().replace("\"constructor-1\"", "\"constructer-1\"");
    let at = Path::new(&sample("r01")).parent().unwrap().to_owned();
    for part in ["photos", "signatures"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
        for entry in std::fs::read_dir(at.join(part)).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
            std::fs::copy(&entry, folder.path().join(part).join(entry.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(folder.path().join("r.json"), record).unwrap();
    let run = certpress(folder.path(), &["issue", "r.json", "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(2));
    let message = report(folder.path())[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("constructer-1") && message.contains("did you mean `constructor-1`"), "{message}");
}

#[test]
fn one_number_twice_in_a_batch_is_refused_the_second_time() {
    let folder = scratch();
    let run = certpress(folder.path(), &["issue", &sample("r01"), &sample("r01"), "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(2));
    let lines = report(folder.path());
    assert_eq!(lines[1]["outcome"], "invalid");
    assert!(lines[1]["message"].as_str().unwrap().contains("already issued in this batch"), "{}", lines[1]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_said_so() {
    let folder = scratch();
    std::fs::write(folder.path().join("out"), "a file, no folder").unwrap();
    let run = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("out: cannot be written"), "{}", text(&run.stderr));
}

/// A file system of 256 KB stands for the disk that fills. Needs the right to mount; says so when it has none.
#[cfg(target_os = "linux")]
#[test]
fn a_signer_that_cannot_sign_is_refused_before_anything_is_written() {
    let folder = scratch();
    let refused = |args: &[&str]| {
        let run = certpress(folder.path(), &[&["issue", &sample("r01"), "--out", "out"], args].concat());
        assert_eq!(run.status.code(), Some(1));
        assert!(!folder.path().join("out").exists());
        text(&run.stderr)
    };
    assert!(refused(&["--pdf-signer", "signer-expired"]).contains("TEST Expired Signer"));
    assert!(refused(&["--pdf-signer", "signer-p265"]).contains("signer-p256"));
    std::fs::write(folder.path().join("c.toml"), "mode = \"production\"\n").unwrap();
    let production = refused(&["--config", "c.toml"]);
    assert!(production.contains("mode = \"production\", but the statement key is a test key"), "{production}");
}

#[test]
fn a_full_disk_leaves_no_half_file_and_the_rest_is_reported() {
    let folder = scratch();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&out).output();
    if !mount.is_ok_and(|m| m.status.success()) {
        println!("skipped: a small file system cannot be mounted here");
        return;
    }
    let run =
        certpress(folder.path(), &["issue", root().join("samples/records").to_str().unwrap(), "--out", "out", "--formats", "pdf,ofd"]);
    let files: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().path()).collect();
    let whole = files.iter().filter(|f| f.extension().is_some_and(|e| e == "pdf")).all(|f| std::fs::read(f).unwrap().ends_with(b"%%EOF"));
    let leftovers = files.iter().filter(|f| f.extension().is_some_and(|e| e == "part")).count();
    Command::new("umount").arg(&out).status().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(whole, "a half-written file under its final name");
    assert_eq!(leftovers, 0, "temporary files left behind");
    let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
    assert!(said.contains("cannot be written") && said.to_lowercase().contains("space"), "{said}");
}

#[test]
fn help_shows_examples() {
    let folder = scratch();
    for command in [&["--help"][..], &["issue", "--help"], &["verify", "--help"], &["keys", "--help"], &["layout", "--help"]] {
        let run = certpress(folder.path(), command);
        assert!(run.status.success());
        assert!(text(&run.stdout).contains("certpress "), "{command:?}");
    }
}
