//! What every reader relies on, checked on a page with one of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use skrifa::instance::{LocationRef, Size};
use skrifa::raw::TableProvider as _;
use skrifa::{FontRef, MetadataProvider as _};

use super::*;
use crate::layout::Meta;
use crate::page::{Length, Rgb, Text};
use crate::render::specimen;

fn meta(name: &str, value: &str, item: Option<usize>) -> Meta {
    Meta { name: name.to_owned(), value: value.to_owned(), item }
}

/// The specimen with metadata, as a layout would give them.
fn document(fonts: &Fonts) -> Document {
    let mut document = specimen::document(fonts);
    document.metadata =
        vec![meta("ZZMC", "一级建造师注册证书 <&\"'>", None), meta("KZ_XM", "王䶮 𬎆 㛃", Some(0)), meta("KZ_ZP", "照片", Some(4))];
    document
}

fn fonts() -> Arc<Fonts> {
    Arc::new(Fonts::embedded().expect("fonts"))
}

fn rendered(fonts: &Arc<Fonts>, document: &Document) -> Vec<u8> {
    let faces = [Arc::clone(&document.page.face)];
    OfdRenderer::new(fonts, &faces).expect("prepares").render(document).expect("renders")
}

/// The parts in the order of the archive.
fn parts(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).expect("a zip");
    let count = archive.len();
    let read = |index| {
        let mut part = archive.by_index(index).expect("an entry");
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).expect("its checksum is right");
        (part.name().expect("a name in UTF-8").into_owned(), bytes)
    };
    (0..count).map(read).collect()
}

/// An element: its name without prefix, its attributes, the text directly inside, and its ancestors' names.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    above: Vec<String>,
}

impl Element {
    fn number(&self, attribute: &str) -> u32 {
        self.attributes[attribute].parse().expect("a whole number")
    }

    /// The next element of that name inside this one, among those that come after it.
    fn child<'a>(&self, after: &'a [Element], name: &str) -> &'a Element {
        after.iter().find(|element| element.name == name && element.above.len() > self.above.len()).expect("a child")
    }
}

/// All elements of a part in document order; fails on anything that is not well-formed or has another prefix than `ofd:`.
fn elements(bytes: &[u8]) -> Vec<Element> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "declaration, and no byte order mark");
    let mut reader = Reader::from_str(text);
    let (mut all, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    let begin = |all: &mut Vec<Element>, open: &[usize], start: &BytesStart| {
        let name = start.name();
        let name = name.as_ref().strip_prefix("ofd:").expect("the prefix is literally ofd:").to_owned();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("well-formed");
            let value = quick_xml::escape::unescape(&attribute.value).expect("known entities").into_owned();
            (attribute.key.as_ref().to_owned(), value)
        });
        let above = open.iter().map(|&at| all[at].name.clone()).collect();
        let element = Element { name, attributes: attributes.collect(), text: String::new(), above };
        all.push(element);
    };
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                begin(&mut all, &open, &start);
                open.push(all.len() - 1);
            }
            Event::Empty(start) => begin(&mut all, &open, &start),
            Event::Text(text) => {
                if let Some(&at) = open.last() {
                    all[at].text.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let entity = quick_xml::escape::unescape(&format!("&{};", &*entity)).expect("known entities").into_owned();
                all[*open.last().expect("inside the root")].text.push_str(&entity);
            }
            Event::End(_) => drop(open.pop()),
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?} has no place in an OFD part"),
        }
    }
    assert!(open.is_empty(), "every element is closed");
    all
}

fn part<'a>(parts: &'a [(String, Vec<u8>)], name: &str) -> &'a [u8] {
    &parts.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no part {name}")).1
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let fonts = fonts();
    let document = document(&fonts);
    let renderer = OfdRenderer::new(&fonts, &[Arc::clone(&document.page.face)]).unwrap();
    let first = renderer.render(&document).unwrap();
    let others = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| renderer.render(&document).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(others.iter().all(|other| *other == first), "threads");
    let stranger = OfdRenderer::new(&fonts, &[]).unwrap();
    assert!(stranger.render(&document).unwrap() == first, "a face that was not announced");
}

#[test]
fn the_parts_come_in_order() {
    let fonts = fonts();
    let file = rendered(&fonts, &document(&fonts));
    let names: Vec<String> = parts(&file).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "OFD.xml",
        "Doc_0/Document.xml",
        "Doc_0/TPLS/TPL_0/Content.xml",
        "Doc_0/Tags/CustomTags.xml",
        "Doc_0/Res/face_2.ttf",
        "Doc_0/DocumentRes.xml",
        "Doc_0/Pages/Page_0/Content.xml",
        "Doc_0/Tags/CustomTag.xml",
        "Doc_0/Res/font_55.ttf",
        "Doc_0/Res/font_56.ttf",
        "Doc_0/Res/font_57.ttf",
        "Doc_0/Res/font_58.ttf",
        "Doc_0/Res/image_53.jpg",
        "Doc_0/Res/image_54.png",
        "Doc_0/Attachs/Attachments.xml",
        "Doc_0/Attachs/statement.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_archive_has_plain_headers_and_nothing_around_it() {
    let fonts = fonts();
    let file = rendered(&fonts, &document(&fonts));
    let word = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let long = |at: usize| word(at) + (word(at + 2) << 16);
    let mut at = 0;
    let mut count = 0;
    while file[at..at + 4] == *b"PK\x03\x04" {
        let (version, flags, method) = (word(at + 4), word(at + 6), word(at + 8));
        assert!(version <= 20 && flags == 0 && matches!(method, 0 | 8), "version {version}, flags {flags:#x}, method {method}");
        assert_eq!((word(at + 10), word(at + 12)), (0, 0x21), "midnight of 1980-01-01");
        assert_eq!(word(at + 28), 0, "no extra field");
        at += 30 + word(at + 26) + long(at + 18);
        count += 1;
    }
    let directory = at;
    for _ in 0..count {
        assert_eq!(file[at..at + 4], *b"PK\x01\x02");
        assert_eq!((word(at + 30), word(at + 32)), (0, 0), "no extra field, no comment");
        at += 46 + word(at + 28);
    }
    assert_eq!(file[at..at + 4], *b"PK\x05\x06");
    assert_eq!((word(at + 10), long(at + 16), word(at + 20)), (count, directory, 0));
    assert_eq!(at + 22, file.len(), "nothing after the end");
}

#[test]
fn identifiers_are_unique_and_every_reference_has_its_target() {
    let fonts = fonts();
    let file = rendered(&fonts, &document(&fonts));
    let parts = parts(&file);
    let mut defined = BTreeSet::new();
    let mut references = Vec::new();
    let mut largest = 0;
    for (name, bytes) in parts.iter().filter(|(name, _)| name.ends_with(".xml")) {
        for element in elements(bytes) {
            match element.name.as_str() {
                "MaxUnitID" => largest = element.text.parse().unwrap(),
                "ObjectRef" => references.push(element.text.parse().unwrap()),
                "Attachment" => continue, // xs:ID, of another kind
                _ => {}
            }
            if element.attributes.contains_key("ID") {
                assert!(defined.insert(element.number("ID")), "{name}: {} {} twice", element.name, element.number("ID"));
            }
            for attribute in ["Font", "ResourceID", "TemplateID", "PageRef"] {
                references.extend(element.attributes.get(attribute).map(|id| id.parse::<u32>().unwrap()));
            }
        }
    }
    assert_eq!(defined, (1..=largest).collect(), "all up to MaxUnitID");
    assert!(references.len() > 20);
    for reference in references {
        assert!(defined.contains(&reference), "{reference} is nowhere defined");
    }
}

#[test]
fn every_location_leads_to_a_part() {
    let fonts = fonts();
    let file = rendered(&fonts, &document(&fonts));
    let parts = parts(&file);
    let mut reached = BTreeSet::from(["OFD.xml".to_owned()]);
    for (name, bytes) in parts.iter().filter(|(name, _)| name.ends_with(".xml")) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let all = elements(bytes);
        let base = all[0].attributes.get("BaseLoc").cloned();
        for element in &all {
            let location = match element.name.as_str() {
                "DocRoot" | "DocumentRes" | "FileLoc" | "FontFile" | "MediaFile" => element.text.clone(),
                "Attachments" | "CustomTags" if !element.text.is_empty() => element.text.clone(),
                "TemplatePage" | "Page" if element.attributes.contains_key("BaseLoc") => element.attributes["BaseLoc"].clone(),
                _ => continue,
            };
            let steps = [Some(folder.to_owned()).filter(|f| !f.is_empty()), base.clone(), Some(location.clone())];
            let path = match location.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => steps.into_iter().flatten().collect::<Vec<_>>().join("/"),
            };
            assert!(parts.iter().any(|(known, _)| *known == path), "{name}: nothing at {path}");
            reached.insert(path);
        }
    }
    let all: BTreeSet<String> = parts.into_iter().map(|(name, _)| name).collect();
    assert_eq!(reached, all, "no part that nothing leads to");
}

#[test]
fn tags_point_at_the_objects_that_print_the_value() {
    let fonts = fonts();
    let document = document(&fonts);
    let parts = parts(&rendered(&fonts, &document));
    let page = elements(part(&parts, "Doc_0/Pages/Page_0/Content.xml"));
    let tags = elements(part(&parts, "Doc_0/Tags/CustomTag.xml"));
    let referred = |tag: &str| {
        let ids = tags.iter().filter(|e| e.name == "ObjectRef" && e.above.last().is_some_and(|above| above == tag));
        ids.map(|element| element.text.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    let mut printed = String::new();
    for id in referred("KZ_XM") {
        let at = page.iter().position(|e| e.attributes.contains_key("ID") && e.number("ID") == id).unwrap();
        printed.push_str(&page[at].child(&page[at + 1..], "TextCode").text);
    }
    assert_eq!(printed.replace(' ', ""), "姓　　名：王䶮𬎆㛃O'Brien");
    let photo = page.iter().find(|element| element.name == "ImageObject").unwrap();
    assert_eq!(referred("KZ_ZP"), [photo.number("ID")]);
    assert!(!tags.iter().any(|element| element.name == "ZZMC"), "not on the page, so not tagged");
}

#[test]
fn metadata_names_that_are_no_xml_names_are_refused() {
    let fonts = fonts();
    let mut document = document(&fonts);
    document.metadata.push(meta("Z Z", "x", Some(0)));
    let fault = OfdRenderer::new(&fonts, &[]).unwrap().render(&document).unwrap_err();
    assert_eq!(fault.to_string(), "OFD: the metadata name `Z Z` is no XML name; use letters, digits and _");
}

#[test]
fn metadata_is_in_the_entry_point() {
    let fonts = fonts();
    let document = document(&fonts);
    let parts = parts(&rendered(&fonts, &document));
    let all = elements(part(&parts, "OFD.xml"));
    let said: Vec<_> = all.iter().filter(|e| e.name == "CustomData").map(|e| (e.attributes["Name"].as_str(), e.text.as_str())).collect();
    let given = document.metadata.iter().map(|meta| (meta.name.as_str(), meta.value.as_str()));
    assert_eq!(said, given.chain([("KZ_QR", "https://example.invalid/v/123")]).collect::<Vec<_>>());
    let text = |name: &str| all.iter().find(|element| element.name == name).unwrap().text.as_str();
    assert_eq!(text("DocID"), "01010101010101010101010101010101");
    assert_eq!(text("CreationDate"), "1970-01-01");
}

/// The lines of a page, units on one baseline joined, spaces aside.
fn lines(page: &[Element]) -> String {
    page.iter().filter(|element| element.name == "TextCode").map(|element| element.text.as_str()).collect()
}

#[test]
fn text_reads_back_as_it_was_given() {
    let fonts = fonts();
    let document = document(&fonts);
    let parts = parts(&rendered(&fonts, &document));
    let face = lines(&elements(part(&parts, "Doc_0/TPLS/TPL_0/Content.xml")));
    let page = lines(&elements(part(&parts, "Doc_0/Pages/Page_0/Content.xml")));
    let squeezed = |text: &str| text.replace([' ', '\n'], "");
    assert_eq!(squeezed(&(face + &page)), squeezed(&crate::render::text(&document)));
}

#[test]
fn glyphs_are_those_of_their_characters_at_their_places() {
    let fonts = fonts();
    let plain = document(&fonts);
    assert_eq!(glyphs_at_their_places(&fonts, &plain), "face_2.ttf font_55.ttf font_56.ttf font_57.ttf font_58.ttf");
    // A font of the face that the page needs too is one font, with the characters of both.
    let mut shared = document(&fonts);
    shared.page.items.push(Item::Text(specimen::text(&fonts, "HeiBold", "一级注册造价工程师 Œuvré", (30.0, 180.0), 12.0, Rgb::BLACK)));
    assert_eq!(glyphs_at_their_places(&fonts, &shared), "font_2.ttf font_55.ttf font_56.ttf font_57.ttf font_58.ttf");
}

/// Gives the files of the fonts.
fn glyphs_at_their_places(fonts: &Arc<Fonts>, document: &Document) -> String {
    let parts = parts(&rendered(fonts, document));
    let listed = elements(part(&parts, "Doc_0/DocumentRes.xml"));
    let files = listed.windows(2).filter(|pair| pair[0].name == "Font").map(|pair| (pair[0].number("ID"), pair[1].text.as_str()));
    let files: BTreeMap<u32, &str> = files.collect();
    let mut seen = 0;
    for name in ["Doc_0/TPLS/TPL_0/Content.xml", "Doc_0/Pages/Page_0/Content.xml"] {
        let all = elements(part(&parts, name));
        for (at, unit) in all.iter().enumerate().filter(|(_, element)| element.name == "TextObject") {
            let data = part(&parts, &format!("Doc_0/Res/{}", files[&unit.number("Font")]));
            let font = FontRef::new(data).expect("opens");
            let upem = f64::from(font.head().unwrap().units_per_em());
            assert_eq!(font.maxp().unwrap().num_glyphs(), font.hhea().unwrap().number_of_h_metrics());
            let (map, code) = (unit.child(&all[at + 1..], "CGTransform"), unit.child(&all[at + 1..], "TextCode"));
            let glyphs: Vec<u32> = unit.child(&all[at + 1..], "Glyphs").text.split(' ').map(|id| id.parse().unwrap()).collect();
            let by_cmap: Vec<u32> = code.text.chars().map(|ch| font.charmap().map(ch).expect("in the cmap").to_u32()).collect();
            assert_eq!(glyphs, by_cmap, "{}", code.text);
            assert_eq!((map.number("CodePosition"), map.number("CodeCount") as usize), (0, code.text.encode_utf16().count()));
            assert_eq!(map.number("GlyphCount") as usize, glyphs.len());
            assert!(glyphs.len() == 1 || code.text.chars().all(|ch| ch.len_utf16() == 1), "beyond U+FFFF stands alone");

            // Without letter spacing the steps are the font's own widths.
            let size: f64 = unit.attributes["Size"].parse().unwrap();
            let steps = steps(code.attributes.get("DeltaX").map_or("", String::as_str));
            assert_eq!(steps.len(), glyphs.len() - 1, "{}", code.text);
            let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
            for (step, glyph) in steps.iter().zip(&glyphs) {
                let width = f64::from(metrics.advance_width((*glyph).into()).unwrap()) / upem * size;
                assert!((step - width).abs() < 0.002, "{step} for {width} mm in {}", code.text);
            }
            // Readers cut at the boundary, so it holds every advance, blank ones too, and hardly more.
            let last = f64::from(metrics.advance_width(glyphs[glyphs.len() - 1].into()).unwrap()) / upem * size;
            let (across, reach) = (steps.iter().sum::<f64>() + last, numbers(&unit.attributes["Boundary"])[2]);
            let turned = unit.attributes.contains_key("CTM");
            assert!(turned || (across - 0.01..across + size / 4.0).contains(&reach), "{reach} for {across} mm: {}", code.text);
            seen += glyphs.len();
        }
    }
    assert!(seen > 80, "{seen} glyphs");
    files.into_values().collect::<Vec<_>>().join(" ")
}

/// `DeltaX` written out.
fn steps(list: &str) -> Vec<f64> {
    let mut words = list.split_whitespace();
    let mut steps = Vec::new();
    while let Some(word) = words.next() {
        let (count, step) = if word == "g" { (words.next().unwrap().parse().unwrap(), words.next().unwrap()) } else { (1, word) };
        steps.extend(std::iter::repeat_n(step.parse::<f64>().unwrap(), count));
    }
    steps
}

/// Four numbers and more, as attributes hold them.
fn numbers(list: &str) -> Vec<f64> {
    list.split(' ').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn turned_text_keeps_its_place_inside_its_boundary() {
    let fonts = fonts();
    let document = document(&fonts);
    let parts = parts(&rendered(&fonts, &document));
    let all = elements(part(&parts, "Doc_0/TPLS/TPL_0/Content.xml"));
    let turned = |item: &&Item| matches!(item, Item::Text(text) if text.rotation != 0.0);
    let Some(Item::Text(Text { runs, rotation, .. })) = document.page.face.items.iter().find(turned) else { panic!("the ornament") };
    let at = all.iter().position(|element| element.attributes.contains_key("CTM")).unwrap();
    let boundary = numbers(&all[at].attributes["Boundary"]);
    let matrix = numbers(&all[at].attributes["CTM"]);
    let code = all[at].child(&all[at + 1..], "TextCode");
    let place = |x: f64, y: f64| {
        let x = x + code.attributes["X"].parse::<f64>().unwrap();
        let y = y + code.attributes["Y"].parse::<f64>().unwrap();
        (boundary[0] + matrix[0] * x + matrix[2] * y + matrix[4], boundary[1] + matrix[1] * x + matrix[3] * y + matrix[5])
    };
    let origin = (runs[0].origin.x.to_mm(), runs[0].origin.y.to_mm());
    let near = |one: (f64, f64), other: (f64, f64)| (one.0 - other.0).hypot(one.1 - other.1) < 0.002;
    assert!(near(place(0.0, 0.0), origin), "{:?} is not {origin:?}", place(0.0, 0.0));
    let end = runs.iter().fold(Length::ZERO, |width, run| width + run.width()).to_mm();
    let (sin, cos) = rotation.to_radians().sin_cos();
    assert!(near(place(end, 0.0), (origin.0 + end * cos, origin.1 - end * sin)), "upwards to the right");
    for (x, y) in [place(0.0, 0.0), place(end, 0.0), place(0.0, -18.0), place(end, -18.0)] {
        assert!(x >= boundary[0] && x <= boundary[0] + boundary[2] && y >= boundary[1] && y <= boundary[1] + boundary[3]);
    }
}

#[test]
fn strokes_lie_inside_their_boundary_and_colours_keep_their_alpha() {
    let fonts = fonts();
    let mut document = document(&fonts);
    let mut path = specimen::bar(crate::page::Rect::mm(20.0, 30.0, 40.0, 10.0), crate::page::Rgb(1, 2, 3), 128);
    path.stroke = Some((crate::page::Rgb(4, 5, 6), Length::mm(2.0)));
    document.page.items = vec![Item::Path(path)];
    document.metadata.clear();
    let parts = parts(&rendered(&fonts, &document));
    let all = elements(part(&parts, "Doc_0/Pages/Page_0/Content.xml"));
    let at = all.iter().position(|element| element.name == "PathObject").unwrap();
    let unit = &all[at];
    assert_eq!(unit.attributes["Boundary"], "10 20 60 30");
    assert_eq!((unit.attributes["Alpha"].as_str(), unit.attributes["LineWidth"].as_str()), ("128", "2"));
    assert_eq!(unit.child(&all[at + 1..], "StrokeColor").attributes["Value"], "4 5 6");
    assert_eq!(unit.child(&all[at + 1..], "FillColor").attributes["Value"], "1 2 3");
    let data = &unit.child(&all[at + 1..], "AbbreviatedData").text;
    assert_eq!(data, "M 10 10 L 50 10 L 50 20 L 10 20 C");
}

#[test]
fn the_symbol_is_a_path_for_each_tile_in_units_of_a_module() {
    let fonts = fonts();
    let document = document(&fonts);
    let parts = parts(&rendered(&fonts, &document));
    let all = elements(part(&parts, "Doc_0/Pages/Page_0/Content.xml"));
    let first = all.iter().position(|element| element.attributes.get("Name").is_some_and(|name| name == "二维码")).unwrap();
    let symbol = specimen::symbol();
    // 29 mm are 57 modules with the quiet zone.
    let module = 29.0 / 57.0;
    let mut drawn = vec![false; symbol.side * symbol.side];
    let paths: Vec<usize> = (first..all.len()).filter(|&at| all[at].name == "PathObject").take(symbol.tiles().count()).collect();
    for at in paths {
        assert_eq!(all[at].attributes["CTM"], "0.5087719 0 0 0.5087719 0 0");
        let corner = numbers(&all[at].attributes["Boundary"]);
        let [column, row] = [(corner[0] - 21.2) / module, (corner[1] - 236.7) / module].map(|modules| modules - 4.0);
        assert!((column - column.round()).abs() < 0.002 && (row - row.round()).abs() < 0.002, "{corner:?}");
        assert!(corner[2] > 10.99 * module && corner[3] > 7.99 * module, "{corner:?}");
        let data = &all[at].child(&all[at + 1..], "AbbreviatedData").text;
        for outline in data.split_terminator(" C") {
            let corners: Vec<usize> = outline.split([' ', 'M', 'L']).filter_map(|word| word.parse().ok()).collect();
            // Left and top, left and bottom, right and bottom, right and top.
            for bar in corners.chunks(8) {
                let [left, top, right, bottom] = [bar[0], bar[1], bar[4], bar[5]];
                assert_eq!(bar, [left, top, left, bottom, right, bottom, right, top]);
                assert_eq!(bottom, top + 1);
                let line = (row.round() as usize + top) * symbol.side + column.round() as usize;
                drawn[line + left..line + right].fill(true);
            }
        }
    }
    assert_eq!(drawn, symbol.dark);
}

#[test]
fn a_file_that_will_be_sealed_leaves_its_seals_to_the_stamps() {
    let fonts = fonts();
    let document = document(&fonts);
    let renderer = OfdRenderer::new(&fonts, &[Arc::clone(&document.page.face)]).unwrap();
    let drawn = parts(&renderer.render(&document).unwrap());
    let finished = |by| {
        let unsigned = renderer.unsigned(&document, by).unwrap();
        let (page, entries) = (unsigned.page, unsigned.entries());
        let added = File { name: "Doc_0/Signs/Signatures.xml".to_owned(), bytes: b"added".to_vec() };
        (page, entries, parts(&unsigned.signed(vec![added]).unwrap()))
    };
    let units = |parts: &[(String, Vec<u8>)]| {
        let page = elements(part(parts, "Doc_0/Pages/Page_0/Content.xml"));
        page.iter().filter(|element| element.name == "PathObject").count()
    };
    let art = |item: &Item| if let Item::Seal(seal) = item { seal.art.paths.len() } else { 0 };
    for (by, missing) in [(OfdSignature::Seal, document.page.items.iter().map(art).sum()), (OfdSignature::Sign, 0)] {
        let (page, entries, mut signed) = finished(by);
        assert_eq!(units(&drawn) - units(&signed), missing, "the square one and the round one");
        let entry_point = elements(part(&signed, "OFD.xml"));
        assert_eq!(entry_point.last().map(|last| (last.name.as_str(), last.text.as_str())), Some(("Signatures", LIST)));
        let pages = elements(part(&signed, "Doc_0/Document.xml"));
        assert_eq!(pages.iter().find(|element| element.name == "Page").unwrap().number("ID"), page);
        assert_eq!(signed.pop().unwrap(), ("Doc_0/Signs/Signatures.xml".to_owned(), b"added".to_vec()));
        let seen: Vec<Entry> = signed.iter().map(|(name, bytes)| Entry::of(name, bytes)).collect();
        assert_eq!(entries, seen, "what is signed is what is in the file, in its order");
    }
    assert!(!String::from_utf8_lossy(part(&drawn, "OFD.xml")).contains("Signatures"));
}
