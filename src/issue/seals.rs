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

/// Enough for smooth edges on paper: each file carries the picture twice, in its seal and in the signature over it.
const PICTURE_DPI: u16 = 150;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sign::test_signer;

    fn now() -> Timestamp {
        "2026-03-01T04:00:00Z".parse().unwrap()
    }

    fn drawn(words: &str, personal: bool) -> page::Seal {
        let segments = [(0.0, 0.0), (20.0, 0.0), (0.0, 20.0)].map(|(x, y)| {
            let to = page::Point { x: Length::mm(x), y: Length::mm(y) };
            page::Segment::Line(to)
        });
        let ink = page::Path {
            at: page::Point::default(),
            segments: segments.to_vec(),
            fill: Some(page::Rgb(217, 34, 31)),
            stroke: None,
            alpha: 204,
        };
        let art = Arc::new(Art { size: (Length::mm(20.0), Length::mm(20.0)), paths: vec![ink] });
        page::Seal { area: Rect::mm(100.0, 200.0, 20.0, 20.0), art, words: words.to_owned(), personal, alt: String::new() }
    }

    /// A key folder with the test PKI, and in it a seal for the body's signer.
    fn keys() -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let signer = |id| test_signer(folder.path(), id, now()).unwrap();
        let seal = make_test_seal(&drawn("示例机关", false), &signer("seal-maker"), &signer("signer-sm2").chain()[..1]).unwrap();
        std::fs::write(folder.path().join("body.esl"), seal.der()).unwrap();
        let der = seal.der().to_vec();
        (folder, der)
    }

    fn open(keys: &Path, text: &str) -> Result<Seals, String> {
        let mut settings: Settings = toml::from_str(&text.replace("KEYS", keys.to_str().unwrap())).unwrap();
        keys.clone_into(&mut settings.keys);
        Seals::open(&settings, now()).map_err(|e| e.to_string())
    }

    fn find_in(seals: &Seals, drawn: &page::Seal) -> Result<Held, String> {
        let Seals::Stamped { given, tests } = seals else { panic!("no seals") };
        find(given, tests.as_ref(), drawn).map_err(|e| e.to_string())
    }

    #[test]
    fn a_seal_of_the_settings_stands_for_its_words_and_a_demonstration_makes_the_rest() {
        let (keys, der) = keys();
        let seals = open(keys.path(), "[[seal]]\nwords = \"示例机关\"\nfile = \"KEYS/body.esl\"\nsigner = \"signer-sm2\"\n").unwrap();
        let given = find_in(&seals, &drawn("示例机关", false)).unwrap();
        assert_eq!(given.seal.der(), der);
        let square = drawn("测试主任", true);
        let made = find_in(&seals, &square).unwrap();
        assert_eq!((made.seal.name(), made.seal.picture().2), ("测试主任 测试 TEST", (20, 20)));
        assert!(made.signer.chain()[0].subject().contains("Chairman") && made.seal.is_held_by(&made.signer.chain()[0]));
        assert!(Arc::ptr_eq(&made.seal, &find_in(&seals, &square).unwrap().seal), "made once");
        let again = find_in(&open(keys.path(), "").unwrap(), &square).unwrap();
        assert_eq!(again.seal.der(), made.seal.der(), "and the same on the next run");
        assert_eq!(stamped(&Rect::mm(99.0, 199.0, 22.0, 22.0), &made.seal), Rect::mm(100.0, 200.0, 20.0, 20.0));
    }

    #[test]
    fn seals_that_cannot_be_used_are_refused_at_the_start() {
        let (keys, _) = keys();
        let seal = |file: &str, signer: &str| format!("[[seal]]\nwords = \"示例机关\"\nfile = \"KEYS/{file}\"\nsigner = \"{signer}\"\n");
        let refused = |text: &str| open(keys.path(), text).err().unwrap_or_else(|| "opened".to_owned());
        assert!(refused(&seal("none.esl", "signer-sm2")).contains("the seal 示例机关 cannot be read from"));
        std::fs::write(keys.path().join("broken.esl"), b"0").unwrap();
        assert!(refused(&seal("broken.esl", "signer-sm2")).contains("cannot be used"));
        assert!(refused(&seal("body.esl", "signer-sm2-chairman")).contains("is not held by signer-sm2-chairman"));
        assert!(refused("ofd = { signature = \"sign\", signer = \"signer-p256\" }").contains("has no SM2 key"));
        assert!(refused("mode = \"production\"\nofd.signature = \"sign\"").contains("needs a signer"));
        assert_eq!(refused("ofd.signature = \"sign\""), "opened");
    }

    #[test]
    fn production_makes_no_seals() {
        let (keys, _) = keys();
        let seals = open(keys.path(), "mode = \"production\"").unwrap();
        let error = find_in(&seals, &drawn("示例机关", false)).err().unwrap();
        assert!(error.contains("the seal 示例机关 is drawn by the layout") && error.contains("[[seal]]"), "{error}");
    }
}
