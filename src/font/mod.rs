//! Typefaces: which glyph a character has along a chain of fonts, its metrics and outline, and subsets for embedding.

mod sfnt;
mod subset;

use std::path::Path as FilePath;

use serde::Deserialize;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

pub use subset::{Subset, extended, program, subset};

/// Which of the loaded fonts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FontId(u8);

/// A typeface with its fallbacks, known by the name that layouts use (`Hei`, `HeiBold`, `Song`, `Kai`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChainId(u8);

/// What can be wrong with the fonts themselves.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// A font file cannot be read.
    #[error("{file}: cannot be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A font file is no TrueType font that we can embed.
    #[error("{file}: not a TrueType font with glyf outlines: {cause}")]
    Malformed {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
    /// `fonts.toml` does not parse or names a font that it does not declare.
    #[error("{file}: {cause}")]
    Manifest {
        /// The file.
        file: String,
        /// Why.
        cause: String,
    },
}

/// One font, parsed.
pub struct Font {
    /// PostScript name without the subset tag, for example `CertpressHei`.
    pub name: String,
    /// The whole file.
    pub data: &'static [u8],
    /// Units per em.
    pub upem: u16,
    /// Height above the baseline in font units.
    pub ascent: i16,
    /// Depth below the baseline in font units, negative.
    pub descent: i16,
    /// Height of a capital letter in font units.
    pub cap_height: i16,
    /// The box around all its glyphs in font units: left, bottom, right, top.
    pub bounds: [i16; 4],
    parsed: FontRef<'static>,
    charmap: Charmap<'static>,
    tables: subset::Tables,
}

impl Font {
    fn parse(file: &str, name: String, data: &'static [u8]) -> Result<Self, FontError> {
        let malformed = |cause: String| FontError::Malformed { file: file.to_owned(), cause };
        let parsed = FontRef::new(data).map_err(|e| malformed(e.to_string()))?;
        let metrics = parsed.metrics(Size::unscaled(), LocationRef::default());
        let tables = subset::Tables::find(&parsed).map_err(malformed)?;
        let bounds = metrics.bounds.unwrap_or_default();
        Ok(Self {
            name,
            data,
            upem: metrics.units_per_em,
            ascent: metrics.ascent as i16,
            descent: metrics.descent as i16,
            cap_height: metrics.cap_height.unwrap_or(metrics.ascent * 0.8) as i16,
            bounds: [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(|side| side as i16),
            charmap: parsed.charmap(),
            parsed,
            tables,
        })
    }

    /// The glyph of a character, when this font has one.
    pub fn glyph(&self, ch: char) -> Option<u16> {
        let id = self.charmap.map(ch)?.to_u32();
        (id != 0).then_some(id as u16)
    }

    /// A glyph's advance width in font units.
    pub fn advance(&self, glyph: u16) -> u16 {
        self.tables.metrics(glyph).0
    }

    /// The box around a glyph's ink in font units: left, bottom, right, top; none for a blank one.
    pub fn ink(&self, glyph: u16) -> Option<[i16; 4]> {
        self.tables.ink(glyph)
    }

    /// Draws a glyph's outline in font units, y upwards.
    pub fn outline(&self, glyph: u16, pen: &mut impl OutlinePen) {
        if let Some(outline) = self.parsed.outline_glyphs().get(GlyphId::new(u32::from(glyph))) {
            // A glyph of a font that passed `parse` draws; a broken one leaves what it drew so far.
            let _ = outline.draw(DrawSettings::unhinted(Size::unscaled(), LocationRef::default()), pen);
        }
    }
}

/// All fonts and chains, loaded once.
pub struct Fonts {
    fonts: Vec<Font>,
    chains: Vec<(String, Vec<FontId>)>,
    /// SHA-256 over every font file and the manifest: part of what a document derives from.
    pub digest: [u8; 32],
}

/// `fonts/fonts.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    font: Vec<ManifestFont>,
    chain: Vec<ManifestChain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFont {
    name: String,
    file: String,
    postscript_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestChain {
    name: String,
    fonts: Vec<String>,
}

/// The files of `fonts/`, compiled into the binary.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/fonts.rs"));

impl Fonts {
    /// The fonts compiled into the binary.
    pub fn embedded() -> Result<Self, FontError> {
        Self::load("fonts", |name| {
            EMBEDDED
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, data)| *data)
                .ok_or_else(|| FontError::Unreadable { file: name.to_owned(), cause: std::io::ErrorKind::NotFound.into() })
        })
    }

    /// The fonts of a folder with a `fonts.toml`. They live as long as the program.
    pub fn from_folder(folder: &FilePath) -> Result<Self, FontError> {
        Self::load(&folder.display().to_string(), |name| {
            let path = folder.join(name);
            let data = std::fs::read(&path).map_err(|cause| FontError::Unreadable { file: path.display().to_string(), cause })?;
            Ok(&*data.leak())
        })
    }

    fn load(folder: &str, read: impl Fn(&str) -> Result<&'static [u8], FontError>) -> Result<Self, FontError> {
        use sha2::Digest;
        let bad = |cause: String| FontError::Manifest { file: format!("{folder}/fonts.toml"), cause };
        let manifest = read("fonts.toml")?;
        let parsed: Manifest = toml::from_slice(manifest).map_err(|e| bad(e.to_string()))?;
        let mut hash = sha2::Sha256::new_with_prefix(manifest);
        let mut fonts = Vec::with_capacity(parsed.font.len());
        for entry in &parsed.font {
            let data = read(&entry.file)?;
            hash.update(data);
            fonts.push(Font::parse(&entry.file, entry.postscript_name.clone(), data)?);
        }
        let id = |name: &String| {
            let at = parsed.font.iter().position(|f| f.name == *name);
            at.map(|i| FontId(i as u8)).ok_or_else(|| bad(format!("chain names the font `{name}`, which is not declared")))
        };
        let chain = |c: &ManifestChain| Ok((c.name.clone(), c.fonts.iter().map(id).collect::<Result<_, FontError>>()?));
        let chains = parsed.chain.iter().map(chain).collect::<Result<_, FontError>>()?;
        Ok(Self { fonts, chains, digest: hash.finalize().into() })
    }

    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<ChainId> {
        self.chains.iter().position(|(n, _)| n == name).map(|i| ChainId(i as u8))
    }

    /// The names of all chains, for messages.
    pub fn chain_names(&self) -> impl Iterator<Item = &str> {
        self.chains.iter().map(|(name, _)| name.as_str())
    }

    /// The first font of a chain: the one that sets its metrics.
    pub fn first(&self, chain: ChainId) -> FontId {
        self.chains[usize::from(chain.0)].1[0]
    }

    /// The first font along the chain that has the character, and its glyph.
    pub fn glyph(&self, chain: ChainId, ch: char) -> Option<(FontId, u16)> {
        self.chains[usize::from(chain.0)].1.iter().find_map(|&id| Some((id, self.font(id).glyph(ch)?)))
    }

    /// One font.
    pub fn font(&self, id: FontId) -> &Font {
        &self.fonts[usize::from(id.0)]
    }
}
