//! Pictures in a Word document: fitted into their box with the aspect kept, drawn as `DrawingML`, listed in the package.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::package::{Package, relations_of};
use super::value::Picture;
use super::xml::escape_into;
use crate::page::{Length, Symbol};

/// English Metric Units in a micrometre (ECMA-376 part 1, 20.1.2.1).
const EMU_PER_UM: i64 = 36;
/// Pixels of one QR module: word processors smooth small pictures when they print.
const MODULE: usize = 8;
const IMAGE_RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image";

/// The pictures that one filled document adds to its package.
#[derive(Default)]
pub struct Pictures {
    files: BTreeMap<String, Vec<u8>>,
    /// Part, relationship id and target.
    relations: Vec<(String, String, String)>,
}

impl Pictures {
    /// Adds a picture to a part and draws it.
    pub fn draw(&mut self, part: &str, picture: Picture, box_mm: [f64; 2], label: &str, out: &mut String) {
        let number = self.relations.len() + 1;
        let relation = format!("rIdFilled{number}");
        let file = format!("media/filled{number}.{}", picture.format);
        let (folder, _) = relations_of(part);
        let (w, h) = fitted(picture.size, box_mm);
        self.files.insert(format!("{folder}/{file}"), picture.bytes);
        self.relations.push((part.to_owned(), relation.clone(), file));
        let mut alt = String::new();
        escape_into(label, &mut alt);
        let id = 9000 + number;
        write!(
            out,
            concat!(
                r#"<w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" distT="0" distB="0" distL="0" distR="0">"#,
                r#"<wp:extent cx="{w}" cy="{h}"/><wp:docPr id="{id}" name="{alt}" descr="{alt}"/>"#,
                r#"<wp:cNvGraphicFramePr><a:graphicFrameLocks xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" noChangeAspect="1"/></wp:cNvGraphicFramePr>"#,
                r#"<a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture">"#,
                r#"<pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:nvPicPr><pic:cNvPr id="{id}" name="{alt}"/><pic:cNvPicPr/></pic:nvPicPr>"#,
                r#"<pic:blipFill><a:blip xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:embed="{relation}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>"#,
                r#"<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{w}" cy="{h}"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing>"#
            ),
            w = w,
            h = h,
            id = id,
            alt = alt,
            relation = relation
        )
        .expect("a string takes it");
    }

    /// The parts that the pictures change or add: files, relationships, content types.
    pub fn finish(self, package: &Package, changed: &mut BTreeMap<String, Vec<u8>>) {
        let mut types = package.part("[Content_Types].xml").unwrap_or_default().to_owned();
        for format in ["png", "jpeg"] {
            let used = self.files.keys().any(|name| name.ends_with(format));
            if used && !types.to_ascii_lowercase().contains(&format!("extension=\"{format}\"")) {
                let after_tag = types.find("<Types").and_then(|at| Some(at + types[at..].find('>')? + 1));
                insert(&mut types, after_tag, &format!(r#"<Default Extension="{format}" ContentType="image/{format}"/>"#));
                changed.insert("[Content_Types].xml".to_owned(), types.clone().into_bytes());
            }
        }
        let mut lists: BTreeMap<String, String> = BTreeMap::new();
        for (part, id, target) in self.relations {
            let (_, name) = relations_of(&part);
            let list = lists.entry(name).or_insert_with_key(|name| {
                package.part(name).map_or_else(
                    || {
                        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"></Relationships>"#
                            .to_owned()
                    },
                    str::to_owned,
                )
            });
            let one = format!(r#"<Relationship Id="{id}" Type="{IMAGE_RELATION}" Target="{target}"/>"#);
            let end = list.rfind("</Relationships>");
            insert(list, end, &one);
        }
        changed.extend(lists.into_iter().map(|(name, list)| (name, list.into_bytes())));
        changed.extend(self.files);
    }
}

/// A QR symbol of a number as a PNG, with its quiet zone.
pub fn qr(number: &str) -> Result<Picture, String> {
    let digits = number.len() - number.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (prefix, digits) = number.split_at(number.len() - digits);
    let symbol = crate::qr::symbol(prefix, digits).map_err(|_| format!("“{number}”不能做成二维码：只能用字母、数字和 -_/. 等符号"))?;
    let width = (symbol.side + 2 * Symbol::QUIET) * MODULE;
    let mut grey = vec![255_u8; width * width];
    for (row, column, count) in symbol.bars() {
        let from = (column + Symbol::QUIET) * MODULE;
        for line in grey.chunks_exact_mut(width).skip((row + Symbol::QUIET) * MODULE).take(MODULE) {
            line[from..from + count * MODULE].fill(0);
        }
    }
    let side = u32::try_from(width).expect("a symbol has at most 177 modules");
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::NoFilter)
        .write_image(&grey, side, side, ExtendedColorType::L8)
        .map_err(|e| e.to_string())?;
    Ok(Picture { bytes: bytes.into_inner(), format: "png", size: (side, side) })
}

/// Width and height in EMU: as large as the box allows, with the picture's aspect.
fn fitted((width, height): (u32, u32), [w, h]: [f64; 2]) -> (i64, i64) {
    let ratio = (w / f64::from(width)).min(h / f64::from(height));
    let emu = |pixels: u32| i64::from(Length::mm(f64::from(pixels) * ratio).to_um()) * EMU_PER_UM;
    (emu(width), emu(height))
}

/// Writes `what` at a place found in a part that the package was checked to have.
fn insert(text: &mut String, at: Option<usize>, what: &str) {
    if let Some(at) = at {
        text.insert_str(at, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_aspect() {
        let mm = 36_000;
        assert_eq!(fitted((250, 350), [25.0, 35.0]), (25 * mm, 35 * mm));
        assert_eq!(fitted((100, 100), [25.0, 35.0]), (25 * mm, 25 * mm));
        assert_eq!(fitted((100, 400), [25.0, 40.0]), (10 * mm, 40 * mm));
    }

    #[test]
    fn the_symbol_is_drawn_module_by_module() {
        let symbol = crate::qr::symbol("BJ2JZS-20240518-", "00017").unwrap();
        let picture = qr("BJ2JZS-20240518-00017").unwrap();
        let grey = image::load_from_memory(&picture.bytes).unwrap().to_luma8();
        for (i, dark) in symbol.dark.iter().enumerate() {
            let at = |module: usize| u32::try_from((module + Symbol::QUIET) * MODULE + MODULE / 2).unwrap();
            assert_eq!(grey.get_pixel(at(i % symbol.side), at(i / symbol.side)).0[0] == 0, *dark, "module {i}");
        }
        assert!(picture.bytes.len() < 4000, "{}", picture.bytes.len());
        assert!(qr("编号").is_err());
    }
}
