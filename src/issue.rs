//! The whole line from record to issued licence, readable top to bottom.

mod archive;
pub mod batch;
mod bulk;
mod envelope;
pub mod gate;
pub mod register;
mod seals;
mod time_stamp;

pub use self::envelope::Envelopes;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::annotation::{Annotated, Refusal, UsePeriod, Wish, annotate};
use crate::config::Settings;
use crate::font::{FontError, Fonts};
use crate::layout::{Document, Issue, Layout, LayoutFault, Layouts};
use crate::page::{Face, Symbol};
use crate::qr::{Capsule, QrError};
use crate::record::Record;
use crate::render::{self, Format, OfdRenderer, PdfRenderer, PngRenderer, RenderError};
use crate::sign::{Keyring, SignError, TrustedKey};
use crate::statement::{self, Statement};
use crate::verify::{StatusClaims, StatusToken};

/// Everything that is made once and then issues any number of licences, from any number of threads.
pub struct Line {
    fonts: Arc<Fonts>,
    layouts: Layouts,
    keyring: Keyring,
    verify_base: String,
    faces: Vec<Arc<Face>>,
    preview_dpi: u16,
    envelopes: Option<Envelopes>,
    /// A code that says nothing, where only its place matters.
    blank: OnceLock<Result<Arc<Symbol>, QrError>>,
    pdf: OnceLock<Result<PdfRenderer, RenderError>>,
    ofd: OnceLock<Result<OfdRenderer, RenderError>>,
    png: OnceLock<Result<PngRenderer, RenderError>>,
}

/// Why the line cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A font is missing or broken.
    #[error(transparent)]
    Font(#[from] FontError),
    /// Layouts are wrong; all faults together.
    #[error("{}", join(.0))]
    Layout(Vec<LayoutFault>),
    /// Keys cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The keys are not what the settings' `mode` asks for.
    #[error("{0}")]
    Mode(String),
}

/// What is issued, stated and not yet signed.
pub struct Stated<'a> {
    /// The type.
    pub layout: &'a Layout,
    /// The record under the rule.
    pub annotated: Annotated<'a>,
    /// 证照标识.
    pub identifier: String,
    /// The small truth that is to be signed.
    pub statement: Statement,
}

/// A licence as a finished page, not yet in any format.
#[derive(Debug)]
pub struct Composed {
    /// The page and what travels beside it.
    pub document: Document,
    /// 证照标识.
    pub identifier: String,
    /// Use period; none for types without one.
    pub period: Option<UsePeriod>,
    /// The text of the QR code.
    pub qr: String,
}

/// A licence with its files.
#[derive(Debug)]
pub struct Issued {
    /// 证照标识.
    pub identifier: String,
    /// Use period; none for types without one.
    pub period: Option<UsePeriod>,
    /// The text of the QR code.
    pub qr: String,
    /// The files that were asked for.
    pub files: Vec<(Format, Vec<u8>)>,
}

/// Why a record was not issued.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// By the rule.
    #[error("{0}")]
    Refused(Refusal),
    /// No layout of that licence type.
    #[error("licence_type: `{id}` is not a known licence type{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownType {
        /// The type as written.
        id: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// The record does not fit its layout; all faults together.
    #[error("{}", join(.0))]
    Layout(Vec<LayoutFault>),
    /// The QR code cannot be made.
    #[error(transparent)]
    Qr(#[from] QrError),
    /// A file cannot be made.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file cannot be signed, so there is none.
    #[error(transparent)]
    Sign(#[from] SignError),
}

fn join(faults: &[LayoutFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Line {
    /// Loads fonts and layouts. The line composes and renders; [`Self::sealed_by`] makes it issue.
    pub fn open(settings: &Settings, keyring: Keyring) -> Result<Self, LineError> {
        let fonts = Arc::new(match &settings.fonts {
            Some(folder) => Fonts::from_folder(folder)?,
            None => Fonts::embedded()?,
        });
        let layouts = match &settings.layouts {
            Some(folder) => Layouts::from_folder(folder, &fonts),
            None => Layouts::embedded(&fonts),
        }
        .map_err(LineError::Layout)?;
        let faces = layouts.iter().map(|l| Arc::clone(if keyring.test { &l.sample_face } else { &l.face })).collect();
        Ok(Self {
            fonts,
            layouts,
            keyring,
            verify_base: settings.verify_base.clone(),
            faces,
            preview_dpi: settings.preview_dpi,
            envelopes: None,
            blank: OnceLock::new(),
            pdf: OnceLock::new(),
            ofd: OnceLock::new(),
            png: OnceLock::new(),
        })
    }

    /// The same line with the signers of what it issues.
    #[must_use]
    pub fn sealed_by(mut self, envelopes: Envelopes) -> Self {
        self.envelopes = Some(envelopes);
        self
    }

    /// The licence types.
    pub fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// The fonts.
    pub fn fonts(&self) -> &Fonts {
        &self.fonts
    }

    /// Takes one record down the line as of an instant.
    pub fn issue(&self, record: &Record, at: Timestamp, wish: Wish, formats: &[Format]) -> Result<Issued, NotIssued> {
        let Composed { document, identifier, period, qr } = self.compose(record, at, wish)?;
        let files = formats.iter().map(|&format| Ok((format, self.finish(&document, format)?))).collect::<Result<_, NotIssued>>()?;
        Ok(Issued { identifier, period, qr, files })
    }

    /// The line up to the finished page: rule, statement, code, layout.
    pub fn compose(&self, record: &Record, at: Timestamp, wish: Wish) -> Result<Composed, NotIssued> {
        let stated = self.state(record, at, wish)?;
        let digits = self.sign(&stated, Capsule::NO_STATUS)?;
        self.set(&stated, &digits)
    }

    /// Applies the rule and states what is issued. Nothing is signed yet.
    pub fn state<'a>(&'a self, record: &'a Record, at: Timestamp, wish: Wish) -> Result<Stated<'a>, NotIssued> {
        let layout = self
            .layouts
            .find(&record.licence_type)
            .map_err(|nearest| NotIssued::UnknownType { id: record.licence_type.clone(), nearest: nearest.map(ToOwned::to_owned) })?;
        let annotated = annotate(record, &layout.rules, at, wish).map_err(NotIssued::Refused)?;
        let identifier = layout.identifier(record);
        let statement = statement::state(&annotated, layout, &identifier, &self.keyring.salt, self.keyring.test);
        Ok(Stated { layout, annotated, identifier, statement })
    }

    /// Signs what was stated: the digits of its QR code. `status_index` is its place in the status list.
    pub fn sign(&self, stated: &Stated, status_index: u32) -> Result<String, QrError> {
        self.sign_capsule(self.capsule(stated)?, status_index)
    }

    /// What the QR code of what was stated will say.
    pub fn capsule(&self, stated: &Stated) -> Result<Capsule, QrError> {
        Capsule::new(&stated.annotated, stated.layout, &stated.statement, self.kid())
    }

    /// As [`Self::sign`], once the statement itself is no longer at hand.
    pub fn sign_capsule(&self, capsule: Capsule, status_index: u32) -> Result<String, QrError> {
        Capsule { status_index, ..capsule }.sign(&self.keyring.statement)
    }

    /// Finds what would keep the page of what was stated from being set, without its code and much faster than setting it.
    pub fn check(&self, stated: &Stated) -> Result<(), NotIssued> {
        self.capsule(stated)?.check()?;
        let symbol = self.blank.get_or_init(|| crate::qr::symbol(&self.verify_base, "0").map(Arc::new)).clone()?;
        stated.layout.can_set(&self.fonts, &self.issue_of(stated, "", symbol)).map_err(NotIssued::Layout)
    }

    /// Sets the page of what was stated, with the signed digits of its QR code.
    pub fn set(&self, stated: &Stated, digits: &str) -> Result<Composed, NotIssued> {
        let qr = format!("{}{digits}", self.verify_base);
        let symbol = Arc::new(crate::qr::symbol(&self.verify_base, digits)?);
        let document = stated.layout.compose(&self.fonts, &self.issue_of(stated, &qr, symbol)).map_err(NotIssued::Layout)?;
        Ok(Composed { document, identifier: stated.identifier.clone(), period: stated.annotated.period(), qr })
    }

    fn issue_of<'a>(&self, stated: &'a Stated, qr: &'a str, symbol: Arc<Symbol>) -> Issue<'a> {
        let Stated { annotated, identifier, statement, .. } = stated;
        Issue { annotated, identifier, statement: &statement.bytes, qr, symbol, at: annotated.at(), test: self.keyring.test }
    }

    /// Whether somebody else has a part in sealing files: a hardware module, a time-stamp server. That takes as long as it takes.
    pub fn seals_elsewhere(&self) -> bool {
        self.envelopes.as_ref().is_some_and(Envelopes::elsewhere)
    }

    /// Whether files can be signed now. May take as long as the signing device does.
    pub fn probe(&self) -> Result<(), SignError> {
        self.envelopes.as_ref().map_or(Ok(()), Envelopes::probe)
    }

    /// The key that signs statements now.
    pub fn kid(&self) -> [u8; 2] {
        self.keyring.statement.kid
    }

    /// The keys whose statements count here.
    pub fn trusted(&self) -> &[TrustedKey] {
        &self.keyring.trusted
    }

    /// The address that QR codes open, up to where the digits begin.
    pub fn verify_base(&self) -> &str {
        &self.verify_base
    }

    /// Signs a status list with the key that signs statements now.
    pub fn sign_status_list(&self, claims: &StatusClaims) -> StatusToken {
        StatusToken::sign(claims, &self.keyring.statement)
    }

    /// One document in one format, as it is given out.
    fn finish(&self, document: &Document, format: Format) -> Result<Vec<u8>, NotIssued> {
        let envelopes =
            || self.envelopes.as_ref().ok_or_else(|| SignError::Device("this line only composes; it has no signers".to_owned()));
        match format {
            Format::Pdf => envelopes()?.pdf(self.pdf_renderer()?, document),
            Format::Ofd => envelopes()?.ofd(self.ofd_renderer()?, document),
            _ => Ok(self.render(document, format)?),
        }
    }

    /// One document in one format, without signatures.
    pub fn render(&self, document: &Document, format: Format) -> Result<Vec<u8>, RenderError> {
        // Renderers are made when first asked for: a run that wants PDF alone does not draw preview faces.
        match format {
            Format::Pdf => self.pdf_renderer()?.render(document),
            Format::Ofd => self.ofd_renderer()?.render(document),
            Format::Png => ready(self.png.get_or_init(|| PngRenderer::new(&self.fonts, &self.faces, self.preview_dpi)))?.render(document),
            Format::Svg => Ok(render::svg(&self.fonts, document).into_bytes()),
            Format::Txt => Ok(render::text(document).into_bytes()),
        }
    }

    fn pdf_renderer(&self) -> Result<&PdfRenderer, RenderError> {
        ready(self.pdf.get_or_init(|| PdfRenderer::new(&self.fonts, &self.faces)))
    }

    fn ofd_renderer(&self) -> Result<&OfdRenderer, RenderError> {
        ready(self.ofd.get_or_init(|| OfdRenderer::new(&self.fonts, &self.faces)))
    }
}

fn ready<R>(made: &Result<R, RenderError>) -> Result<&R, RenderError> {
    made.as_ref().map_err(Clone::clone)
}
