//! PNG: a page, or a single piece of art, drawn in pixels.

use std::sync::{Arc, OnceLock};

use image::imageops::{self, FilterType};
use image::{Rgba, RgbaImage};
use skrifa::outline::OutlinePen;
use tiny_skia::{
    Color, ColorU8, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, PixmapPaint, PremultipliedColorU8, Stroke, Transform,
};

use super::RenderError;
use crate::deflate::{self, Effort};
use crate::font::Fonts;
use crate::layout::Document;
use crate::page::{Art, Face, Image, Item, Length, Page, Path, Qr, Rect, Rgb, Seal, Segment, Symbol, Text};
use crate::record::Picture;

/// Draws PNG previews; each face is drawn once.
pub struct PngRenderer {
    fonts: Arc<Fonts>,
    dpi: u16,
    faces: Vec<DrawnFace>,
}

/// A face and its picture, drawn when it is first asked for, since a program that issues one type needs one face.
struct DrawnFace {
    digest: [u8; 32],
    pixels: OnceLock<Result<Pixmap, String>>,
}

impl PngRenderer {
    /// Takes the faces that will be drawn often, at a resolution in dots per inch.
    pub fn new(fonts: &Arc<Fonts>, faces: &[Arc<Face>], dpi: u16) -> Result<Self, RenderError> {
        if dpi == 0 {
            return Err(refused("a resolution of 0 dots per inch has no pixels; 150 is usual"));
        }
        let faces = faces.iter().map(|face| DrawnFace { digest: face.digest, pixels: OnceLock::new() }).collect();
        Ok(Self { fonts: Arc::clone(fonts), dpi, faces })
    }

    /// The document as a picture, opaque. Same document, same bytes.
    pub fn render(&self, document: &Document) -> Result<Vec<u8>, RenderError> {
        let page = &document.page;
        let mut canvas = match self.faces.iter().find(|drawn| drawn.digest == page.face.digest) {
            Some(drawn) => {
                let pixels = drawn.pixels.get_or_init(|| self.draw_face(page).map(|canvas| canvas.pixels));
                Canvas { pixels: pixels.clone().map_err(refused)?, dpi: f64::from(self.dpi) }
            }
            None => self.draw_face(page).map_err(refused)?,
        };
        canvas.draw(&self.fonts, &page.items).map_err(refused)?;
        canvas.encode(false)
    }

    /// One piece of art as a picture with a transparent ground: what a seal looks like to programs that want pixels.
    pub fn art(art: &Art, dpi: u16) -> Result<Vec<u8>, RenderError> {
        let mut canvas = Canvas::new(art.size, f64::from(dpi)).map_err(refused)?;
        for path in &art.paths {
            canvas.path(path, canvas.place());
        }
        canvas.encode(true)
    }

    fn draw_face(&self, page: &Page) -> Result<Canvas, String> {
        let mut canvas = Canvas::new(page.size, f64::from(self.dpi))?;
        canvas.pixels.fill(Color::WHITE);
        canvas.draw(&self.fonts, &page.face.items)?;
        Ok(canvas)
    }
}

fn refused(cause: impl Into<String>) -> RenderError {
    RenderError::Refused { format: "PNG", cause: cause.into() }
}

/// Pixels at a resolution. Everything is drawn in micrometres of the page through one transform.
struct Canvas {
    pixels: Pixmap,
    dpi: f64,
}

impl Canvas {
    fn new((width, height): (Length, Length), dpi: f64) -> Result<Self, String> {
        let (w, h) = (width.to_px(dpi).round().max(0.0) as u32, height.to_px(dpi).round().max(0.0) as u32);
        let pixels = Pixmap::new(w, h).ok_or_else(|| format!("{width} × {height} mm at {dpi} dpi is no picture of {w} × {h} pixels"))?;
        Ok(Self { pixels, dpi })
    }

    fn draw(&mut self, fonts: &Fonts, items: &[Item]) -> Result<(), String> {
        for item in items {
            match item {
                Item::Text(text) => self.text(fonts, text),
                Item::Image(image) => self.image(image)?,
                Item::Path(path) => self.path(path, self.place()),
                Item::Qr(qr) => self.qr(qr),
                Item::Seal(seal) => self.seal(seal),
            }
        }
        Ok(())
    }

    /// From micrometres to pixels.
    fn place(&self) -> Transform {
        let scale = self.scale() as f32;
        Transform::from_scale(scale, scale)
    }

    /// Pixels in a micrometre.
    fn scale(&self) -> f64 {
        Length::um(1).to_px(self.dpi)
    }

    fn text(&mut self, fonts: &Fonts, text: &Text) {
        let Some(first) = text.runs.first() else { return };
        let pivot = (um(first.origin.x), um(first.origin.y));
        // Counter-clockwise to the eye is a negative angle where y points down.
        let turned = self.place().pre_concat(Transform::from_rotate_at(-text.rotation as f32, pivot.0, pivot.1));
        let paint = paint(text.color, 255);
        for run in &text.runs {
            let font = fonts.font(run.font);
            let em = um(run.size) / f32::from(font.upem);
            let mut x = run.origin.x;
            for glyph in &run.glyphs {
                let mut pen = Pen(PathBuilder::new());
                font.outline(glyph.id, &mut pen);
                if let Some(outline) = pen.0.finish() {
                    let at = turned.pre_translate(um(x), um(run.origin.y)).pre_scale(em, -em);
                    self.pixels.fill_path(&outline, &paint, FillRule::Winding, at, None);
                }
                x = x + glyph.advance;
            }
        }
    }

    /// Photos have more pixels than a preview: they are resampled once, to whole pixels, so that edges stay sharp.
    fn image(&mut self, image: &Image) -> Result<(), String> {
        let (left, top, width, height) = self.whole(&image.area);
        let scaled = imageops::resize(&premultiplied(&image.picture), width, height, FilterType::CatmullRom);
        let mut picture = Pixmap::new(width, height).ok_or_else(|| format!("{}: no picture has {width} × {height} pixels", image.alt))?;
        for (to, from) in picture.pixels_mut().iter_mut().zip(scaled.pixels()) {
            let [r, g, b, a] = from.0;
            // The filter overshoots at edges; a colour may not exceed its alpha.
            *to = PremultipliedColorU8::from_rgba(r.min(a), g.min(a), b.min(a), a).expect("no colour exceeds its alpha");
        }
        self.pixels.draw_pixmap(left, top, picture.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
        Ok(())
    }

    fn path(&mut self, path: &Path, at: Transform) {
        let at = at.pre_translate(um(path.at.x), um(path.at.y));
        let mut builder = PathBuilder::new();
        for segment in &path.segments {
            match *segment {
                Segment::Move(p) => builder.move_to(um(p.x), um(p.y)),
                Segment::Line(p) => builder.line_to(um(p.x), um(p.y)),
                Segment::Cubic(a, b, p) => builder.cubic_to(um(a.x), um(a.y), um(b.x), um(b.y), um(p.x), um(p.y)),
                Segment::Close => builder.close(),
            }
        }
        let Some(outline) = builder.finish() else { return };
        if let Some(color) = path.fill {
            self.pixels.fill_path(&outline, &paint(color, path.alpha), FillRule::Winding, at, None);
        }
        if let Some((color, width)) = path.stroke {
            let stroke = Stroke { width: um(width), line_cap: LineCap::Butt, line_join: LineJoin::Miter, ..Stroke::default() };
            self.pixels.stroke_path(&outline, &paint(color, path.alpha), &stroke, at, None);
        }
    }

    /// Whole pixels to a module, or a reader sees modules of uneven width.
    fn qr(&mut self, qr: &Qr) {
        let (left, top, width, height) = self.whole(&qr.area);
        let module = module_pixels(&qr.symbol, width.min(height) as usize);
        let symbol = (qr.symbol.side * module) as f32;
        let inset = |from: i32, space: u32| (from as f32 + (space as f32 - symbol) / 2.0).floor();
        let (left, top) = (inset(left, width), inset(top, height));
        let pixels = |modules: usize| (modules * module) as f32;
        let mut builder = PathBuilder::new();
        for (row, column, count) in qr.symbol.bars() {
            let bar = tiny_skia::Rect::from_xywh(left + pixels(column), top + pixels(row), pixels(count), pixels(1));
            builder.push_rect(bar.expect("whole numbers within a page"));
        }
        if let Some(modules) = builder.finish() {
            let ink = Paint { anti_alias: false, ..paint(Rgb::BLACK, 255) };
            self.pixels.fill_path(&modules, &ink, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn seal(&mut self, seal: &Seal) {
        let ratio = |to: Length, from: Length| um(to) / um(from).max(1.0);
        let scale = (ratio(seal.area.w, seal.art.size.0), ratio(seal.area.h, seal.art.size.1));
        let at = self.place().pre_translate(um(seal.area.x), um(seal.area.y)).pre_scale(scale.0, scale.1);
        for path in &seal.art.paths {
            self.path(path, at);
        }
    }

    /// A rectangle on whole pixels: left, top, width, height, at least one pixel each way.
    fn whole(&self, area: &Rect) -> (i32, i32, u32, u32) {
        let edge = |at: Length| at.to_px(self.dpi).round() as i32;
        let (left, top, right, bottom) = (edge(area.x), edge(area.y), edge(area.right()), edge(area.bottom()));
        (left, top, (right - left).max(1) as u32, (bottom - top).max(1) as u32)
    }

    /// The ink, where everything is drawn with one, as a seal is.
    fn one_ink(&self) -> Option<ColorU8> {
        let fullest = self.pixels.pixels().iter().max_by_key(|p| p.alpha()).filter(|p| p.alpha() > 0)?;
        let same = |p: &PremultipliedColorU8| p.alpha() < fullest.alpha() || p == fullest;
        self.pixels.pixels().iter().all(same).then(|| fullest.demultiply())
    }

    /// Fixed settings, no time and no text: the bytes depend on the pixels alone.
    fn encode(&self, transparent: bool) -> Result<Vec<u8>, RenderError> {
        if let Some(ink) = self.one_ink().filter(|_| transparent) {
            return self.encode_ink(ink).map_err(|e| refused(e.to_string()));
        }
        let pixels = self.pixels.pixels();
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.pixels.width(), self.pixels.height());
        encoder.set_depth(png::BitDepth::Eight);
        let data: Vec<u8> = if transparent {
            encoder.set_color(png::ColorType::Rgba);
            encoder.set_compression(png::Compression::High);
            pixels.iter().map(PremultipliedColorU8::demultiply).flat_map(|p| [p.red(), p.green(), p.blue(), p.alpha()]).collect()
        } else {
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_compression(png::Compression::Balanced);
            pixels.iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect()
        };
        // Guilloche repeats row after row; filters hide that: they made files a third larger and took longer.
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let per_metre = (1e6 * self.scale()).round() as u32;
        encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
        let mut writer = encoder.write_header().map_err(|e| refused(e.to_string()))?;
        writer.write_image_data(&data).map_err(|e| refused(e.to_string()))?;
        writer.finish().map_err(|e| refused(e.to_string()))?;
        Ok(out)
    }

    /// In two bits a pixel and as few bytes as can be, for each file carries a seal twice: none of the ink, half of it and all
    /// of it are enough for smooth edges in print. What has its size elsewhere needs no resolution.
    fn encode_ink(&self, ink: ColorU8) -> Result<Vec<u8>, png::EncodingError> {
        let (width, full) = (self.pixels.width() as usize, u16::from(ink.alpha()));
        // Half of it only between two fifths and three fifths: half shades cost the most bytes, and fewer leave hair lines crisp.
        let shade = |p: &PremultipliedColorU8| [2, 3].map(|fifths| u8::from(u16::from(p.alpha()) * 5 > full * fifths)).iter().sum::<u8>();
        let packed = |four: &[PremultipliedColorU8]| (0..4).map(|i| four.get(i).map_or(0, shade) << (6 - 2 * i)).sum::<u8>();
        // Each row begins with its filter, which is none.
        let rows = self.pixels.pixels().chunks(width).flat_map(|row| std::iter::once(0).chain(row.chunks(4).map(packed)));
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.pixels.width(), self.pixels.height());
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Two);
        encoder.set_palette([ink.red(), ink.green(), ink.blue()].repeat(3));
        encoder.set_trns(vec![0, ink.alpha() / 2, ink.alpha()]);
        let mut writer = encoder.write_header()?;
        writer.write_chunk(png::chunk::IDAT, &deflate::zlib(&rows.collect::<Vec<u8>>(), Effort::Best))?;
        writer.finish()?;
        Ok(out)
    }
}

/// With each colour multiplied by its alpha, else the colour of transparent pixels would bleed into their neighbours.
fn premultiplied(picture: &Picture) -> RgbaImage {
    let pixels = picture.pixels();
    let across = picture.width as usize;
    RgbaImage::from_fn(picture.width, picture.height, |x, y| {
        let i = y as usize * across + x as usize;
        let alpha = pixels.alpha.map_or(255, |alpha| alpha[i]);
        let by = |c: u8| ((u16::from(c) * u16::from(alpha) + 127) / 255) as u8;
        let [r, g, b] = if pixels.channels == 1 { [pixels.colour[i]; 3] } else { [0, 1, 2].map(|channel| pixels.colour[3 * i + channel]) };
        Rgba([by(r), by(g), by(b), alpha])
    })
}

/// Pixels to a module of a symbol in a box `side` pixels wide: the nearest whole number, unless more than half the quiet zone
/// would then lie outside the box, where other things may stand.
fn module_pixels(symbol: &Symbol, side: usize) -> usize {
    let modules = symbol.side + 2 * Symbol::QUIET;
    let nearest = (2 * side + modules) / (2 * modules);
    let largest = side / (symbol.side + Symbol::QUIET).max(1);
    nearest.min(largest).max(1)
}

fn um(length: Length) -> f32 {
    // Exact: 24 bits hold 16 metres.
    length.to_um() as f32
}

fn paint(color: Rgb, alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(color.0, color.1, color.2, alpha);
    paint
}

/// A glyph's outline, in font units with y upwards.
struct Pen(PathBuilder);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to(cx, cy, x, y);
    }

    fn curve_to(&mut self, cx: f32, cy: f32, dx: f32, dy: f32, x: f32, y: f32) {
        self.0.cubic_to(cx, cy, dx, dy, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::super::specimen;
    use super::*;
    use crate::record::PictureKind;

    fn draw(document: &Document, fonts: &Arc<Fonts>, faces: &[Arc<Face>]) -> Vec<u8> {
        PngRenderer::new(fonts, faces, 150).unwrap().render(document).unwrap()
    }

    fn fonts() -> Arc<Fonts> {
        Arc::new(Fonts::embedded().unwrap())
    }

    /// The specimen with these items alone.
    fn only(fonts: &Fonts, items: Vec<Item>) -> Document {
        let mut document = specimen::document(fonts);
        document.page.face = Arc::new(Face { digest: [0; 32], items: Vec::new() });
        document.page.items = items;
        document
    }

    fn pixels(png: &[u8]) -> RgbImage {
        image::load_from_memory(png).unwrap().into_rgb8()
    }

    fn at(picture: &RgbImage, x_mm: f64, y_mm: f64) -> [u8; 3] {
        picture.get_pixel(Length::mm(x_mm).to_px(150.0) as u32, Length::mm(y_mm).to_px(150.0) as u32).0
    }

    #[test]
    fn a_page_is_the_same_bytes_with_a_kept_face_and_without() {
        let fonts = fonts();
        let document = specimen::document(&fonts);
        let renderer = PngRenderer::new(&fonts, &[Arc::clone(&document.page.face)], 150).unwrap();
        let first = renderer.render(&document).unwrap();
        assert_eq!(first, renderer.render(&document).unwrap());
        assert_eq!(first, draw(&document, &fonts, &[]));
    }

    #[test]
    fn the_file_tells_its_size_and_resolution() {
        let fonts = fonts();
        let png = draw(&only(&fonts, Vec::new()), &fonts, &[]);
        let info = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap().info().clone();
        assert_eq!((info.width, info.height, info.color_type), (1240, 1754, png::ColorType::Rgb));
        let dims = info.pixel_dims.unwrap();
        assert_eq!((dims.xppu, dims.yppu), (5906, 5906), "150 dpi in pixels per metre");
        assert!(PngRenderer::new(&fonts, &[], 0).is_err());
    }

    #[test]
    fn every_module_of_a_symbol_is_whole_pixels() {
        let fonts = fonts();
        let area = Rect::mm(20.0, 30.0, 29.0, 29.0);
        let symbol = Arc::new(specimen::symbol());
        let qr = Item::Qr(Qr { area, symbol: Arc::clone(&symbol), alt: String::new() });
        let picture = pixels(&draw(&only(&fonts, vec![qr]), &fonts, &[]));
        let module = 3;
        let (left, top) = (118 + (171 - 49 * module) / 2, 177 + (171 - 49 * module) / 2);
        for (i, &dark) in symbol.dark.iter().enumerate() {
            let (column, row) = ((i % 49) as u32, (i / 49) as u32);
            for (x, y) in [(0, 0), (2, 0), (0, 2), (2, 2)] {
                let pixel = picture.get_pixel(left + column * module + x, top + row * module + y).0;
                assert_eq!(pixel, if dark { [0; 3] } else { [255; 3] }, "module {column}, {row}");
            }
        }
        let dark = picture.pixels().filter(|p| p.0 == [0; 3]).count();
        assert_eq!(dark, symbol.dark.iter().filter(|&&d| d).count() * 9, "nothing outside the modules");
    }

    #[test]
    fn modules_grow_to_the_nearest_size_that_leaves_half_the_quiet_zone() {
        let symbol = specimen::symbol();
        assert_eq!(module_pixels(&symbol, 171), 3);
        assert_eq!(module_pixels(&symbol, 161), 3, "2.8 pixels are nearer to 3, and 159 are needed");
        assert_eq!(module_pixels(&symbol, 148), 2, "2.6 pixels are nearer to 3, but the symbol would fill the box");
        assert_eq!(module_pixels(&symbol, 10), 1);
    }

    #[test]
    fn turned_text_rises_counter_clockwise() {
        let fonts = fonts();
        let mut text = specimen::text(&fonts, "Hei", "一一一一", (50.0, 100.0), 40.0, Rgb::BLACK);
        text.rotation = 90.0;
        let picture = pixels(&draw(&only(&fonts, vec![Item::Text(text)]), &fonts, &[]));
        let ink: Vec<_> = picture.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128).map(|(x, y, _)| (x, y)).collect();
        let (left, top) = (Length::mm(50.0).to_px(150.0) as u32, Length::mm(100.0).to_px(150.0) as u32);
        assert!(ink.len() > 100);
        assert!(ink.iter().all(|&(x, y)| x < left && y < top), "a quarter turn stands above and left of its origin");
    }

    #[test]
    fn a_seal_is_scaled_into_its_box_and_lets_the_text_through() {
        let fonts = fonts();
        let rect = Rect::mm(0.0, 0.0, 10.0, 10.0);
        let art = Arc::new(Art { size: (rect.w, rect.h), paths: vec![specimen::bar(rect, Rgb(0xd9, 0x22, 0x1f), 204)] });
        let below = Item::Path(specimen::bar(Rect::mm(40.0, 40.0, 10.0, 20.0), Rgb::BLACK, 255));
        let seal = Item::Seal(Seal {
            area: Rect::mm(40.0, 40.0, 20.0, 20.0),
            art: Arc::clone(&art),
            words: String::new(),
            personal: false,
            alt: String::new(),
        });
        let picture = pixels(&draw(&only(&fonts, vec![below, seal]), &fonts, &[]));
        let close = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(close(at(&picture, 45.0, 50.0), [174, 27, 25]), "red at four fifths over black: {:?}", at(&picture, 45.0, 50.0));
        assert!(close(at(&picture, 59.0, 59.0), [225, 78, 76]), "and over white: {:?}", at(&picture, 59.0, 59.0));
        assert_eq!(at(&picture, 61.0, 50.0), [255; 3]);

        let alone = image::load_from_memory(&PngRenderer::art(&art, 300).unwrap()).unwrap().into_rgba8();
        assert_eq!((alone.width(), alone.height()), (118, 118));
        let [r, g, b, alpha] = alone.get_pixel(50, 50).0;
        assert!(close([r, g, b], [0xd9, 0x22, 0x1f]) && alpha == 204, "{r} {g} {b} {alpha}");
    }

    #[test]
    fn a_picture_fills_its_box_to_the_corners() {
        let fonts = fonts();
        let red = RgbaImage::from_pixel(64, 64, Rgba([200, 0, 0, 128]));
        let mut bytes = Vec::new();
        red.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        let picture = Arc::new(Picture::decode(&bytes, PictureKind::Signature).unwrap());
        let drawn = pixels(&draw(
            &only(&fonts, vec![Item::Image(Image { area: Rect::mm(30.0, 30.0, 20.0, 20.0), picture, alt: String::new() })]),
            &fonts,
            &[],
        ));
        for (x, y) in [(30.1, 30.1), (40.0, 40.0), (49.9, 49.9)] {
            assert_eq!(at(&drawn, x, y), [227, 127, 127], "half over white");
        }
        assert_eq!([at(&drawn, 29.8, 40.0), at(&drawn, 50.2, 40.0)], [[255; 3]; 2]);
    }
}
