//! Sets words in a box: Chinese line breaking, shrinking to fit, and every glyph at its final place.
//!
//! Baselines: a line's em box is one em high and centred in the room that the line has; the baseline stands 0.88 em
//! below its top, where Han characters of all our fonts sit (`OS/2` typographic ascender 880 of 1000, descender −120).

use std::ops::Range;

use serde::Deserialize;

use crate::font::{ChainId, FontId, Fonts};
use crate::page::{Glyph, Length, Point, Rect, Rgb, Run};

/// Where the baseline stands in the em box, from its top.
const BASELINE: f64 = 0.88;

/// Steps in which a text shrinks, in points.
const STEP: f64 = 0.5;

/// A text that may be broken is first tried this many steps smaller on one line.
const STEPS_BEFORE_BREAKING: u8 = 2;

/// How words are set.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Style {
    pub chain: ChainId,
    /// Size, in points.
    pub size: f64,
    /// The smallest size that `fit` may go down to, in points.
    pub min_size: f64,
    pub color: Rgb,
    pub align: Align,
    pub valign: Valign,
    /// Space after each character but a line's last, in em.
    pub letter_spacing: f64,
    /// From one baseline to the next, in em.
    pub line_height: f64,
    pub fit: Fit,
    /// Words after which a line always ends.
    pub break_after: Vec<String>,
}

/// Where lines stand in the box's width.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Align {
    #[default]
    Left,
    Center,
    Right,
    /// Spread over the whole width, a final colon with the last character: 姓　　名：
    Justify,
}

/// Where the lines stand in the box's height.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Valign {
    /// The first line where a line of the full size would stand, so that it stays level with its label when it shrinks.
    Top,
    #[default]
    Middle,
    /// The last line where a line of the full size would stand.
    Bottom,
}

/// What happens to a text that is too long.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fit {
    /// It is refused.
    #[default]
    Refuse,
    /// It gets smaller.
    Shrink,
    /// It is broken into lines.
    Wrap,
    /// It is broken into lines, and gets smaller when they are too many.
    WrapShrink,
}

impl Fit {
    fn wraps(self) -> bool {
        matches!(self, Self::Wrap | Self::WrapShrink)
    }

    fn shrinks(self) -> bool {
        matches!(self, Self::Shrink | Self::WrapShrink)
    }
}

/// Set words.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The words, with `\n` where a line ends.
    pub content: String,
    /// The glyphs.
    pub runs: Vec<Run>,
}

/// Why words cannot be set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SetFault {
    /// No font of the chain has these characters.
    NoGlyph(Vec<char>),
    /// They do not fit at the smallest size, given in tenths of a point.
    Overflow { tenths: u32, lines: usize },
}

/// A character with its glyph.
#[derive(Clone, Copy)]
struct Sign {
    ch: char,
    font: FontId,
    glyph: u16,
    /// Distance to the next sign, in em.
    advance: f64,
}

/// Sets words in a box.
pub(super) fn set(fonts: &Fonts, style: &Style, area: Rect, words: &str) -> Result<Setting, SetFault> {
    let paragraphs = shape(fonts, style, words)?;
    let least = if style.fit.shrinks() { style.min_size.min(style.size) } else { style.size };
    let steps = ((style.size - least) / STEP).floor() as u32;
    let size_after = |step: u32| style.size - f64::from(step) * STEP;
    if style.fit.wraps() {
        for step in 0..=u32::from(STEPS_BEFORE_BREAKING).min(steps) {
            let setter = Setter { style, area, size: Length::pt(size_after(step)) };
            let lines = whole(&paragraphs);
            if setter.fits(&paragraphs, &lines) {
                return Ok(setter.place(&paragraphs, &lines));
            }
        }
    }
    let mut count = 0;
    for step in 0..=steps {
        let setter = Setter { style, area, size: Length::pt(size_after(step)) };
        for at_names in [true, false] {
            let lines = if style.fit.wraps() { setter.broken(&paragraphs, at_names) } else { whole(&paragraphs) };
            if setter.fits(&paragraphs, &lines) {
                return Ok(setter.place(&paragraphs, &lines));
            }
            count = lines.len();
        }
    }
    Err(SetFault::Overflow { tenths: (size_after(steps) * 10.0).round() as u32, lines: count })
}

/// Sets words of one font around a point, rotated counter-clockwise. The run starts where rotation begins.
pub(super) fn set_rotated(fonts: &Fonts, style: &Style, centre: Point, degrees: f64, words: &str) -> Result<Setting, SetFault> {
    let paragraphs = shape(fonts, style, words)?;
    let setter = Setter { style, area: Rect { x: centre.x, y: centre.y, ..Rect::default() }, size: Length::pt(style.size) };
    let mut setting = setter.place(&paragraphs, &whole(&paragraphs));
    let (sin, cos) = degrees.to_radians().sin_cos();
    for run in &mut setting.runs {
        let (half, up) = (run.width().to_mm() / 2.0, setter.size.to_mm() * (BASELINE - 0.5));
        run.origin = Point { x: centre.x + Length::mm(up * sin - half * cos), y: centre.y + Length::mm(up * cos + half * sin) };
    }
    Ok(setting)
}

/// Finds the glyphs, a list for each given line; the words of `break_after` end one.
fn shape(fonts: &Fonts, style: &Style, words: &str) -> Result<Vec<Vec<Sign>>, SetFault> {
    let mut missing = Vec::new();
    let mut paragraphs = Vec::new();
    for line in words.split('\n') {
        let mut start = 0;
        while let Some(end) = style.break_after.iter().filter_map(|w| Some(start + line[start..].find(w.as_str())? + w.len())).min() {
            if end == line.len() {
                break;
            }
            paragraphs.push(signs(fonts, style.chain, &line[start..end], &mut missing));
            start = end;
        }
        paragraphs.push(signs(fonts, style.chain, &line[start..], &mut missing));
    }
    if missing.is_empty() { Ok(paragraphs) } else { Err(SetFault::NoGlyph(missing)) }
}

fn signs(fonts: &Fonts, chain: ChainId, line: &str, missing: &mut Vec<char>) -> Vec<Sign> {
    let mut signs: Vec<Sign> = Vec::with_capacity(line.len() / 2);
    for ch in line.chars() {
        let Some((id, glyph)) = fonts.glyph(chain, ch) else {
            if !missing.contains(&ch) {
                missing.push(ch);
            }
            continue;
        };
        let font = fonts.font(id);
        let mut advance = f64::from(font.advance(glyph)) / f64::from(font.upem);
        // 间隔号 takes half a character (GB/T 15834-2011): a full-width glyph gives up a quarter on either side.
        if ch == '·'
            && advance > 0.9
            && let Some(before) = signs.last_mut()
        {
            before.advance -= 0.25;
            advance -= 0.25;
        }
        signs.push(Sign { ch, font: id, glyph, advance });
    }
    signs
}

/// One line: which paragraph, and which of its signs.
type Line = (usize, Range<usize>);

/// Each paragraph on a line of its own.
fn whole(paragraphs: &[Vec<Sign>]) -> Vec<Line> {
    paragraphs.iter().enumerate().map(|(i, p)| (i, 0..p.len())).collect()
}

/// Words in one box at one size.
struct Setter<'a> {
    style: &'a Style,
    area: Rect,
    size: Length,
}

impl Setter<'_> {
    /// The advances of a line's signs at this size, letter spacing included except after the last.
    fn advances<'s>(&'s self, signs: &'s [Sign]) -> impl Iterator<Item = Length> + 's {
        let last = signs.len().saturating_sub(1);
        signs
            .iter()
            .enumerate()
            .map(move |(i, sign)| self.size.scaled(if i == last { sign.advance } else { sign.advance + self.style.letter_spacing }))
    }

    fn width(&self, signs: &[Sign]) -> Length {
        self.advances(signs).fold(Length::ZERO, |sum, advance| sum + advance)
    }

    /// From the top of the first em box to the bottom of the last.
    fn height(&self, lines: usize) -> Length {
        self.size + self.size.scaled(self.style.line_height) * (lines.max(1) as i32 - 1)
    }

    /// What a shrunk line keeps free above itself so that it stays level with one of full size.
    fn inset(&self) -> Length {
        match self.style.valign {
            Valign::Middle => Length::ZERO,
            Valign::Top | Valign::Bottom => (Length::pt(self.style.size) - self.size) / 2,
        }
    }

    fn fits(&self, paragraphs: &[Vec<Sign>], lines: &[Line]) -> bool {
        self.inset() + self.height(lines.len()) <= self.area.h
            && lines.iter().all(|(p, range)| self.width(&paragraphs[*p][range.clone()]) <= self.area.w)
    }

    /// Breaks every paragraph to the width of the box.
    fn broken(&self, paragraphs: &[Vec<Sign>], at_names: bool) -> Vec<Line> {
        let em = self.size.to_mm();
        let limit = self.area.w.to_mm() / em;
        let mut lines = Vec::new();
        for (i, signs) in paragraphs.iter().enumerate() {
            lines.extend(break_evenly(signs, limit, self.style.letter_spacing, at_names).into_iter().map(|range| (i, range)));
        }
        lines
    }

    fn place(&self, paragraphs: &[Vec<Sign>], lines: &[Line]) -> Setting {
        let height = self.height(lines.len());
        let top = match self.style.valign {
            Valign::Top => self.area.y + self.inset(),
            Valign::Middle => self.area.y + (self.area.h - height) / 2,
            Valign::Bottom => self.area.bottom() - self.inset() - height,
        };
        let mut setting = Setting { content: String::new(), runs: Vec::with_capacity(lines.len()) };
        for (n, (p, range)) in lines.iter().enumerate() {
            let signs = &paragraphs[*p][range.clone()];
            if n > 0 {
                setting.content.push('\n');
            }
            setting.content.extend(signs.iter().map(|s| s.ch));
            let mut advances: Vec<Length> = self.advances(signs).collect();
            let width = advances.iter().fold(Length::ZERO, |sum, &a| sum + a);
            let x = match self.style.align {
                Align::Left => self.area.x,
                Align::Center => self.area.x + (self.area.w - width) / 2,
                Align::Right => self.area.right() - width,
                Align::Justify => {
                    spread(signs, &mut advances, self.area.w - width);
                    self.area.x
                }
            };
            let y = top + self.size.scaled(BASELINE) + self.size.scaled(self.style.line_height) * n as i32;
            self.push_runs(&mut setting.runs, signs, &advances, Point { x, y });
        }
        setting
    }

    /// A run for each stretch of signs of one font.
    fn push_runs(&self, runs: &mut Vec<Run>, signs: &[Sign], advances: &[Length], mut origin: Point) {
        let mut rest = signs.iter().zip(advances).peekable();
        while let Some((first, _)) = rest.peek() {
            let font = first.font;
            let mut glyphs = Vec::with_capacity(rest.len());
            let mut x = origin.x;
            while let Some((sign, &advance)) = rest.next_if(|(sign, _)| sign.font == font) {
                glyphs.push(Glyph { id: sign.glyph, ch: sign.ch, advance });
                x = x + advance;
            }
            runs.push(Run { font, size: self.size, origin, glyphs });
            origin.x = x;
        }
    }
}

/// Spreads `extra` over the gaps between characters, final punctuation staying with the last.
fn spread(signs: &[Sign], advances: &mut [Length], extra: Length) {
    let words = signs.iter().rposition(|s| !never_first(s.ch)).map_or(0, |last| last + 1);
    let gaps = words.saturating_sub(1) as i32;
    for (i, advance) in advances.iter_mut().take(gaps as usize).enumerate() {
        // The rounding's rest goes to the gaps one after the other, so that the sum is exact.
        let i = i as i32;
        *advance = *advance + extra * (i + 1) / gaps - extra * i / gaps;
    }
}

/// Breaks a paragraph into lines of at most `limit` em; a last line of one or two characters gets company.
fn break_evenly(signs: &[Sign], limit: f64, spacing: f64, at_names: bool) -> Vec<Range<usize>> {
    const FEW: f64 = 3.0;
    let lines = break_greedily(signs, limit, spacing, at_names);
    let width = |range: &Range<usize>| signs[range.clone()].iter().map(|s| s.advance + spacing).sum::<f64>();
    if lines.len() < 2 || lines.last().is_none_or(|last| width(last) > FEW) {
        return lines;
    }
    let mut narrower = limit - 1.0;
    while narrower > limit * 0.6 {
        let even = break_greedily(signs, narrower, spacing, at_names);
        if even.len() > lines.len() {
            break;
        }
        if even.last().is_some_and(|last| width(last) > FEW) {
            return even;
        }
        narrower -= 1.0;
    }
    lines
}

/// Fills line after line. With `at_names`, a line ends after the dot of a name or at a space if that fills half of it.
fn break_greedily(signs: &[Sign], limit: f64, spacing: f64, at_names: bool) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    loop {
        let (mut width, mut end, mut best, mut name) = (0.0, start, None, None);
        while let Some(sign) = signs.get(end) {
            // A space at the end of a line hangs over its edge.
            if width + sign.advance > limit && sign.ch != ' ' {
                break;
            }
            width += sign.advance + spacing;
            end += 1;
            if end < signs.len() && may_break(sign.ch, signs[end].ch) {
                best = Some(end);
                if matches!(sign.ch, '·' | ' ') && width > limit * 0.5 {
                    name = Some(end);
                }
            }
        }
        if end == signs.len() {
            lines.push(start..end);
            return lines;
        }
        let cut = name.filter(|_| at_names).or(best).unwrap_or(end.max(start + 1));
        let shown = signs[start..cut].iter().rposition(|s| s.ch != ' ').map_or(start, |last| start + last + 1);
        lines.push(start..shown);
        start = cut;
    }
}

/// Whether a line may end between two characters (GB/T 15834-2011 5.1).
fn may_break(before: char, after: char) -> bool {
    if after == ' ' || never_first(after) || never_last(before) {
        return false;
    }
    before == ' ' || !(in_word(before) && in_word(after))
}

/// Punctuation that no line starts with.
fn never_first(ch: char) -> bool {
    matches!(
        ch,
        '，' | '。'
            | '、'
            | '：'
            | '；'
            | '！'
            | '？'
            | '）'
            | '》'
            | '〉'
            | '」'
            | '』'
            | '】'
            | '〕'
            | '”'
            | '’'
            | '…'
            | '—'
            | '·'
            | '％'
            | '‰'
            | '℃'
            | ','
            | '.'
            | ':'
            | ';'
            | '!'
            | '?'
            | ')'
            | ']'
            | '}'
            | '%'
    )
}

/// Punctuation that no line ends with.
fn never_last(ch: char) -> bool {
    matches!(ch, '（' | '《' | '〈' | '「' | '『' | '【' | '〔' | '“' | '‘' | '(' | '[' | '{' | '￥' | '$')
}

/// Part of a word or a number of an alphabetic script.
fn in_word(ch: char) -> bool {
    ch.is_ascii_graphic() || (ch.is_alphanumeric() && (ch as u32) < 0x2E80)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static FONTS: LazyLock<Fonts> = LazyLock::new(|| Fonts::embedded().unwrap());

    fn style(fit: Fit) -> Style {
        Style {
            chain: FONTS.chain("Hei").unwrap(),
            size: 16.0,
            min_size: 8.0,
            color: Rgb::BLACK,
            align: Align::Left,
            valign: Valign::Top,
            letter_spacing: 0.0,
            line_height: 1.25,
            fit,
            break_after: Vec::new(),
        }
    }

    /// Room for `em` characters of 16 pt and `lines` lines.
    fn room(em: f64, lines: i32) -> Rect {
        let size = Length::pt(16.0);
        Rect { x: Length::mm(10.0), y: Length::mm(20.0), w: size.scaled(em), h: size + size.scaled(1.25) * (lines - 1) }
    }

    fn lines(style: &Style, area: Rect, words: &str) -> Vec<String> {
        let setting = set(&FONTS, style, area, words).unwrap();
        for run in &setting.runs {
            let ink = Rect { x: run.origin.x, y: run.origin.y - run.size.scaled(BASELINE), w: run.width(), h: run.size };
            assert!(area.contains(&ink), "{ink:?} in {area:?}");
        }
        setting.content.split('\n').map(str::to_owned).collect()
    }

    #[test]
    fn the_em_box_is_centred_and_the_baseline_stands_at_0_88() {
        let setting = set(&FONTS, &Style { valign: Valign::Middle, ..style(Fit::Refuse) }, room(4.0, 3), "王䶮").unwrap();
        let size = Length::pt(16.0);
        let middle = room(4.0, 3).centre().y;
        assert_eq!(setting.runs[0].origin.y, middle - size / 2 + size.scaled(0.88));
        assert_eq!(setting.runs[0].width(), size * 2);
    }

    #[test]
    fn no_line_starts_or_ends_with_the_wrong_punctuation() {
        let words = "建筑工程（有效期：2019-10-14至2022-10-13），“市政”公用工程。";
        for em in 8..30 {
            for line in lines(&style(Fit::Wrap), room(f64::from(em), 9), words) {
                assert!(!line.starts_with(never_first), "{em}: {line}");
                assert!(!line.ends_with(never_last), "{em}: {line}");
                let dates = line.matches(|c: char| c.is_ascii_digit() || c == '-').count();
                assert_eq!(dates % 10, 0, "a date stays whole: {em}: {line}");
            }
        }
    }

    #[test]
    fn names_break_after_their_dots_and_words_at_spaces() {
        let wrap = style(Fit::Wrap);
        assert_eq!(lines(&wrap, room(13.0, 2), "阿卜杜热西提·麦麦提艾力·图尔荪尼亚孜"), ["阿卜杜热西提·麦麦提艾力·", "图尔荪尼亚孜"]);
        assert_eq!(lines(&wrap, room(12.0, 2), "JOHANN SEBASTIAN MAXIMILIAN"), ["JOHANN SEBASTIAN", "MAXIMILIAN"]);
        assert_eq!(lines(&wrap, room(5.0, 4), "HOTTENTOTTENSTAAT"), ["HOTTEN", "TOTTEN", "STAAT"], "a word longer than a line breaks");
    }

    #[test]
    fn the_dot_between_names_takes_half_a_character() {
        let setting = set(&FONTS, &style(Fit::Refuse), room(9.0, 1), "买买提·吐尔逊").unwrap();
        let em = Length::pt(16.0);
        assert!((setting.runs[0].width() - em.scaled(6.5)).to_um().abs() <= 7);
        assert_eq!(setting.runs[0].glyphs[2].advance, em.scaled(0.75), "the glyph moves left with its room");
    }

    #[test]
    fn a_text_that_nearly_fits_shrinks_before_it_breaks() {
        assert_eq!(lines(&style(Fit::WrapShrink), room(10.0, 2), "北京测试云川建筑工程").len(), 1);
        let setting = set(&FONTS, &style(Fit::WrapShrink), room(10.0, 2), "北京测试云川建筑工程处").unwrap();
        assert_eq!(setting.runs.len(), 2, "eleven characters need 14.5 pt, more than a point less");
        let setting = set(&FONTS, &style(Fit::WrapShrink), room(15.1, 2), "北京测试云川建筑工程有限公司处处").unwrap();
        assert_eq!((setting.runs.len(), setting.runs[0].size), (1, Length::pt(15.0)));
    }

    #[test]
    fn a_last_line_gets_company() {
        let broken = lines(&style(Fit::Wrap), room(10.0, 2), "北京测试云川建筑工程处");
        assert!(broken[1].chars().count() >= 3, "{broken:?}");
    }

    #[test]
    fn a_shrunk_first_line_stays_level_with_its_label() {
        let full = set(&FONTS, &style(Fit::Shrink), room(8.0, 1), "北京测试云川建筑").unwrap().runs.remove(0);
        let small = set(&FONTS, &style(Fit::Shrink), room(8.0, 1), "北京测试云川建筑工程公司").unwrap().runs.remove(0);
        let middle = |run: &Run| run.origin.y - run.size.scaled(BASELINE - 0.5);
        assert!(small.size < full.size);
        assert!((middle(&full) - middle(&small)).to_um().abs() <= 2);
    }

    #[test]
    fn labels_share_both_edges() {
        let area = room(5.0, 1);
        for label in ["姓名：", "有效期：", "出生日期："] {
            let setting = set(&FONTS, &Style { align: Align::Justify, ..style(Fit::Refuse) }, area, label).unwrap();
            assert_eq!(setting.runs[0].width(), area.w, "{label}");
            assert_eq!(setting.content, label);
        }
    }

    #[test]
    fn fallback_glyphs_stand_in_runs_of_their_own() {
        let bold = Style { chain: FONTS.chain("HeiBold").unwrap(), ..style(Fit::Refuse) };
        let setting = set(&FONTS, &bold, room(5.0, 1), "测試丶㐀中").unwrap();
        assert!(setting.runs.len() > 1);
        assert!(setting.runs.windows(2).all(|two| two[0].font != two[1].font && two[0].origin.x + two[0].width() == two[1].origin.x));
        let text: String = setting.runs.iter().map(Run::text).collect();
        assert_eq!(text, "测試丶㐀中");
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        let overflow = set(&FONTS, &style(Fit::Refuse), room(2.0, 1), "王䶮王").unwrap_err();
        assert_eq!(overflow, SetFault::Overflow { tenths: 160, lines: 1 });
        let overflow = set(&FONTS, &style(Fit::WrapShrink), room(2.0, 1), "王䶮王䶮王䶮王䶮王䶮").unwrap_err();
        assert_eq!(overflow, SetFault::Overflow { tenths: 80, lines: 3 });
        let missing = set(&FONTS, &style(Fit::Refuse), room(9.0, 1), "王\u{E000}\u{202E}\u{E000}").unwrap_err();
        assert_eq!(missing, SetFault::NoGlyph(vec!['\u{E000}', '\u{202E}']));
    }

    #[test]
    fn rotated_words_keep_their_middle() {
        let centre = Point { x: Length::mm(105.0), y: Length::mm(148.0) };
        let setting = set_rotated(&FONTS, &style(Fit::Refuse), centre, 90.0, "样张").unwrap();
        let run = &setting.runs[0];
        // Reading upwards: the em box lies left of the baseline, the words above the origin.
        assert!((run.origin.y - run.width() / 2 - centre.y).to_um().abs() <= 1);
        assert!((run.origin.x - run.size.scaled(0.38) - centre.x).to_um().abs() <= 1);
    }
}
