//! The package of a Word document: opened with suspicion, written with everything untouched byte for byte.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::Fault;
use super::xml::Tree;

const MAX_FILE: usize = 10 << 20;
const MAX_ENTRIES: usize = 300;
const MAX_UNPACKED: u64 = 40 << 20;

/// Field codes that only look at the document itself (ECMA-376 part 1, 17.16.5). All others can reach files, other
/// documents or the clock.
const HARMLESS_CODES: [&str; 11] =
    ["PAGE", "NUMPAGES", "SECTIONPAGES", "SECTION", "SEQ", "STYLEREF", "REF", "PAGEREF", "FORMTEXT", "FORMCHECKBOX", "FORMDROPDOWN"];

/// A template's package.
pub struct Package {
    archive: ZipArchive<Cursor<Arc<[u8]>>>,
    /// The XML parts, by name.
    parts: BTreeMap<String, String>,
    /// The main part, usually `word/document.xml`.
    main: String,
    /// Headers and footers.
    margins: Vec<String>,
}

impl Package {
    /// Opens a package. Everything that is wrong or dangerous is listed, in words for a clerk.
    pub fn open(file: &str, bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let refuse = |message: &str| vec![Fault::new(file.to_owned(), message.to_owned())];
        if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Err(refuse("这是旧的 .doc 文件或加了密码的文件：请在 Word 中取消密码，并另存为 .docx"));
        }
        if bytes.len() > MAX_FILE {
            return Err(refuse(&format!("文件超过 {} MB", MAX_FILE >> 20)));
        }
        let mut archive = ZipArchive::new(Cursor::new(Arc::from(bytes)))
            .map_err(|e| refuse(&format!("不是 .docx 文件（{e}）：请在 Word 中另存为 .docx")))?;
        if archive.len() > MAX_ENTRIES {
            return Err(refuse(&format!("压缩包内的文件超过 {MAX_ENTRIES} 个")));
        }
        let mut faults = Vec::new();
        let mut parts = BTreeMap::new();
        let mut unpacked = 0;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|e| refuse(&format!("压缩包损坏（{e}）")))?;
            let name = entry.name().map_err(|e| refuse(&format!("压缩包损坏（{e}）")))?.into_owned();
            let place = || format!("{file} 内的 {name}");
            if let Some(danger) = dangerous_name(&name) {
                faults.push(Fault::new(place(), danger.to_owned()));
                continue;
            }
            // The size in the directory may lie, so the reading itself is bounded.
            let mut content = Vec::new();
            let read = entry.by_ref().take(MAX_UNPACKED - unpacked + 1).read_to_end(&mut content);
            read.map_err(|e| vec![Fault::new(place(), format!("压缩包损坏（{e}）"))])?;
            unpacked += content.len() as u64;
            if unpacked > MAX_UNPACKED {
                return Err(refuse(&format!("解压后超过 {} MB，疑似压缩炸弹", MAX_UNPACKED >> 20)));
            }
            let lower = name.to_ascii_lowercase();
            // Not the extension: a path's `.rels` has none.
            if [".xml", ".rels"].iter().any(|end| lower.ends_with(end)) {
                match String::from_utf8(content) {
                    Ok(text) => drop(parts.insert(name, text)),
                    Err(_) => faults.push(Fault::new(place(), "不是 UTF-8 编码，请在 Word 中另存一次".to_owned())),
                }
            }
        }
        let mut package = Self { archive, parts, main: String::new(), margins: Vec::new() };
        faults.extend(package.inspect(file));
        if faults.is_empty() { Ok(package) } else { Err(faults) }
    }

    /// The parts that may hold fields, the main part first.
    pub fn story_parts(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::once(&self.main).chain(&self.margins).filter_map(|name| Some((name.as_str(), self.parts.get(name)?.as_str())))
    }

    /// An XML part.
    pub fn part(&self, name: &str) -> Option<&str> {
        self.parts.get(name).map(String::as_str)
    }

    /// Writes the package with some parts changed and some added, in that order after the old ones.
    pub fn write(&self, changed: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, zip::result::ZipError> {
        let mut archive = self.archive.clone();
        let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(64 << 10)));
        let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(4));
        let mut old = std::collections::BTreeSet::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index)?;
            let name = entry.name()?.into_owned();
            if let Some(content) = changed.get(&name) {
                drop(entry);
                writer.start_file(name.as_str(), deflated)?;
                writer.write_all(content)?;
            } else {
                writer.raw_copy_file(entry)?;
            }
            old.insert(name);
        }
        for (name, content) in changed.iter().filter(|(name, _)| !old.contains(*name)) {
            // Pictures are compressed already.
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            writer.start_file(name.as_str(), if name.contains("/media/") { stored } else { deflated })?;
            writer.write_all(content)?;
        }
        Ok(writer.finish()?.into_inner())
    }

    fn inspect(&mut self, file: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut relations = Vec::new();
        for (name, text) in &self.parts {
            let is_relations = name.contains("_rels/");
            let place = format!("{file} 内的 {name}");
            let tree = match Tree::parse(text) {
                Ok(tree) => tree,
                Err(message) => {
                    faults.push(Fault::new(place, message));
                    continue;
                }
            };
            if is_relations {
                for id in tree.ids().filter(|&id| tree.name(id).ends_with("Relationship")) {
                    let (kind, target) = (tree.value(id, "Type").unwrap_or_default(), tree.value(id, "Target").unwrap_or_default());
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    if let Some(danger) = dangerous_relation(&kind, &target, tree.value(id, "TargetMode").as_deref()) {
                        faults.push(Fault::new(place.clone(), danger));
                    }
                    relations.push((name.clone(), kind, target));
                }
            } else if name == "[Content_Types].xml" {
                if text.contains("macroEnabled") {
                    faults.push(Fault::new(place, "是启用宏的文件：请另存为不含宏的 .docx".to_owned()));
                }
            } else {
                faults.extend(dangerous_codes(&tree).into_iter().map(|message| Fault::new(place.clone(), message)));
            }
        }
        match relations.iter().find(|(name, kind, _)| name == "_rels/.rels" && kind == "officeDocument") {
            Some((_, _, target)) => target.trim_start_matches('/').clone_into(&mut self.main),
            None => faults.push(Fault::new(file.to_owned(), "不是 Word 文档（没有正文部分）".to_owned())),
        }
        let body = self.parts.get(&self.main).map_or("", String::as_str);
        if faults.is_empty() && !body.contains("<w:document") {
            faults.push(Fault::new(file.to_owned(), "不是 Word 文档（正文不是 WordprocessingML）".to_owned()));
        }
        let (folder, own) = relations_of(&self.main);
        let margins = relations.iter().filter(|(name, kind, _)| *name == own && matches!(kind.as_str(), "header" | "footer"));
        self.margins = margins.map(|(_, _, target)| resolve(folder, target)).collect();
        self.margins.sort();
        faults
    }
}

/// The folder of a part and the name of its relationships part.
pub fn relations_of(part: &str) -> (&str, String) {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    (folder, if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") })
}

fn resolve(folder: &str, target: &str) -> String {
    target.strip_prefix('/').map_or_else(|| format!("{folder}/{target}"), str::to_owned)
}

fn dangerous_name(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let leaves = name.starts_with('/') || name.contains('\\') || name.contains(':') || name.split('/').any(|step| step == "..");
    match () {
        () if leaves => Some("路径不安全"),
        () if lower.contains("vba") && lower.contains(".bin") => Some("含有宏，不接受：请另存为不含宏的 .docx"),
        () if lower.contains("/activex/") || lower.contains("/embeddings/") => Some("含有嵌入对象或控件，不接受：请删除后再存"),
        () => None,
    }
}

fn dangerous_relation(kind: &str, target: &str, mode: Option<&str>) -> Option<String> {
    let elsewhere = target.contains("://") || target.starts_with("\\\\") || target.to_ascii_lowercase().starts_with("file:");
    match kind {
        "aFChunk" | "subDocument" | "oleObject" | "control" | "package" | "vbaProject" | "attachedTemplate" | "frame" => {
            Some(format!("引用了外部内容或嵌入对象（{kind}），不接受：请删除后再存"))
        }
        _ if mode.is_some_and(|m| m.eq_ignore_ascii_case("External")) || elsewhere => {
            let what = if kind == "image" { "外部图片" } else { "外部链接" };
            let shown: String = target.chars().take(60).collect();
            Some(format!("含有{what}“{shown}”，不接受：请改为插入到文档中或删除"))
        }
        _ => None,
    }
}

/// Field codes that reach outside the document, whole even when Word has split them over runs.
fn dangerous_codes(tree: &Tree) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for id in tree.ids() {
        match tree.name(id) {
            "w:fldSimple" => codes.extend(tree.value(id, "w:instr")),
            "w:instrText" => match open.last_mut() {
                Some(code) => code.push_str(tree.raw(&tree.at(id).inner)),
                None => codes.push(tree.raw(&tree.at(id).inner).to_owned()),
            },
            "w:fldChar" => match tree.value(id, "w:fldCharType").as_deref() {
                Some("begin") => open.push(String::new()),
                Some("end") => codes.extend(open.pop()),
                _ => {}
            },
            _ => {}
        }
    }
    codes.append(&mut open);
    let word = |code: &String| code.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let dangerous = codes.iter().map(word).filter(|w| !w.is_empty() && !HARMLESS_CODES.contains(&w.as_str()));
    dangerous.map(|w| format!("含有域代码 {w}，不接受（只允许页码等）：请选中后按 Ctrl+Shift+F9 变成普通文字")).collect()
}
