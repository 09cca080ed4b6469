//! Whole files, read back with lopdf.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use lopdf::content::Content;
use lopdf::{Dictionary, Object};

use super::*;
use crate::layout::Meta;
use crate::page::{Item, Length, Path, Point, Rect, Rgb, Role, Seal, Segment, Text};
use crate::render::specimen;

static FONTS: LazyLock<Arc<Fonts>> = LazyLock::new(|| Arc::new(Fonts::embedded().expect("the shipped fonts")));

/// Letters set apart as a layout does it.
fn spaced(mut text: Text, gap: Length) -> Text {
    for glyph in text.runs.iter_mut().flat_map(|run| &mut run.glyphs) {
        glyph.advance = glyph.advance + gap;
    }
    text
}

/// The specimen with labels, a spaced title, hard names and metadata.
fn document() -> Document {
    let mut document = specimen::document(&FONTS);
    let text = |content, at| specimen::text(&FONTS, "Hei", content, at, 16.0, Rgb::BLACK);
    let mut face = (*document.page.face).clone();
    for item in &mut face.items {
        if let Item::Text(text) = item
            && text.role == Role::Title
        {
            *text = spaced(text.clone(), Length::mm(2.5));
        }
    }
    for (label, y) in [("姓名：", 100.0), ("聘用企业：", 110.0), ("签名日期：", 120.0)] {
        face.items.push(Item::Text(Text { role: Role::Label, ..text(label, (20.0, y)) }));
    }
    document.page.face = Arc::new(face);
    for (value, y) in [("阿卜杜勒·艾合买提 MÜLLER, JOHANN Œuvré", 100.0), ("北京测试云川建筑工程有限公司𠅤𫖯𬭎", 110.0)]
    {
        document.page.items.push(Item::Text(text(value, (50.0, y))));
    }
    document.metadata = vec![
        Meta { name: "ZZMC".into(), value: "一级建造师注册证书".into(), item: None },
        Meta { name: "KZ_XM".into(), value: "王䶮 & <Søn>".into(), item: Some(0) },
    ];
    document
}

fn render(document: &Document) -> Vec<u8> {
    PdfRenderer::new(&FONTS, &[]).unwrap().render(document).unwrap()
}

/// A file read back.
struct Read(lopdf::Document);

impl Read {
    fn of(document: &Document) -> Self {
        Self(lopdf::Document::load_mem(&render(document)).unwrap())
    }

    fn follow<'a>(&'a self, object: &'a Object) -> &'a Object {
        self.0.dereference(object).unwrap().1
    }

    /// Follows keys from the catalog on.
    fn at(&self, keys: &[&str]) -> &Object {
        let mut object = self.0.trailer.get(b"Root").unwrap();
        for key in keys {
            object = self.follow(object).as_dict().unwrap().get(key.as_bytes()).unwrap();
        }
        self.follow(object)
    }

    fn page(&self) -> &Dictionary {
        self.0.get_dictionary(self.0.page_iter().next().unwrap()).unwrap()
    }

    fn resource(&self, kind: &str, name: &[u8]) -> &Object {
        let resources = self.page().get(b"Resources").unwrap().as_dict().unwrap();
        self.follow(resources.get(kind.as_bytes()).unwrap().as_dict().unwrap().get(name).unwrap())
    }

    fn operations(&self) -> Vec<lopdf::content::Operation> {
        let page = self.0.page_iter().next().unwrap();
        Content::decode(&self.0.get_page_content(page)).unwrap().operations
    }

    /// What a font's `ToUnicode` says for each code.
    fn characters(&self, font: &[u8]) -> BTreeMap<u16, String> {
        let to_unicode = self.follow(self.resource("Font", font).as_dict().unwrap().get(b"ToUnicode").unwrap());
        let map = String::from_utf8(to_unicode.as_stream().unwrap().get_plain_content().unwrap()).unwrap();
        let ranges = map.lines().filter_map(|line| line.strip_prefix('<')?.strip_suffix(">]")?.split_once(">[<"));
        let text = |hex: &str| {
            let units: Vec<u16> = hex::decode(hex).unwrap().chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        };
        let range = |(codes, to): (&str, &str)| {
            let ends: Vec<u16> = codes.split("><").map(|code| u16::from_str_radix(code, 16).unwrap()).collect();
            let texts: Vec<String> = to.split("><").map(text).collect();
            assert_eq!(usize::from(ends[1] - ends[0]) + 1, texts.len());
            (ends[0]..=ends[1]).zip(texts).collect::<Vec<_>>()
        };
        ranges.flat_map(range).collect()
    }

    /// A font's stated widths by code.
    fn widths(&self, font: &[u8]) -> BTreeMap<u16, f64> {
        let descendants = self.resource("Font", font).as_dict().unwrap().get(b"DescendantFonts").unwrap().as_array().unwrap();
        let widths = descendants[0].as_dict().unwrap().get(b"W").unwrap().as_array().unwrap();
        let mut found = BTreeMap::new();
        for pair in widths.chunks(2) {
            let first = pair[0].as_i64().unwrap() as u16;
            for (code, width) in (first..).zip(pair[1].as_array().unwrap()) {
                found.insert(code, f64::from(width.as_float().unwrap()));
            }
        }
        found
    }

    /// Every shown glyph: its text and where the pen stands, in points from the page's bottom left. Upright text only.
    fn shown(&self) -> Vec<(String, f64, f64)> {
        let (mut shown, mut font, mut size, mut place) = (Vec::new(), Vec::new(), 0.0, (0.0, 0.0));
        let mut known: BTreeMap<Vec<u8>, _> = BTreeMap::new();
        for operation in self.operations() {
            let number = |i: usize| f64::from(operation.operands[i].as_float().unwrap());
            match operation.operator.as_str() {
                "Tf" => (font, size) = (operation.operands[0].as_name().unwrap().to_vec(), number(1)),
                "Tm" => place = (number(4), number(5)),
                "TJ" => {
                    let (characters, widths) = known.entry(font.clone()).or_insert_with(|| (self.characters(&font), self.widths(&font)));
                    for part in operation.operands[0].as_array().unwrap() {
                        if let Ok(gap) = part.as_float() {
                            place.0 -= f64::from(gap) / 1000.0 * size;
                            continue;
                        }
                        for code in part.as_str().unwrap().as_chunks().0 {
                            let code = u16::from_be_bytes(*code);
                            shown.push((characters[&code].clone(), place.0, place.1));
                            place.0 += widths.get(&code).unwrap_or(&1000.0) / 1000.0 * size;
                        }
                    }
                }
                _ => {}
            }
        }
        shown
    }
}

#[test]
fn the_same_document_gives_the_same_bytes_on_every_run_and_thread() {
    let document = document();
    let renderer = PdfRenderer::new(&FONTS, &[Arc::clone(&document.page.face)]).unwrap();
    let first = renderer.render(&document).unwrap();
    assert_eq!(render(&document), first, "a face that was not announced");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| renderer.render(&document).unwrap())).collect();
        for thread in threads {
            assert!(thread.join().unwrap() == first);
        }
    });
}

#[test]
fn every_glyph_reads_as_its_character_and_stands_at_its_place() {
    let mut document = document();
    // The turned ornament has a matrix of its own.
    let mut face = (*document.page.face).clone();
    face.items.retain(|item| !matches!(item, Item::Text(text) if text.rotation != 0.0));
    document.page.face = Arc::new(face);

    let read = Read::of(&document);
    let mut shown = read.shown().into_iter();
    let height = document.page.size.1;
    for item in document.page.face.items.iter().chain(&document.page.items) {
        let Item::Text(text) = item else { continue };
        for run in &text.runs {
            let mut due = run.origin.x;
            for glyph in &run.glyphs {
                let (said, x, y) = shown.next().unwrap();
                assert_eq!(said, glyph.ch.to_string());
                // 4 µm are 0.011 pt.
                assert!((x - due.to_pt()).abs() < 0.011, "{said} of {}: {x} for {}", text.content, due.to_pt());
                assert!((y - (height - run.origin.y).to_pt()).abs() < 0.001);
                due = due + glyph.advance;
            }
        }
    }
    assert!(shown.next().is_none());
}

/// The texts of all `ActualText` spans.
fn actual_texts(read: &Read) -> Vec<String> {
    let spans = read.operations().into_iter().filter(|o| o.operator == "BDC" && o.operands[0] == Object::from("Span"));
    spans.map(|o| lopdf::decode_text_string(o.operands[1].as_dict().unwrap().get(b"ActualText").unwrap()).unwrap()).collect()
}

#[test]
fn lines_that_programs_would_misread_say_their_text() {
    let mut document = document();
    assert_eq!(actual_texts(&Read::of(&document)), ["样张 SAMPLE", "一级建造师注册证书"]);

    // Two characters that the font draws with one glyph.
    let chain = FONTS.chain("Hei").unwrap();
    let mut first = BTreeMap::new();
    let twins = ('\u{21}'..'\u{ffff}').find_map(|ch| {
        let glyph = FONTS.glyph(chain, ch)?;
        let before = *first.entry(glyph).or_insert(ch);
        (before != ch).then_some((before, ch))
    });
    let (one, other) = twins.unwrap();
    for (ch, y) in [(one, 180.0), (other, 190.0)] {
        document.page.items.push(Item::Text(specimen::text(&FONTS, "Hei", &format!("甲{ch}乙"), (20.0, y), 12.0, Rgb::BLACK)));
    }
    // The glyph can stand for one of them; the other's line says so.
    assert_eq!(actual_texts(&Read::of(&document)).last(), Some(&format!("甲{one}乙")));
}

#[test]
fn the_tree_reads_title_then_label_and_value_then_figures_with_words() {
    let document = document();
    let read = Read::of(&document);
    let elements = read.at(&["StructTreeRoot", "K", "K"]).as_array().unwrap();
    let parents = read.at(&["StructTreeRoot", "ParentTree", "Nums"]).as_array().unwrap()[1].as_array().unwrap();
    let mut said: BTreeMap<i64, String> = BTreeMap::new();
    let mut mark = None;
    let mut font = Vec::new();
    for operation in read.operations() {
        match operation.operator.as_str() {
            "BDC" => mark = operation.operands[1].as_dict().unwrap().get(b"MCID").and_then(Object::as_i64).ok().or(mark),
            "Tf" => font = operation.operands[0].as_name().unwrap().to_vec(),
            "TJ" => {
                let characters = read.characters(&font);
                let strings = operation.operands[0].as_array().unwrap().iter().filter_map(|part| part.as_str().ok());
                for code in strings.flat_map(|part| part.as_chunks().0) {
                    said.entry(mark.unwrap()).or_default().push_str(&characters[&u16::from_be_bytes(*code)]);
                }
            }
            "BMC" => mark = Some(-1),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    let mut seen = HashSet::new();
    for element in elements {
        let dict = read.follow(element).as_dict().unwrap();
        let role = String::from_utf8(dict.get(b"S").unwrap().as_name().unwrap().to_vec()).unwrap();
        let mut words = vec![role];
        words.extend(dict.get(b"Alt").map(|alt| format!("[{}]", lopdf::decode_text_string(alt).unwrap())));
        for mark in dict.get(b"K").unwrap().as_array().unwrap() {
            let mark = mark.as_i64().unwrap();
            assert!(seen.insert(mark), "mark {mark} stands in two elements");
            assert_eq!(&parents[mark as usize], element);
            words.extend(said.get(&mark).cloned());
        }
        lines.push(words.join(" "));
    }
    assert_eq!(seen.len(), parents.len());
    let expected = [
        "H1 一级建造师注册证书",
        "P 姓　　名：王䶮 𬎆 㛃 O'Brien",
        "P 注册编号：京1112012201990001",
        "P 聘用企业：北京测试云川建筑工程有限公司",
        "P 注册专业：建筑工程（有效期：2019-10-14至2022-10-13）",
        // Nothing but the photo stands on this label's line.
        "P 签名日期：",
        "Figure [照片]",
        "Figure [签名]",
        "Figure [二维码]",
        "P 中华人民共和国",
        "P 住房和城乡建设部",
        "Figure [测试专用章]",
        "Figure [测试专用章]",
        "P 姓名： 阿卜杜勒·艾合买提 MÜLLER, JOHANN Œuvré",
        "P 聘用企业： 北京测试云川建筑工程有限公司𠅤𫖯𬭎",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_the_file_says_about_itself_agrees() {
    let document = document();
    let read = Read::of(&document);
    let information = read.follow(read.0.trailer.get(b"Info").unwrap()).as_dict().unwrap();
    let entry = |key: &str| lopdf::decode_text_string(information.get(key.as_bytes()).unwrap()).unwrap();
    assert_eq!((entry("Title"), entry("Author"), entry("Subject")), (document.title, document.author, document.subject));
    assert_eq!((entry("CreationDate"), entry("ModDate")), ("D:19700101080000+08'00'".into(), "D:19700101080000+08'00'".into()));

    let xmp = String::from_utf8(read.at(&["Metadata"]).as_stream().unwrap().get_plain_content().unwrap()).unwrap();
    for part in [
        "<xmp:CreateDate>1970-01-01T08:00:00+08:00</xmp:CreateDate>",
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>",
        "<licence:ZZMC>一级建造师注册证书</licence:ZZMC>",
        "<licence:KZ_XM>王䶮 &amp; &lt;Søn&gt;</licence:KZ_XM>",
        "<licence:SAMPLE>true</licence:SAMPLE>",
        "<pdfaProperty:description>证照名称</pdfaProperty:description>",
    ] {
        assert!(xmp.contains(part), "{part} is not in {xmp}");
    }
    assert_eq!(read.at(&["Lang"]), &Object::string_literal("zh-CN"));
}

#[test]
fn a_metadata_name_that_xml_forbids_is_refused() {
    let mut document = document();
    document.metadata[0].name = "1 ZZ".into();
    let error = PdfRenderer::new(&FONTS, &[]).unwrap().render(&document).unwrap_err().to_string();
    assert!(error.contains("`1 ZZ`"), "{error}");
}

#[test]
fn attached_files_come_out_as_they_went_in() {
    let document = document();
    let read = Read::of(&document);
    let names = read.at(&["Names", "EmbeddedFiles", "Names"]).as_array().unwrap();
    let mut found = BTreeMap::new();
    for pair in names.chunks(2) {
        let specification = read.follow(&pair[1]).as_dict().unwrap();
        let embedded = read.follow(specification.get(b"EF").unwrap().as_dict().unwrap().get(b"F").unwrap()).as_stream().unwrap();
        found.insert(pair[0].as_str().unwrap().to_vec(), embedded.get_plain_content().unwrap());
        assert!(read.at(&["AF"]).as_array().unwrap().contains(&pair[1]));
    }
    let metadata = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata standard="GB/T 36903-2018">
  <ZZMC>一级建造师注册证书</ZZMC>
  <KZ_XM>王䶮 &amp; &lt;Søn&gt;</KZ_XM>
  <KZ_QR>https://example.invalid/v/123</KZ_QR>
</metadata>"#;
    let expected = [(&b"statement.json"[..], document.statement.as_slice()), (b"metadata.xml", metadata.as_bytes())];
    assert_eq!(found, expected.map(|(name, bytes)| (name.to_vec(), bytes.to_vec())).into());
}

#[test]
fn identity_follows_content_and_one_instant_is_the_only_date() {
    let id = |document: &Document| Read::of(document).0.trailer.get(b"ID").unwrap().as_array().unwrap().clone();
    let mut document = document();
    let before = id(&document);
    assert_eq!(before[0], before[1]);
    document.instant = "2021-04-22T00:00:00Z".parse().unwrap();
    let after = id(&document);
    assert_ne!(before, after);
    let bytes = render(&document);
    assert!(!bytes.windows(4).any(|w| w == b"1970"), "another date than the instant");
}

#[test]
fn photographs_keep_their_bytes_and_ink_its_shape() {
    let document = document();
    let read = Read::of(&document);
    let photo = read.resource("XObject", b"HI0").as_stream().unwrap();
    assert_eq!(photo.dict.get(b"Filter").unwrap(), &Object::from(vec!["FlateDecode".into(), "DCTDecode".into()]));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&photo.content[..]), &mut bytes).unwrap();
    assert_eq!(bytes, specimen::photo().bytes);

    let ink = read.resource("XObject", b"HI1").as_stream().unwrap();
    let mask = read.follow(ink.dict.get(b"SMask").unwrap()).as_stream().unwrap();
    let pixels = image::load_from_memory(&specimen::signature().bytes).unwrap().into_rgba8();
    assert_eq!(mask.dict.get(b"Width").unwrap(), &Object::from(pixels.width()));
    // The sample is drawn in four levels of one ink.
    assert_eq!(mask.dict.get(b"BitsPerComponent").unwrap(), &Object::from(2));
    let parameters = mask.dict.get(b"DecodeParms").unwrap().as_dict().unwrap();
    for (key, value) in [("Predictor", 15), ("BitsPerComponent", 2), ("Columns", i64::from(pixels.width()))] {
        assert_eq!(parameters.get(key.as_bytes()).unwrap(), &Object::from(value), "{key}");
    }
    // The rows with their filters are those of a grey PNG of as many bits.
    let chunk = |kind: &[u8], data: &[u8]| {
        let named = [kind, data].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&named);
        [&(data.len() as u32).to_be_bytes(), &named[..], &sum.sum().to_be_bytes()].concat()
    };
    let header = [&pixels.width().to_be_bytes()[..], &pixels.height().to_be_bytes(), &[2, 0, 0, 0, 0]].concat();
    let file = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &mask.content), chunk(b"IEND", b"")].concat();
    let shape = image::load_from_memory(&file).unwrap().into_luma8();
    assert!(shape.pixels().map(|pixel| pixel.0[0]).eq(pixels.pixels().map(|pixel| pixel.0[3])));
}

#[test]
fn a_seal_is_an_object_of_its_own_with_its_opacity() {
    let document = document();
    let read = Read::of(&document);
    let seal = read.resource("XObject", b"HS0").as_stream().unwrap();
    let content = String::from_utf8(seal.get_plain_content().unwrap()).unwrap();
    assert!(content.starts_with("/A204 gs\n"), "{content}");
    let states = seal.dict.get(b"Resources").and_then(|r| r.as_dict().unwrap().get(b"ExtGState")).unwrap().as_dict().unwrap();
    let state = states.get(b"A204").unwrap().as_dict().unwrap();
    for key in ["ca", "CA"] {
        assert_eq!(state.get(key.as_bytes()).unwrap(), &Object::Real(0.8));
    }

    let Some(Item::Seal(Seal { art, .. })) = document.page.items.iter().find(|item| matches!(item, Item::Seal(_))) else { panic!() };
    let renderer = PdfRenderer::new(&FONTS, &[]).unwrap();
    assert_eq!(renderer.seal_appearance(art).unwrap(), renderer.seal_appearance(art).unwrap());
    assert_eq!(renderer.seals.read().unwrap().len(), 1);
}

#[test]
fn paths_are_painted_once_and_no_number_has_an_exponent() {
    let mut document = document();
    let at = |x, y| Point { x: Length::um(x), y: Length::um(y) };
    let segments = vec![
        Segment::Move(at(1, 296_999)),
        Segment::Line(at(100_000, 2)),
        Segment::Cubic(at(3, 4), at(5, 6), at(7, 8)),
        Segment::Move(at(0, 0)),
        Segment::Line(at(9, 9)),
        Segment::Close,
    ];
    let path = Path { at: Point::default(), segments, fill: None, stroke: Some((Rgb(1, 2, 3), Length::um(1))), alpha: 100 };
    document.page.items = vec![Item::Path(path), Item::Path(specimen::bar(Rect::mm(1.0, 1.0, 5.0, 5.0), Rgb::BLACK, 255))];
    let page = Read::of(&document);
    let own = page.follow(&page.page().get(b"Contents").unwrap().as_array().unwrap()[1]).as_stream().unwrap();
    let content = String::from_utf8(own.get_plain_content().unwrap()).unwrap();
    let expected = "/Artifact BMC\n/A100 gs\nq\n0.0283465 0 0 -0.0283465 0 841.89 cm\n0.004 0.008 0.012 RG\n0.1 w\n0.1 29699.9 m\n\
                    10000 0.2 l\n0.3 0.4 0.5 0.6 0.7 0.8 c\n0 0 m\n0.9 0.9 l\nh\nS\n/A255 gs\n0 0 0 rg\n100 100 m\n600 100 l\n600 600 l\n\
                    100 600 l\nh\nf\nQ\nEMC";
    assert_eq!(content, expected);
}

/// Reads a file that lacks only the value of its signature.
fn blank(document: &Document, room: usize) -> (Read, Blank) {
    let blank = PdfRenderer::new(&FONTS, &[]).unwrap().render_blank(document, room).unwrap();
    (Read(lopdf::Document::load_mem(&blank.file).unwrap()), blank)
}

#[test]
fn all_but_the_signatures_own_place_is_signed_and_nothing_may_change() {
    let (read, blank) = blank(&document(), 1000);
    assert_eq!(&blank.file[blank.gap.clone()], format!("<{}>", "0".repeat(2000)).as_bytes());
    let field = read.follow(&read.at(&["AcroForm", "Fields"]).as_array().unwrap()[0]).as_dict().unwrap();
    let signature = read.follow(field.get(b"V").unwrap()).as_dict().unwrap();
    let range: Vec<_> = signature.get(b"ByteRange").unwrap().as_array().unwrap().iter().map(|n| n.as_i64().unwrap() as usize).collect();
    assert_eq!(range, [0, blank.gap.start, blank.gap.end, blank.file.len() - blank.gap.end]);
    assert_eq!(signature.get(b"SubFilter").unwrap(), &Object::from("ETSI.CAdES.detached"));
    assert_eq!(signature.get(b"M").unwrap(), &Object::string_literal("D:19700101080000+08'00'"));
    assert!(std::ptr::eq(signature, read.at(&["Perms", "DocMDP"]).as_dict().unwrap()));
    let reference = signature.get(b"Reference").unwrap().as_array().unwrap()[0].as_dict().unwrap();
    assert_eq!(reference.get(b"TransformMethod").unwrap(), &Object::from("DocMDP"));
    assert_eq!(reference.get(b"TransformParams").unwrap().as_dict().unwrap().get(b"P").unwrap(), &Object::from(1));
    assert_eq!(read.at(&["AcroForm", "SigFlags"]), &Object::from(3));
    let number = field.get(b"V").and_then(Object::as_reference).unwrap().0;
    let plain = format!("\n{number} 0 obj\n<</Type/Sig/");
    assert!(blank.file.windows(plain.len()).any(|w| w == plain.as_bytes()), "in plain sight");
}

#[test]
fn the_first_seal_is_the_widget_and_is_read_in_its_place() {
    let document = document();
    let (read, _) = blank(&document, 10);
    let seals: Vec<&Seal> =
        document.page.items.iter().filter_map(|item| if let Item::Seal(seal) = item { Some(seal) } else { None }).collect();
    let widget = read.follow(&read.page().get(b"Annots").unwrap().as_array().unwrap()[0]).as_dict().unwrap();
    let (area, height) = (seals[0].area, document.page.size.1);
    for (number, due) in
        widget.get(b"Rect").unwrap().as_array().unwrap().iter().zip([area.x, height - area.bottom(), area.right(), height - area.y])
    {
        assert!((f64::from(number.as_float().unwrap()) - due.to_pt()).abs() < 0.001);
    }
    let appearance = read.follow(widget.get(b"AP").unwrap().as_dict().unwrap().get(b"N").unwrap()).as_stream().unwrap();
    assert_eq!(appearance.content, PdfRenderer::new(&FONTS, &[]).unwrap().seal_appearance(&seals[0].art).unwrap().content);
    let drawn: Vec<_> = read.operations().into_iter().filter(|o| o.operator == "Do").map(|o| o.operands[0].clone()).collect();
    assert_eq!(drawn.iter().filter(|name| name.as_name().unwrap().starts_with(b"HS")).count(), 1, "the second seal");

    let elements = read.at(&["StructTreeRoot", "K", "K"]).as_array().unwrap();
    let nums = read.at(&["StructTreeRoot", "ParentTree", "Nums"]).as_array().unwrap();
    let form = elements.iter().position(|e| read.follow(e).as_dict().unwrap().get(b"S").unwrap() == &Object::from("Form")).unwrap();
    let next = read.follow(&elements[form + 1]).as_dict().unwrap();
    assert_eq!(next.get(b"S").unwrap(), &Object::from("Figure"), "the second seal follows the first");
    assert_eq!((&nums[2], &nums[3]), (widget.get(b"StructParent").unwrap(), &elements[form]));
    let object = read.follow(&elements[form]).as_dict().unwrap().get(b"K").unwrap().as_array().unwrap()[0].as_dict().unwrap();
    assert!(std::ptr::eq(read.follow(object.get(b"Obj").unwrap()).as_dict().unwrap(), widget));
    assert_eq!(lopdf::decode_text_string(widget.get(b"TU").unwrap()).unwrap(), seals[0].alt);
}

#[test]
fn a_page_without_a_seal_is_signed_unseen() {
    let mut document = document();
    document.page.items.retain(|item| !matches!(item, Item::Seal(_)));
    let (read, _) = blank(&document, 10);
    let widget = read.follow(&read.page().get(b"Annots").unwrap().as_array().unwrap()[0]).as_dict().unwrap();
    let corners = widget.get(b"Rect").unwrap().as_array().unwrap();
    assert!(corners[0] == corners[2] && corners[1] == corners[3] && !widget.has(b"AP"), "{corners:?}");
}
