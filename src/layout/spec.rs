//! The schema of `layouts/<type>.toml`, and where in the file a thing is said.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::LayoutFault;
use super::art::{FrameSpec, RosetteSpec, SealSpec};
use super::typeset::{Align, Fit, Valign};
use crate::annotation::Rules;
use crate::page::{Length, Rect, Rgb, Role};

/// A whole licence type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeSpec {
    /// 证照名称, in full, as dialogs and metadata say it.
    pub name: String,
    /// 证照类型代码: 18 characters of the standard's issuer and 3 digits.
    pub type_code: Spanned<String>,
    /// Whether that code is a stand-in until the real one is known.
    #[serde(default)]
    pub type_code_provisional: bool,
    /// The type's number in the QR capsule.
    pub qr_code: u8,
    /// How the QR carries the name.
    #[serde(default)]
    pub name_in_qr: NameInQr,
    /// What this type's numbers look like: `#` a digit, `@` a province's abbreviation, everything else as it is. None: anything.
    #[serde(default)]
    pub number_shapes: Vec<Spanned<String>>,
    /// How this type writes dates, `YYYY年MM月DD日`, where a placeholder does not say.
    pub date_form: Spanned<String>,
    /// Tables of words: what to print for each value, by `{fields.X|NAME}`.
    #[serde(default)]
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// 加注 and validity.
    pub rules: Rules,
    /// What travels as metadata.
    #[serde(default)]
    pub metadata: MetadataSpec,
    /// The sheet.
    pub page: PageSpec,
    /// The 样张 SAMPLE across files of test keys.
    #[serde(default)]
    pub sample_mark: SampleMarkSpec,
    /// Named sets of text properties.
    #[serde(default)]
    pub style: BTreeMap<String, TextSpec>,
    /// The border.
    pub frame: Option<FrameSpec>,
    /// Background rosettes.
    #[serde(default)]
    pub rosette: Vec<RosetteSpec>,
    /// Drawings: the emblem.
    #[serde(default)]
    pub drawing: Vec<Spanned<DrawingSpec>>,
    /// Straight lines.
    #[serde(default)]
    pub line: Vec<LineSpec>,
    /// Labels and values.
    #[serde(default)]
    pub text: Vec<Spanned<TextSpec>>,
    /// Photo and signature.
    #[serde(default)]
    pub image: Vec<Spanned<ImageSpec>>,
    /// The QR code.
    #[serde(default)]
    pub qr: Vec<Spanned<QrSpec>>,
    /// Seals.
    #[serde(default)]
    pub seal: Vec<Spanned<SealPlace>>,
}

/// How the QR carries the name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NameInQr {
    /// As text, when it is short enough.
    #[default]
    Plain,
    /// Always as a hash.
    Commitment,
}

/// What travels as metadata beside the names of GB/T 36903.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MetadataSpec {
    /// What becomes of the holder's identity number (CZZTDM).
    pub holder_code: HolderCode,
    /// 加注件制作事由 (JZJZZSY).
    pub annotation_reason: String,
    /// Extensions, `KZ_XB = "{holder.sex}"`; one whose value is missing is left out.
    pub extensions: BTreeMap<String, Spanned<String>>,
}

impl Default for MetadataSpec {
    fn default() -> Self {
        Self { holder_code: HolderCode::Omit, annotation_reason: "持证人使用电子证照".to_owned(), extensions: BTreeMap::new() }
    }
}

/// What becomes of the holder's identity number.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum HolderCode {
    /// It is left out.
    Omit,
    /// First three and last four characters.
    Masked,
    /// In full: for companies, whose code is public.
    Full,
}

/// The sheet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageSpec {
    /// Width and height.
    pub size_mm: [f64; 2],
}

impl PageSpec {
    pub fn size(&self) -> (Length, Length) {
        (Length::mm(self.size_mm[0]), Length::mm(self.size_mm[1]))
    }
}

/// The 样张 SAMPLE across files of test keys. Its words are fixed: no layout can drop them.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SampleMarkSpec {
    /// The middle of the words; the middle of the page when absent.
    pub centre_mm: Option<[f64; 2]>,
    /// Size.
    pub size_pt: f64,
    /// Degrees counter-clockwise.
    pub rotation: f64,
    /// Colour.
    pub color: Rgb,
}

impl Default for SampleMarkSpec {
    fn default() -> Self {
        Self { centre_mm: None, size_pt: 66.0, rotation: 30.0, color: Rgb(0xe4, 0xe4, 0xe6) }
    }
}

/// A drawing of `layouts/art/` fitted into a box.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawingSpec {
    /// The box.
    pub box_mm: Rect,
    /// The file, from the layouts' folder.
    pub file: String,
}

/// A straight line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineSpec {
    /// One end.
    pub from_mm: [f64; 2],
    /// The other end.
    pub to_mm: [f64; 2],
    /// Width.
    pub width_mm: f64,
    /// Colour.
    pub color: Rgb,
}

/// A label or a value, or (without box and words) a named style that others start from.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TextSpec {
    /// The style that fills in what is not said here.
    pub style: Option<Spanned<String>>,
    /// The box.
    pub box_mm: Option<Rect>,
    /// The words, with placeholders.
    pub text: Option<Spanned<String>>,
    /// A line for each entry of this list.
    pub each: Option<Each>,
    /// Printed only when this placeholder has a value.
    pub when: Option<Spanned<String>>,
    /// Metadata short name or field name that it prints.
    pub name: Option<String>,
    /// What it is to a reader; a text with placeholders is a value, another a label, when not said.
    pub role: Option<RoleSpec>,
    /// May touch other items, as a seal touches the issuer's name.
    pub over: Option<bool>,
    /// The chain of fonts.
    pub font: Option<Spanned<String>>,
    /// Size.
    pub size_pt: Option<f64>,
    /// The smallest size that `fit` may go down to.
    pub min_size_pt: Option<f64>,
    /// Colour.
    pub color: Option<Rgb>,
    /// Where lines stand in the box's width.
    pub align: Option<Align>,
    /// Where the lines stand in the box's height.
    pub valign: Option<Valign>,
    /// Space after each character, in em.
    pub letter_spacing: Option<f64>,
    /// From one baseline to the next, in em.
    pub line_height: Option<f64>,
    /// What happens to a text that is too long.
    pub fit: Option<Fit>,
    /// Words after which a line always ends.
    pub break_after: Option<Vec<String>>,
}

impl TextSpec {
    /// This text with a style's properties where it says nothing itself.
    pub fn over_style(&self, style: &Self) -> Self {
        Self {
            style: self.style.clone(),
            box_mm: self.box_mm.or(style.box_mm),
            text: self.text.clone().or_else(|| style.text.clone()),
            each: self.each.or(style.each),
            when: self.when.clone().or_else(|| style.when.clone()),
            name: self.name.clone().or_else(|| style.name.clone()),
            role: self.role.or(style.role),
            over: self.over.or(style.over),
            font: self.font.clone().or_else(|| style.font.clone()),
            size_pt: self.size_pt.or(style.size_pt),
            min_size_pt: self.min_size_pt.or(style.min_size_pt),
            color: self.color.or(style.color),
            align: self.align.or(style.align),
            valign: self.valign.or(style.valign),
            letter_spacing: self.letter_spacing.or(style.letter_spacing),
            line_height: self.line_height.or(style.line_height),
            fit: self.fit.or(style.fit),
            break_after: self.break_after.clone().or_else(|| style.break_after.clone()),
        }
    }
}

/// A list of the record.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Each {
    /// The specialties that have not ended.
    Specialties,
}

/// [`Role`] as layouts write it.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RoleSpec {
    Title,
    Label,
    Value,
    Ornament,
}

impl From<RoleSpec> for Role {
    fn from(role: RoleSpec) -> Self {
        match role {
            RoleSpec::Title => Self::Title,
            RoleSpec::Label => Self::Label,
            RoleSpec::Value => Self::Value,
            RoleSpec::Ornament => Self::Ornament,
        }
    }
}

/// Photo or signature.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageSpec {
    /// The box; the picture keeps its proportion and stands in the middle.
    pub box_mm: Rect,
    /// Which picture.
    pub source: ImageSource,
    /// What it shows.
    pub alt: String,
    /// Left out when the record has none.
    #[serde(default)]
    pub optional: bool,
    /// May touch other items.
    #[serde(default)]
    pub over: bool,
    /// A thin line around it.
    pub border: Option<BorderSpec>,
}

/// A thin line around a picture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BorderSpec {
    /// Width.
    pub width_mm: f64,
    /// Colour.
    pub color: Rgb,
}

/// A picture of the record.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum ImageSource {
    /// 免冠证件照.
    #[serde(rename = "holder.photo")]
    Photo,
    /// 手写签字.
    #[serde(rename = "holder.signature")]
    Signature,
}

/// The QR code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QrSpec {
    /// The box, quiet zone included.
    pub box_mm: Rect,
    /// What it is.
    pub alt: String,
    /// May touch other items.
    #[serde(default)]
    pub over: bool,
}

/// A seal on the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealPlace {
    /// Its middle.
    pub centre_mm: [f64; 2],
    /// The words of the seal.
    pub alt: String,
    /// How it is drawn.
    pub art: SealSpec,
    /// May touch other items.
    #[serde(default)]
    pub over: bool,
}

/// A layout file's text, to turn offsets into places.
pub(super) struct Source<'a> {
    /// The file's name in messages, `layouts/constructor-1.toml`.
    pub file: &'a str,
    /// What it says.
    pub text: &'a str,
}

impl Source<'_> {
    /// `file:line:column`, both counted from 1, the column in characters.
    pub fn place(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.file)
    }

    /// The place `inside` bytes into a string value: exact where the value is written without escapes.
    pub fn place_inside(&self, span: &Range<usize>, value: &str, inside: usize) -> String {
        let plain = self.text.get(span.clone()).is_some_and(|raw| raw.len() == value.len() + 2 && raw.contains(value));
        self.place(if plain { span.start + 1 + inside } else { span.start })
    }

    /// A fault at an offset.
    pub fn fault(&self, offset: usize, message: impl Into<String>) -> LayoutFault {
        LayoutFault { place: self.place(offset), message: message.into() }
    }

    /// Reads the file, refusing unknown keys.
    pub fn parse(&self) -> Result<TypeSpec, LayoutFault> {
        toml::from_str(self.text).map_err(|error| {
            let message = error.message().replace('\n', " ");
            self.fault(error.span().map_or(0, |s| s.start), with_nearest_key(message))
        })
    }
}

/// Adds the nearest key to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_nearest_key(message: String) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let nearest = match quoted.next() {
        Some(unknown) if message.starts_with("unknown") => nearest(unknown, quoted),
        _ => None,
    };
    match nearest {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}

/// The most similar of some names, when one is similar at all.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k))
        .filter(|(likeness, _)| *likeness >= 0.4)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
