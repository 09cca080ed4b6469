//! The seals that OFD files are sealed with: those of the settings, and in a demonstration those that layouts draw.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::envelope::open_named;
use super::{LineError, NotIssued};
use crate::config::{Mode, OfdSignature, Settings};
use crate::layout::Document;
use crate::page::{self, Art, Item, Length, Rect};
use crate::render::{OfdRenderer, PngRenderer};
use crate::sign::ofd::{self, Mark};
use crate::sign::ses::{Seal, SealPlan, make_seal};
use crate::sign::{Algorithm, Certificate, SignError, Signer, is_test};

/// Who signs OFD files, and with which seals.
pub(super) enum Seals {
    /// With a seal for each that the page shows.
    Stamped {
        given: Vec<(String, Held)>,
        /// What makes those that the settings leave out; none in production.
        tests: Option<TestSeals>,
    },
    /// With a signature that shows nothing.
    Plain(Arc<dyn Signer>),
}

/// A seal and who holds it.
#[derive(Clone)]
pub(super) struct Held {
    seal: Arc<Seal>,
    signer: Arc<dyn Signer>,
}

/// The seal maker of the test PKI, and those it makes seals for.
pub(super) struct TestSeals {
    maker: Arc<dyn Signer>,
    body: Arc<dyn Signer>,
    person: Arc<dyn Signer>,
    /// A seal is made when its art is first seen.
    made: Mutex<Vec<(Arc<Art>, Held)>>,
}

impl Seals {
    /// Opens what the settings name, and refuses seals that cannot be used.
    pub(super) fn open(settings: &Settings, now: Timestamp) -> Result<Self, LineError> {
        let demo = settings.mode == Mode::Demo;
        if settings.ofd.signature == OfdSignature::Sign {
            let signer = settings.ofd.signer.as_deref().or(demo.then_some("signer-sm2")).ok_or_else(|| {
                LineError::Mode("[ofd] signature = \"sign\" needs a signer: name one of your [signer.NAME] as `signer` in [ofd]".to_owned())
            })?;
            let opened = open_named(settings, signer, now)?;
            return match opened.algorithm() {
                Algorithm::Sm2 => Ok(Self::Plain(opened)),
                _ => Err(LineError::Mode(format!("[ofd] signer = \"{signer}\" has no SM2 key, and OFD readers know nothing else"))),
            };
        }
        let mut given = Vec::with_capacity(settings.seal.len());
        for named in &settings.seal {
            let signer = open_named(settings, &named.signer, now)?;
            let wrong = |message: String| SignError::Seal { name: named.words.clone(), message };
            let file = named.file.display();
            let der = std::fs::read(&named.file).map_err(|e| wrong(format!("cannot be read from {file}: {e}")))?;
            let seal = Seal::from_der(&der).map_err(|e| wrong(format!("in {file} cannot be used: {e}")))?;
            if !seal.is_held_by(&signer.chain()[0]) {
                let message = format!("in {file} is not held by {}; name the signer that it was made for", named.signer);
                return Err(wrong(message).into());
            }
            if !demo && is_test(seal.maker()) {
                let message = format!("in {file} is a test seal, which mode = \"production\" refuses; use one of your seal maker");
                return Err(wrong(message).into());
            }
            given.push((named.words.clone(), Held { seal: Arc::new(seal), signer }));
        }
        let tests = if demo { Some(TestSeals::open(settings, now)?) } else { None };
        Ok(Self::Stamped { given, tests })
    }

    /// The document as a signed file.
    pub(super) fn sign(&self, renderer: &OfdRenderer, document: &Document) -> Result<Vec<u8>, NotIssued> {
        let (given, tests) = match self {
            Self::Plain(signer) => {
                let unsigned = renderer.unsigned(document, OfdSignature::Sign)?;
                let files = ofd::sign(unsigned.entries(), vec![Mark::Plain], &[&**signer], document.instant)?;
                return Ok(unsigned.signed(files)?);
            }
            Self::Stamped { given, tests } => (given, tests),
        };
        let unsigned = renderer.unsigned(document, OfdSignature::Seal)?;
        let drawn = document.page.items.iter().filter_map(|item| if let Item::Seal(seal) = item { Some(seal) } else { None });
        let held = drawn.map(|seal| Ok((seal.area, find(given, tests.as_ref(), seal)?))).collect::<Result<Vec<_>, SignError>>()?;
        if held.is_empty() {
            let message = "must be there to seal an OFD; draw one in the layout, or set [ofd] signature = \"sign\"".to_owned();
            return Err(SignError::Seal { name: document.title.clone(), message }.into());
        }
        let marks = held.iter().map(|(area, held)| Mark::Seal {
            seal: &held.seal,
            page: unsigned.page,
            boundary: stamped(area, &held.seal).to_string(),
        });
        let signers: Vec<&dyn Signer> = held.iter().map(|(_, held)| &*held.signer).collect();
        let files = ofd::sign(unsigned.entries(), marks.collect(), &signers, document.instant)?;
        Ok(unsigned.signed(files)?)
    }
}

fn find(given: &[(String, Held)], tests: Option<&TestSeals>, drawn: &page::Seal) -> Result<Held, SignError> {
    match (given.iter().find(|(words, _)| *words == drawn.words), tests) {
        (Some((_, held)), _) => Ok(held.clone()),
        (None, Some(tests)) => tests.seal(drawn),
        (None, None) => {
            let message = "is drawn by the layout, but there is no [[seal]] with these words in the settings".to_owned();
            Err(SignError::Seal { name: drawn.words.clone(), message })
        }
    }
}

/// A seal has a size of its own, which the law sets; the layout has its centre.
fn stamped(area: &Rect, seal: &Seal) -> Rect {
    let (_, _, (w, h)) = seal.picture();
    let (w, h, centre) = (Length::mm(w.into()), Length::mm(h.into()), area.centre());
    Rect { x: centre.x - w / 2, y: centre.y - h / 2, w, h }
}

impl TestSeals {
    fn open(settings: &Settings, now: Timestamp) -> Result<Self, LineError> {
        let open = |id| open_named(settings, id, now);
        Ok(Self { maker: open("seal-maker")?, body: open("signer-sm2")?, person: open("signer-sm2-chairman")?, made: Mutex::default() })
    }

    fn seal(&self, drawn: &page::Seal) -> Result<Held, SignError> {
        // Nothing in here leaves the list half-written.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, held)) = made.iter().find(|(art, _)| Arc::ptr_eq(art, &drawn.art)) {
            return Ok(held.clone());
        }
        let signer = Arc::clone(if drawn.personal { &self.person } else { &self.body });
        let seal = make_test_seal(drawn, &*self.maker, &signer.chain()[..1])?;
        let held = Held { seal: Arc::new(seal), signer };
        made.push((Arc::clone(&drawn.art), held.clone()));
        Ok(held)
    }
}

/// Nothing in it but what the layout and the certificates say, so that it is the same on every run.
fn make_test_seal(drawn: &page::Seal, maker: &dyn Signer, holders: &[Certificate]) -> Result<Seal, SignError> {
    let wrong = |message: String| SignError::Seal { name: drawn.words.clone(), message };
    let picture = PngRenderer::art(&drawn.art, PICTURE_DPI).map_err(|e| wrong(format!("cannot be drawn: {e}")))?;
    let (width, height) = drawn.art.size;
    let millimetres = |length: Length| length.to_mm().round() as u16;
    let (made, valid) = (maker.chain()[0].validity(), holders[0].validity());
    let from = made.0.max(valid.0);
    let plan = SealPlan {
        id: &format!("TEST-{}", &hex::encode_upper(Sha256::digest(&picture))[..12]),
        name: &format!("{} 测试 TEST", drawn.words),
        vendor: "certpress TEST",
        picture: &picture,
        size_mm: (millimetres(width), millimetres(height)),
        holders,
        created: from,
        valid: (from, made.1.min(valid.1)),
    };
    Seal::from_der(&make_seal(&plan, maker)?).map_err(|e| wrong(e.to_string()))
}

/// What office printers print, and what readers are made for.
const PICTURE_DPI: u16 = 300;
