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

/// A copy of sample r01 with some texts replaced, and the pictures that it may name beside it.
fn changed_sample(folder: &Path, name: &str, changes: &[(&str, &str)]) -> String {
    let mut record = std::fs::read_to_string(sample("r01")).unwrap();
    for (from, to) in changes {
        assert!(record.contains(from), "{from}");
        record = record.replace(from, to);
    }
    for part in ["photos", "signatures"] {
        copy_folder(&root().join("samples/records").join(part), &folder.join(part));
    }
    std::fs::write(folder.join(name), record).unwrap();
    name.to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    if to.exists() {
        return;
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|e| e.unwrap().path()) {
        let copy = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy_folder(&entry, &copy);
        } else {
            std::fs::copy(&entry, copy).unwrap();
        }
    }
}

/// The files of a folder that end in `.<ending>`.
fn files_of(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files.filter(|f| f.extension().is_some_and(|e| e == ending)).collect()
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
    let record = changed_sample(folder.path(), "r.json", &[("\"constructor-1\"", "\"constructer-1\"")]);
    let run = certpress(folder.path(), &["issue", &record, "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(2));
    let message = report(folder.path())[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("constructer-1") && message.contains("did you mean `constructor-1`"), "{message}");
}

#[test]
fn bad_pictures_and_texts_are_named_and_the_good_ones_still_issued() {
    let folder = scratch();
    let long = "王".repeat(10_000);
    let unbroken = "W".repeat(100);
    let cases = [
        ("photos/p01.jpg", "photos/nobody.jpg", "holder.photo: `photos/nobody.jpg` is not there"),
        ("photos/p01.jpg", "photos/hard/text.jpg", "is a text file, not a JPEG or PNG picture"),
        ("photos/p01.jpg", "photos/hard/huge.png", "has 30000 × 30000 pixels"),
        ("photos/p01.jpg", "photos/hard/truncated.jpg", "ends in the middle of the picture"),
        ("王䶮", "王\\u0007䶮", "holder.name: "),
        ("王䶮", "王\\u202e䶮", "holder.name: "),
        ("王䶮", &long, "holder.name: "),
        ("王䶮", &unbroken, "does not fit its box"),
        ("photos/p01.jpg", "photos/hard/cmyk.jpg", ""),
        ("photos/p01.jpg", "photos/hard/exif6.jpg", ""),
    ];
    for (i, (from, to, _)) in cases.iter().enumerate() {
        let number = format!("京11120122019900{:02}", 10 + i);
        changed_sample(folder.path(), &format!("{i}.json"), &[(from, to), ("京1112012201990001", &number)]);
    }
    let files: Vec<_> = (0..cases.len()).map(|i| format!("{i}.json")).collect();
    let arguments: Vec<_> = ["issue", "--out", "out", "--formats", "pdf"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let run = certpress(folder.path(), &arguments);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    for ((_, to, expected), line) in cases.iter().zip(report(folder.path())) {
        let message = line["message"].as_str().unwrap_or_default();
        assert_eq!(line["outcome"], if expected.is_empty() { "issued" } else { "invalid" }, "{to}: {message}");
        assert!(message.contains(expected) && message.len() < 1000, "{message}");
    }
    assert_eq!(files_of(&folder.path().join("out"), "pdf").len(), 2);
}

#[test]
fn a_layout_with_an_unknown_key_is_refused_with_its_place() {
    let folder = scratch();
    copy_folder(&root().join("layouts"), &folder.path().join("layouts"));
    let layout = folder.path().join("layouts/constructor-1.toml");
    let good = std::fs::read_to_string(&layout).unwrap();
    std::fs::write(&layout, good.replacen("age_limit", "age_limt", 1)).unwrap();
    let line = good.lines().position(|l| l.starts_with("age_limit")).unwrap() + 1;
    let run = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out", "--layouts", "layouts"]);
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("layouts/constructor-1.toml:{line}:1: ")) && said.contains("did you mean `age_limit`"), "{said}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_font_that_a_folder_names_but_lacks_is_named() {
    let folder = scratch();
    std::fs::create_dir(folder.path().join("fonts")).unwrap();
    std::fs::copy(root().join("fonts/fonts.toml"), folder.path().join("fonts/fonts.toml")).unwrap();
    let run = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out", "--fonts", "fonts"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("fonts/Hei.ttf: cannot be read"), "{}", text(&run.stderr));
    assert!(!folder.path().join("out").exists());
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
fn an_archive_holds_what_a_folder_would() {
    let folder = scratch();
    let issue = |out: &str| {
        let (one, two) = (sample("r01"), sample("r08"));
        certpress(folder.path(), &["issue", &one, &two, "--out", out, "--formats", "pdf", "--as-of", "2026-03-02T09:00:00+08:00"])
    };
    assert_eq!(issue("out").status.code(), Some(0));
    let expected = ["京1112012201990001.pdf", "report.jsonl"].map(|name| std::fs::read(folder.path().join("out").join(name)).unwrap());
    assert_eq!(issue("out.zip").status.code(), Some(0));
    let mut zip = zip::ZipArchive::new(std::fs::File::open(folder.path().join("out.zip")).unwrap()).unwrap();
    for (index, expected) in expected.iter().enumerate() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut zip.by_index(index).unwrap(), &mut bytes).unwrap();
        assert!(bytes == *expected, "entry {index}");
    }
    assert_eq!(issue("out.tar").status.code(), Some(0));
    let run = issue("-");
    assert!(run.stdout == std::fs::read(folder.path().join("out.tar")).unwrap(), "the same to a file and to a pipe");
    assert!(text(&run.stderr).contains("1 issued, 1 refused"), "{}", text(&run.stderr));
    assert!(files_of(folder.path(), "part").is_empty());
    let resumed = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out.tar", "--resume"]);
    assert!(text(&resumed.stderr).contains("only a folder can be resumed"), "{}", text(&resumed.stderr));
}

#[test]
fn a_run_with_other_records_is_not_resumed() {
    let folder = scratch();
    let issue = |sample: &str| certpress(folder.path(), &["issue", sample, "--out", "out", "--formats", "txt", "--resume"]);
    assert_eq!(issue(&sample("r01")).status.code(), Some(0));
    assert_eq!(issue(&sample("r01")).status.code(), Some(0), "the same again is nothing");
    let other = issue(&sample("r02"));
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("give the same records"), "{}", text(&other.stderr));
}

#[test]
fn an_output_folder_that_cannot_be_written_is_said_so() {
    let folder = scratch();
    std::fs::write(folder.path().join("out"), "a file, no folder").unwrap();
    let run = certpress(folder.path(), &["issue", &sample("r01"), "--out", "out"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("out: cannot be written"), "{}", text(&run.stderr));
}

#[test]
fn a_file_that_cannot_take_its_name_fails_alone() {
    let folder = scratch();
    std::fs::create_dir_all(folder.path().join("out/京1112012201990001.pdf/in the way")).unwrap();
    let run = certpress(folder.path(), &["issue", &sample("r01"), &sample("r02"), "--out", "out", "--formats", "pdf"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let lines = report(folder.path());
    assert_eq!(lines.iter().map(|l| l["outcome"].as_str().unwrap()).collect::<Vec<_>>(), ["failed", "issued"]);
    assert!(lines[0]["message"].as_str().unwrap().contains("京1112012201990001.pdf: cannot be written"), "{}", lines[0]);
    assert_eq!(files_of(&folder.path().join("out"), "part").len(), 0, "temporary files left behind");
}

/// A limit on the size of a file makes writing fail in the middle, as a full disk does, but leaves room for the report.
#[cfg(unix)]
#[test]
fn writing_that_fails_in_the_middle_leaves_no_half_file_and_a_whole_report() {
    let folder = scratch();
    let command = "trap '' XFSZ; ulimit -f 40; exec \"$0\" issue \"$1\" --out out --formats pdf,txt";
    let run = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_certpress")])
        .arg(root().join("samples/records"))
        .current_dir(folder.path())
        .env("CERTPRESS_KEYS", folder.path().join("keys"))
        .env_remove("CERTPRESS_CONFIG")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{}{}", text(&run.stdout), text(&run.stderr));
    let out = folder.path().join("out");
    for ending in ["pdf", "part"] {
        assert_eq!(files_of(&out, ending).len(), 0, "*.{ending}");
    }
    let lines = report(folder.path());
    let samples = files_of(&root().join("samples/records"), "json").len();
    assert_eq!(lines.len(), samples, "the rest of the batch is reported");
    for line in lines {
        let message = line["message"].as_str().unwrap_or_default();
        assert!(line["outcome"] == "refused" || line["outcome"] == "failed" && message.contains("cannot be written"), "{line}");
    }
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
    let whole = files_of(&out, "pdf").iter().all(|f| std::fs::read(f).unwrap().ends_with(b"%%EOF"))
        && files_of(&out, "ofd").iter().all(|f| zip::ZipArchive::new(std::fs::File::open(f).unwrap()).is_ok());
    // The report of an interrupted run stays, for the one that goes on with it.
    let leftovers: Vec<_> = files_of(&out, "part").into_iter().filter(|part| !part.ends_with("report.jsonl.part")).collect();
    Command::new("umount").arg(&out).status().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(whole, "a half-written file under its final name");
    assert!(leftovers.is_empty(), "temporary files left behind: {leftovers:?}");
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

/// What `certpress serve` says when it refuses to start.
fn refused(folder: &Path, settings: &str, args: &[&str]) -> String {
    std::fs::write(folder.join("certpress.toml"), settings).unwrap();
    let fixed = ["serve", "--config", "certpress.toml", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let run = certpress(folder, &[&fixed, args].concat());
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stdout));
    text(&run.stderr)
}

#[test]
fn a_service_that_would_be_dangerous_does_not_start() {
    let folder = scratch();
    certpress(folder.path(), &["keys", "init"]);
    let openid = "[service.openid]\nissuer = \"https://p\"\naudience = \"c\"\njwks = \"http://p/keys\"\n";
    let production = format!("mode = \"production\"\n{openid}");
    for (settings, args, said) in [
        ("", &[][..], "nobody could log in"),
        ("mode = \"production\"", &["--demo"], "leave one of them out"),
        (&production, &[], "the statement key is a test key"),
        (openid, &[], "there is no register here"),
        (openid, &["--database", "mysql://x"], "is no register"),
    ] {
        let told = refused(folder.path(), settings, args);
        assert!(told.contains(said), "{told}");
    }
    std::fs::write(folder.path().join("keys/private/salt.hex"), "00".repeat(32)).unwrap();
    std::fs::set_permissions(folder.path().join("keys/private/salt.hex"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(refused(folder.path(), "", &["--demo"]).contains("chmod 600"));
}

#[test]
fn a_register_has_one_server_and_no_time_before_its_last_entry() {
    use certpress::store::{Access, Act, Store};
    let folder = scratch();
    let later = "2099-01-01T00:00:00Z".parse().unwrap();
    let (keyring, _) = certpress::sign::Keyring::open_or_init(&folder.path().join("keys"), later).unwrap();
    let data = folder.path().join("data").display().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async {
        let store = Store::open(&data, Access::Write { create: true, index_key: *keyring.salt }).await.unwrap();
        store.audit_look(&Act::new("somebody", later), "look.test", "nothing").await.unwrap();
        store
    });
    assert!(refused(folder.path(), "", &["--demo"]).contains("another server has this register open"));
    runtime.block_on(store.close());
    drop(store);
    assert!(refused(folder.path(), "", &["--demo"]).contains("set the clock"));
}

#[test]
fn what_was_imported_can_be_backed_up_restored_and_checked() {
    let folder = scratch();
    let run = |args: &[&str]| {
        let run = certpress(folder.path(), args);
        (run.status.code(), text(&run.stdout))
    };
    let samples = root().join("samples/records").display().to_string();
    let (code, told) = run(&["import", &samples, "--create"]);
    assert_eq!((code, told.as_str()), (Some(0), "32 new, 0 changed, 0 as before, 0 not taken\n"));
    assert_eq!(run(&["import", &samples]).1, "0 new, 0 changed, 32 as before, 0 not taken\n");
    assert_eq!(run(&["backup", "copy.db"]).0, Some(0));
    assert_eq!(run(&["backup", "copy.db"]).0, Some(1), "a backup is never overwritten");
    let (_, told) = run(&["reissue", "--query", "licence_type=constructor-1", "--reason", "印章更换"]);
    assert!(told.contains(" reissued, "), "{told}");
    let entries = |told: &str| serde_json::from_str::<Value>(told).unwrap()["entries"].as_u64().unwrap();
    let now = entries(&run(&["audit", "verify"]).1);
    assert_eq!(run(&["restore", "copy.db", "--data", "before"]).0, Some(0));
    let before = run(&["audit", "verify", "--data", "before"]);
    assert_eq!(before.0, Some(0));
    assert!(entries(&before.1) < now);
}
