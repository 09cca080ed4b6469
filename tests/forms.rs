//! Every form, blank, filled and overfull: the files are left in the test folder for the outside readers.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use certpress::form::{Form, Request, embedded, write_sheet};
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

const TODAY: jiff::civil::Date = jiff::civil::date(2024, 5, 20);

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/forms")
}

fn out() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forms");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sample(name: &str) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(samples().join(format!("{name}.json"))).unwrap()).unwrap()
}

fn fill(form: &Form, data: &Map<String, Value>) -> Vec<u8> {
    let folder = samples();
    let request = Request { data, record: None, pictures: Some(&folder), today: TODAY, rules: None, draft: false };
    form.fill(&request).unwrap_or_else(|error| panic!("{}: {error}", form.id))
}

#[test]
fn every_form_is_sound_and_fills() {
    for (id, title) in embedded() {
        assert!(!title.is_empty(), "{id}");
        let form = Form::embedded(id).unwrap_or_else(|error| panic!("{id}: {error}"));
        if form.definition.sheet {
            continue;
        }
        let mut written = vec![("blank", form.blank(TODAY).unwrap())];
        for (kind, name) in [("ordinary", id.to_owned()), ("full", format!("{id}-full"))] {
            let data = sample(&name);
            let document = fill(&form, &data);
            assert!(document == fill(&form, &data), "{id}: the same data gave other bytes");
            written.push((kind, document));
        }
        for (kind, document) in written {
            fs::write(out().join(format!("{id}.{kind}.docx")), document).unwrap();
        }
    }
}

/// A document around some body, with one more part that no field stands in.
fn package(body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let document = format!(
        r#"<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"><w:body>{body}</w:body></w:document>"#
    );
    let mut parts = vec![
        (
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#,
        ),
        (
            "_rels/.rels",
            r#"<Relationships><Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#,
        ),
        ("word/document.xml", document.as_str()),
        ("word/styles.xml", "<w:styles xmlns:w='x'>  <!-- kept -->\r\n</w:styles>"),
    ];
    parts.extend_from_slice(more);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

const DEFINITION: &str = "title = '表'
[fields]
'姓名' = { required = true }
'类型' = { options = ['甲', '乙'] }
[lists.'行']
least = 1
most = 5
[lists.'行'.fields]
'名' = {}
'号' = { compute = 'row' }
[blocks]
'丙' = { when = '类型=甲' }
";
const ROWS: &str = "<w:tbl><w:tr><w:tc><w:p w14:paraId=\"A1\"><w:r><w:t>{{行.号}} {{行.名}}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";

fn data(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn made(body: &str, value: Value) -> String {
    let form = Form::parse("t", DEFINITION, Some(&package(body, &[]))).unwrap();
    part(&fill(&form, &data(value)), "word/document.xml")
}

fn faults(body: &str, more: &[(&str, &str)]) -> String {
    let found = Form::parse("t", DEFINITION, Some(&package(body, more))).err().expect("refused");
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn full(body: &str) -> String {
    format!("{body}<w:p><w:r><w:t>{{{{姓名}}}}</w:t></w:r></w:p>{ROWS}")
}

#[test]
fn a_field_split_over_runs_is_filled_and_looks_like_its_first_run() {
    let body = "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>致{{姓</w:t></w:r><w:proofErr/><w:r><w:t> 名</w:t></w:r><w:r><w:t>}}先生｛｛类型｝｝</w:t></w:r></w:p>";
    let document = made(&format!("{body}{ROWS}"), json!({"姓名": "王·<五>]]>&{{类型}}", "类型": "乙"}));
    assert!(
        document.contains("<w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\">致王·&lt;五&gt;]]&gt;&amp;{{类型}}</w:t></w:r><w:proofErr/><w:r><w:t xml:space=\"preserve\"></w:t></w:r><w:r><w:t xml:space=\"preserve\">先生乙</w:t>"),
        "{document}"
    );
}

#[test]
fn lines_and_tabs_of_a_value_become_breaks() {
    let document = made(&full(""), json!({"姓名": "一\r\n二\t三"}));
    assert!(
        document.contains("一</w:t><w:br/><w:t xml:space=\"preserve\">二</w:t><w:tab/><w:t xml:space=\"preserve\">三</w:t>"),
        "{document}"
    );
}

#[test]
fn rows_repeat_and_ids_do_not() {
    let document = made(&full(""), json!({"姓名": "王", "行": [{"名": "一"}, {"名": "二"}, {"名": "三"}]}));
    for text in ["1 一", "2 二", "3 三"] {
        assert_eq!(document.matches(text).count(), 1, "{document}");
    }
    assert_eq!(document.matches("<w:tr>").count(), 3);
    assert_eq!(document.matches("paraId").count(), 1);
}

#[test]
fn optional_parts_by_marker_and_by_control() {
    let marked = "<w:p><w:r><w:t>{{#丙}}</w:t></w:r></w:p><w:p><w:r><w:t>承诺</w:t></w:r></w:p><w:p><w:r><w:t>{{/丙}}</w:t></w:r></w:p>";
    let control =
        "<w:sdt><w:sdtPr><w:tag w:val=\"丙\"/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>承诺</w:t></w:r></w:p></w:sdtContent></w:sdt>";
    for body in [marked, control] {
        let shown = made(&full(body), json!({"姓名": "王", "类型": "甲"}));
        assert!(shown.contains("承诺") && !shown.contains('#') && !shown.contains("{{"), "{shown}");
        let hidden = made(&full(body), json!({"姓名": "王", "类型": "乙"}));
        assert!(!hidden.contains("承诺"), "{hidden}");
    }
    let row = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>{{#丙}}头</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>尾{{/丙}}</w:t></w:r></w:p></w:tc></w:tr><w:tr/></w:tbl>";
    assert!(!made(&full(row), json!({"姓名": "王"})).contains('头'));
}

#[test]
fn controls_lose_their_placeholder_and_tick_their_box() {
    let field = "<w:p><w:sdt><w:sdtPr><w:tag w:val=\"姓名\"/><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:rPr><w:rStyle w:val=\"P\"/><w:b/></w:rPr><w:t>点击</w:t></w:r></w:sdtContent></w:sdt></w:p>";
    let tick = "<w:p><w:sdt><w:sdtPr><w:tag w:val=\"类型=甲\"/><w14:checkbox><w14:checked w14:val=\"0\"/></w14:checkbox></w:sdtPr><w:sdtContent><w:r><w:t>☐</w:t></w:r></w:sdtContent></w:sdt></w:p>";
    let document = made(&format!("{field}{tick}{ROWS}"), json!({"姓名": "王", "类型": "甲"}));
    assert!(
        document.contains(
            "<w:tag w:val=\"姓名\"/></w:sdtPr><w:sdtContent><w:r><w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\">王</w:t></w:r>"
        ),
        "{document}"
    );
    assert!(document.contains("<w14:checked w14:val=\"1\"/>") && document.contains("<w:t>☑</w:t>"), "{document}");
}

#[test]
fn everything_not_filled_stays_byte_for_byte() {
    let template = package(&full(""), &[]);
    let form = Form::parse("t", DEFINITION, Some(&template)).unwrap();
    let filled = fill(&form, &data(json!({"姓名": "王"})));
    for name in ["[Content_Types].xml", "_rels/.rels", "word/styles.xml"] {
        assert_eq!(part(&template, name), part(&filled, name), "{name}");
    }
    let (before, after) = (part(&template, "word/document.xml"), part(&filled, "word/document.xml"));
    let touched = before
        .replace("<w:t>{{姓名}}", "<w:t xml:space=\"preserve\">王")
        .replace("<w:t>{{行.号}} {{行.名}}", "<w:t xml:space=\"preserve\"> ");
    assert_eq!(touched, after);
}

#[test]
fn a_clerk_is_told_what_is_wrong_and_where() {
    let cases = [
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>姓  名 {{姓明}}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "第 1 页第 1 个表格第 1 行，“姓  名 {{姓明}}”附近：字段“姓明”没有定义，是不是“姓名”？",
        ),
        ("<w:p><w:r><w:t>{{行.名}}</w:t></w:r></w:p>", "应放在表格的一行里"),
        ("<w:p><w:r><w:t>{{姓名</w:t></w:r></w:p>", "缺少结尾的 }}"),
        ("<w:p><w:r><w:t>{{#丙}}</w:t></w:r></w:p>", "后面没有 {{/丙}}"),
        ("<w:p><w:r><w:t>{{/丙}}</w:t></w:r></w:p>", "前面没有"),
        (
            "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p><w:p><w:r><w:t>{{类型=丁}}</w:t></w:r></w:p>",
            "第 2 页，“{{类型=丁}}”附近：“类型”没有选项“丁”",
        ),
        (
            "<w:p><w:sdt><w:sdtPr><w:tag w:val=\"姓名\"/><w:dataBinding/></w:sdtPr><w:sdtContent><w:r/></w:sdtContent></w:sdt></w:p>",
            "绑定了文档属性",
        ),
    ];
    for (body, expected) in cases {
        let found = faults(&full(body), &[]);
        assert!(found.contains(expected), "{found}");
    }
    assert!(faults("<w:p/>", &[]).contains("模板里没有字段“姓名”"));
}

#[test]
fn dangerous_templates_are_refused() {
    let relation = |kind: &str, more: &str| {
        format!(
            "<Relationships><Relationship Id=\"x\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}\" {more}/></Relationships>"
        )
    };
    let rels = "word/_rels/document.xml.rels";
    let cases: &[(&str, String, &str)] = &[
        ("word/vbaProject.bin", String::new(), "宏"),
        ("word/embeddings/oleObject1.bin", String::new(), "嵌入对象"),
        ("word/../../etc/passwd", String::new(), "路径不安全"),
        ("word/a.xml", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>".into(), "DTD"),
        ("word/a.xml", "<x><y></x>".into(), "XML 不完整"),
        ("word/a.xml", "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r><w:fldSimple w:instr=\" DDEAUTO c calc\"/></w:p>".into(), "域代码 DDEAUTO"),
        ("word/b.xml", "<w:p><w:fldChar w:fldCharType=\"begin\"/><w:instrText> INCL</w:instrText><w:instrText>UDETEXT x</w:instrText><w:fldChar w:fldCharType=\"end\"/></w:p>".into(), "域代码 INCLUDETEXT"),
        (rels, relation("image", "Target=\"http://x.test/a.png\" TargetMode=\"External\""), "外部图片"),
        (rels, relation("hyperlink", "Target=\"https://x.test\" TargetMode=\"External\""), "外部链接"),
        (rels, relation("attachedTemplate", "Target=\"file:///x.dotm\" TargetMode=\"External\""), "attachedTemplate"),
        (rels, relation("aFChunk", "Target=\"a.html\""), "aFChunk"),
    ];
    for (name, content, expected) in cases {
        let found = faults(&full(""), &[(name, content)]);
        assert!(found.contains(expected), "{name}: {found}");
    }
    let bomb = " ".repeat(60 << 20);
    assert!(faults(&full(""), &[("word/media/a.png", &bomb)]).contains("压缩炸弹"));
    let refused = |bytes: &[u8]| Form::parse("t", DEFINITION, Some(bytes)).err().unwrap()[0].to_string();
    assert!(refused(&[0xD0, 0xCF, 0x11, 0xE0, 0, 0]).contains("另存为 .docx"));
    assert!(refused(b"%PDF-1.7").contains("不是 .docx"));
}

fn refusal(id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let form = Form::embedded(id).unwrap();
    let mut data = sample(id);
    change(&mut data);
    let folder = samples();
    let request = Request { data: &data, record: None, pictures: Some(&folder), today: TODAY, rules: None, draft: false };
    form.fill(&request).expect_err("refused").to_string()
}

#[test]
fn data_faults_name_the_field() {
    let id = "constructor-2-renew";
    assert!(refusal(id, |d| drop(d.remove("姓名"))).contains("姓名：缺少必填项"));
    assert!(refusal(id, |d| drop(d.insert("性名".into(), json!("x")))).contains("性名：此表没有这个字段，是不是“姓名”？"));
    assert!(refusal(id, |d| drop(d.insert("姓名".into(), json!("王\u{8}")))).contains("第 2 个字是控制字符 U+0008"));
    assert!(refusal(id, |d| drop(d.insert("姓名".into(), json!("\u{202E}王五")))).contains("第 1 个字是改变文字方向的字符 U+202E"));
    assert!(refusal(id, |d| drop(d.insert("性别".into(), json!("难")))).contains("可用的选项：男、女"));
    assert!(refusal(id, |d| drop(d.insert("出生日期".into(), json!("1985-02-30")))).contains("不是日期"));
    assert!(refusal(id, |d| drop(d.insert("照片".into(), json!("../records/photos/hard/huge.png")))).contains("图片不能用"));
    assert!(refusal(id, |d| drop(d.insert("照片".into(), json!("../records/photos/hard/text.jpg")))).contains("not a JPEG or PNG picture"));
    assert!(refusal("worker-renew", |d| drop(d.insert("合计学时".into(), json!("999")))).contains("按所填内容计算应是"));
    assert!(refusal("worker-leave", |d| drop(d.insert("现单位名称".into(), json!("新单位")))).contains("此表没有这个字段"));
}

#[test]
fn variants_print_their_own_blocks() {
    let text = |id: &str, change: &dyn Fn(&mut Map<String, Value>)| {
        let mut data = sample(id);
        change(&mut data);
        part(&fill(&Form::embedded(id).unwrap(), &data), "word/document.xml")
    };
    let alone = |way: &'static str| text("constructor-2-cancel", &|d| drop(d.insert("办理方式".into(), json!(way))));
    let (person, company) = ("本人郑重承诺", "本企业郑重承诺");
    assert!(alone("共同办理").contains(person) && alone("共同办理").contains(company));
    assert!(alone("个人单独办理").contains(person) && !alone("个人单独办理").contains(company));
    assert!(!alone("企业单独办理").contains(person) && alone("企业单独办理").contains(company));
    let special = |d: &mut Map<String, Value>| drop(d.insert("证书类别".into(), json!("特种作业操作资格证书")));
    assert!(!text("worker-cancel", &special).contains("单位公章") && !text("worker-cancel", &special).contains("本单位同意"));
    assert!(!text("approval-record", &|_| {}).contains("张三丰"), "the clerk's name is not shown to the applicant");
    assert!(text("approval-record", &|d| drop(d.insert("查看人".into(), json!("工作人员")))).contains("张三丰"));
    assert!(text("exam-entry", &|_| {}).contains(">38<"), "the age on the day of the application");
}

#[test]
fn the_window_of_the_business_is_obeyed() {
    let fonts = certpress::font::Fonts::embedded().unwrap();
    let layouts = certpress::layout::Layouts::embedded(&fonts).unwrap();
    let form = Form::embedded("constructor-2-renew").unwrap();
    let window = form.definition.window.as_ref().unwrap();
    let rules = &layouts.find(&window.licence_type).unwrap().rules;
    let (data, folder) = (sample("constructor-2-renew"), samples());
    let on = |today| form.fill(&Request { data: &data, record: None, pictures: Some(&folder), today, rules: Some(rules), draft: false });
    // 届满 2024-08-10: open from 90 to 30 days before.
    assert!(on(jiff::civil::date(2024, 5, 12)).is_ok());
    assert!(on(jiff::civil::date(2024, 7, 11)).is_ok());
    let early = on(jiff::civil::date(2024, 5, 11)).unwrap_err().to_string();
    assert!(early.contains("2024-05-12") && early.contains("2024-07-11"), "{early}");
    assert!(on(jiff::civil::date(2024, 7, 12)).unwrap_err().to_string().contains("注销"));
}

#[test]
fn a_list_is_a_spreadsheet_of_texts() {
    let form = Form::embedded("exam-results").unwrap();
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&fs::read(samples().join("exam-results.json")).unwrap()).unwrap();
    let write = |rows: Vec<Map<String, Value>>| {
        let mut file = Cursor::new(Vec::new());
        write_sheet(&form, rows.into_iter().map(Ok), TODAY, &mut file, || {}).map(|_| file.into_inner())
    };
    let book = write(rows.clone()).unwrap();
    fs::write(out().join("exam-results.xlsx"), &book).unwrap();
    assert!(book == write(rows.clone()).unwrap(), "the same rows gave other bytes");
    let sheet = part(&book, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("不合格（安全技术理论 52，安全操作技能 61）"), "{sheet}");

    let mut hostile = rows.clone();
    hostile[0].insert("工作单位".into(), json!("=cmd|'/c calc'!A1"));
    let sheet = part(&write(hostile).unwrap(), "xl/worksheets/sheet1.xml");
    assert!(!sheet.contains("<f>") && sheet.contains("=cmd|"), "{sheet}");

    assert_eq!(write(Vec::new()).unwrap_err().to_string(), "没有可导出的数据！");
    let mut wrong = rows;
    wrong[1].remove("姓名");
    assert!(write(wrong).unwrap_err().to_string().contains("第 2 行 姓名：缺少必填项"));
}
