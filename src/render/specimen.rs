//! A page with one of everything, for the tests of the renderers that draw it.

use std::sync::Arc;

use crate::font::Fonts;
use crate::layout::Document;
use crate::layout::art::{self, FrameSpec, RosetteSpec};
use crate::page::{Face, Glyph, Image, Item, Length, Page, Path, Point, Qr, Rect, Rgb, Role, Run, Seal, Segment, Symbol, Text};
use crate::record::{Picture, PictureKind};

const A4: (Length, Length) = (Length::um(210_000), Length::um(297_000));

/// Text on one line, its baseline starting at (x, y) millimetres.
pub fn text(fonts: &Fonts, chain: &str, content: &str, (x, y): (f64, f64), pt: f64, color: Rgb) -> Text {
    let chain = fonts.chain(chain).expect("a chain of fonts.toml");
    let size = Length::pt(pt);
    let mut runs: Vec<Run> = Vec::new();
    let mut at = Point { x: Length::mm(x), y: Length::mm(y) };
    for ch in content.chars() {
        let (font, id) = fonts.glyph(chain, ch).expect("a glyph");
        let advance = size.scaled(f64::from(fonts.font(font).advance(id)) / f64::from(fonts.font(font).upem));
        if runs.last().is_none_or(|run| run.font != font) {
            runs.push(Run { font, size, origin: at, glyphs: Vec::new() });
        }
        runs.last_mut().expect("just pushed").glyphs.push(Glyph { id, ch, advance });
        at.x = at.x + advance;
    }
    let area = Rect { x: Length::mm(x), y: Length::mm(y) - size, w: at.x - Length::mm(x), h: size };
    Text { role: Role::Value, name: None, content: content.to_owned(), runs, color, rotation: 0.0, area }
}

/// A filled rectangle.
pub fn bar(area: Rect, color: Rgb, alpha: u8) -> Path {
    let corner = |x, y| Point { x, y };
    let segments = vec![
        Segment::Move(corner(area.x, area.y)),
        Segment::Line(corner(area.right(), area.y)),
        Segment::Line(corner(area.right(), area.bottom())),
        Segment::Line(corner(area.x, area.bottom())),
        Segment::Close,
    ];
    Path { at: Point::default(), segments, fill: Some(color), stroke: None, alpha }
}

/// A symbol of version 8's size with finders and a pattern that is no code.
pub fn symbol() -> Symbol {
    let side = 49;
    let finder = |x: usize, y: usize| {
        let ring = x.abs_diff(3).max(y.abs_diff(3));
        (ring <= 4).then_some(ring != 2 && ring != 4)
    };
    let dark = |i: usize| {
        let (x, y) = (i % side, i / side);
        let corners = [finder(x, y), finder(side - 1 - x, y), finder(x, side - 1 - y)];
        corners.into_iter().flatten().next().unwrap_or((x * x + y * y * 3 + x * y) % 7 < 3)
    };
    Symbol { side, dark: (0..side * side).map(dark).collect() }
}

/// A photograph of the samples.
pub fn photo() -> Picture {
    Picture::decode(include_bytes!("../../samples/records/photos/p01.jpg"), PictureKind::Photo).expect("a good sample")
}

/// A signature of the samples, with alpha.
pub fn signature() -> Picture {
    Picture::decode(include_bytes!("../../samples/records/signatures/s01.png"), PictureKind::Signature).expect("a good sample")
}

/// A document with one of everything, set out like a licence.
pub fn document(fonts: &Fonts) -> Document {
    let emblem = art::drawing(include_str!("../../layouts/art/emblem.svg"), "emblem.svg").expect("a good drawing");
    let paths = art::rosette(&RosetteSpec::at([105.0, 163.0])).into_iter().chain(art::frame(&FrameSpec::default(), A4));
    let mut face: Vec<Item> = paths.chain(art::fitted(&emblem, &Rect::mm(94.5, 24.5, 21.0, 21.0))).map(Item::Path).collect();
    let mut title = text(fonts, "HeiBold", "一级建造师注册证书", (62.0, 75.0), 26.0, Rgb(0xc8, 0x16, 0x1d));
    title.role = Role::Title;
    let mut across = text(fonts, "HeiBold", "样张 SAMPLE", (52.0, 228.0), 66.0, Rgb(0xe4, 0xe4, 0xe6));
    (across.role, across.rotation) = (Role::Ornament, 30.0);
    face.extend([Item::Text(across), Item::Text(title)]);

    let line = |chain, content, x, y, pt| Item::Text(text(fonts, chain, content, (x, y), pt, Rgb::BLACK));
    let image = |area: Rect, picture: Picture, alt: &str| {
        let area = area.fit(picture.width, picture.height);
        Item::Image(Image { area, picture: Arc::new(picture), alt: alt.to_owned() })
    };
    let seal = |toml, x: f64, y: f64| {
        let spec: art::SealSpec = toml::from_str(toml).expect("a good seal");
        let art = Arc::new(art::seal(&spec, fonts).expect("a drawn seal"));
        let (w, h) = art.size;
        let area = Rect { x: Length::mm(x) - w / 2, y: Length::mm(y) - h / 2, w, h };
        let personal = spec.shape == art::SealShape::Square;
        Item::Seal(Seal { area, art, words: spec.text, personal, alt: "测试专用章".to_owned() })
    };
    let items = vec![
        line("Hei", "姓　　名：王䶮 𬎆 㛃 O'Brien", 30.0, 92.0, 16.0),
        line("Song", "注册编号：京1112012201990001", 30.0, 106.0, 16.0),
        line("Kai", "聘用企业：北京测试云川建筑工程有限公司", 30.0, 148.0, 16.0),
        line("Hei", "注册专业：建筑工程（有效期：2019-10-14至2022-10-13）", 30.0, 164.0, 12.0),
        image(Rect::mm(144.6, 83.6, 38.8, 49.4), photo(), "照片"),
        image(Rect::mm(56.4, 239.5, 34.9, 15.2), signature(), "签名"),
        Item::Qr(Qr { area: Rect::mm(21.2, 236.7, 29.0, 29.0), symbol: Arc::new(symbol()), alt: "二维码".to_owned() }),
        line("Hei", "中华人民共和国", 120.0, 215.0, 14.0),
        line("Hei", "住房和城乡建设部", 117.5, 223.0, 14.0),
        seal("text = '示例住房和城乡建设主管部门'", 138.0, 218.0),
        seal("text = '主任委员测试专用章'\nshape = 'square'", 175.0, 222.0),
    ];
    Document {
        page: Page { size: A4, face: Arc::new(Face { digest: [7; 32], items: face }), items },
        title: "一级建造师注册证书".to_owned(),
        author: "发证机关".to_owned(),
        subject: "京1112012201990001".to_owned(),
        id: [1; 16],
        instant: jiff::Timestamp::UNIX_EPOCH,
        test: true,
        metadata: Vec::new(),
        code: "https://example.invalid/v/123".to_owned(),
        statement: b"{}".to_vec(),
    }
}
