//! The signature of a PDF file: prepared, signed elsewhere, completed in the place that the file left for it.

use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::asn1::base64_bytes;
use super::certificate::Certificate;
use super::cms::Syntax;
use super::{SignError, Signer, cms};

/// A PDF file that is finished but for the value of its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// The file; its `/ByteRange` says already what is signed.
    pub file: Vec<u8>,
    /// Where the hexadecimal string of `/Contents` stands, angle brackets included, all zeros inside. Every byte outside
    /// is signed.
    pub gap: Range<usize>,
}

/// How many bytes of signature a file has to leave room for: no more than these certificates can need, and a time-stamp
/// token where there will be one.
pub fn room(chain: &[Certificate], token: Option<usize>, at: Timestamp) -> Result<usize, SignError> {
    cms::prepare_as(Syntax::Cms, chain, &[], at)?.longest(token)
}

/// A file that waits for its signature: plain data, so that the key may be far away and answer later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Travelled")]
pub struct Prepared {
    #[serde(with = "base64_bytes")]
    file: Vec<u8>,
    gap: Range<usize>,
    cms: cms::Prepared,
}

/// Digests the file, once, and prepares the signature over it.
pub fn prepare(blank: Blank, chain: &[Certificate], at: Timestamp) -> Result<Prepared, SignError> {
    let Blank { file, gap } = blank;
    let parts = around(&file, &gap).ok_or_else(|| SignError::Prepared("the file has no empty place for it".to_owned()))?;
    // With SM2 too: ISO 19005-3 6.4.3 asks for the names of PKCS#7, so that only the algorithms bear those of GB/T 35275.
    let cms = cms::prepare_as(Syntax::Cms, chain, &parts, at)?;
    Ok(Prepared { file, gap, cms })
}

/// Prepares, signs and completes in one step, for a key that is at hand.
pub fn sign(blank: Blank, signer: &dyn Signer, at: Timestamp) -> Result<Vec<u8>, SignError> {
    let prepared = prepare(blank, signer.chain(), at)?;
    let signature = signer.sign(prepared.to_be_signed())?;
    let value = prepared.cms.encode(&signature, None)?;
    prepared.with(&value)
}

impl Prepared {
    /// The bytes that the key signs.
    pub fn to_be_signed(&self) -> &[u8] {
        self.cms.to_be_signed()
    }

    /// The signed file, after checking that the signature is one by the signer's key over this file.
    /// `time_stamp` is a token over the signature ([`super::timestamp`]).
    pub fn complete(self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, SignError> {
        let value = self.cms.complete(signature, time_stamp)?;
        self.with(&value)
    }

    fn with(self, value: &[u8]) -> Result<Vec<u8>, SignError> {
        let (mut file, gap) = (self.file, self.gap);
        // What DER leaves out of this signature stays zeros (ISO 32000-1 12.8.3.3.1).
        let place = &mut file[gap.start + 1..gap.end - 1];
        let room = place.len() / 2;
        let place = place.get_mut(..2 * value.len()).ok_or_else(|| {
            SignError::Prepared(format!("the file has room for {room} bytes, the signature with its time-stamp has {}", value.len()))
        })?;
        hex::encode_to_slice(value, place).map_err(|e| SignError::Prepared(e.to_string()))?;
        Ok(file)
    }
}

/// The bytes before and after the gap, when the gap is one: brackets around an even number of zeros.
fn around<'f>(file: &'f [u8], gap: &Range<usize>) -> Option<[&'f [u8]; 2]> {
    let zeros = file.get(gap.clone())?.strip_prefix(b"<")?.strip_suffix(b">")?;
    (zeros.len() % 2 == 0 && zeros.iter().all(|&digit| digit == b'0')).then(|| [&file[..gap.start], &file[gap.end..]])
}

/// What came back from elsewhere, to be believed only when it still fits together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Travelled {
    #[serde(with = "base64_bytes")]
    file: Vec<u8>,
    gap: Range<usize>,
    cms: cms::Prepared,
}

impl TryFrom<Travelled> for Prepared {
    type Error = &'static str;

    fn try_from(Travelled { file, gap, cms }: Travelled) -> Result<Self, Self::Error> {
        let parts = around(&file, &gap).ok_or("the prepared file has no empty place for its signature; prepare it again")?;
        if !cms.covers(&parts) {
            return Err("the prepared signature is not for this file; prepare it again");
        }
        Ok(Self { file, gap, cms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{Algorithm, FileSigner, test_signer};

    fn now() -> Timestamp {
        crate::clock::Clock::now(&crate::clock::SystemClock)
    }

    fn blank(room: usize) -> Blank {
        let (before, after) = (b"%PDF-1.7 before /Contents".as_slice(), b" after %%EOF".as_slice());
        let gap = before.len()..before.len() + 2 * room + 2;
        Blank { file: [before, b"<", &vec![b'0'; 2 * room], b">", after].concat(), gap }
    }

    fn signer(folder: &tempfile::TempDir, id: &str) -> FileSigner {
        test_signer(folder.path(), id, now()).unwrap()
    }

    #[test]
    fn the_gap_holds_the_signature_and_hardly_more() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["signer-p256", "signer-ed25519", "signer-sm2"] {
            let signer = signer(&folder, id);
            let blank = blank(room(signer.chain(), None, now()).unwrap());
            let file = sign(blank.clone(), &signer, now()).unwrap();
            assert_eq!(file, sign(blank.clone(), &signer, now()).unwrap(), "deterministic");
            assert_eq!((file.len(), &file[..=blank.gap.start]), (blank.file.len(), &blank.file[..=blank.gap.start]));
            let value = hex::decode(&file[blank.gap.start + 1..blank.gap.end - 1]).unwrap();
            let length = 4 + usize::from(u16::from_be_bytes([value[2], value[3]]));
            let opened = cms::open(&value[..length]).unwrap();
            assert!(opened.covers(&around(&blank.file, &blank.gap).unwrap()));
            assert!(value[length..].iter().all(|&byte| byte == 0) && value.len() - length <= 8, "{} of padding", value.len() - length);
        }
    }

    /// The key is in another place: all it gets is text, and all it gives back is the value.
    #[test]
    fn a_seal_device_elsewhere_answers_later() {
        struct Device(FileSigner);
        impl Device {
            fn answer(&self, question: &str) -> String {
                let question: serde_json::Value = serde_json::from_str(question).unwrap();
                let bytes = hex::decode(question["sign"].as_str().unwrap()).unwrap();
                serde_json::json!({ "signature": hex::encode(self.0.sign(&bytes).unwrap()) }).to_string()
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let signer = signer(&folder, "signer-p256");
        let blank = blank(room(signer.chain(), None, now()).unwrap());
        let prepared = prepare(blank.clone(), signer.chain(), now()).unwrap();
        let kept = serde_json::to_string(&prepared).unwrap();
        let question = serde_json::json!({ "sign": hex::encode(prepared.to_be_signed()) }).to_string();
        drop(prepared);
        let answer: serde_json::Value = serde_json::from_str(&Device(self::signer(&folder, "signer-p256")).answer(&question)).unwrap();
        let signature = hex::decode(answer["signature"].as_str().unwrap()).unwrap();
        let back: Prepared = serde_json::from_str(&kept).unwrap();
        assert_eq!(back.complete(&signature, None).unwrap(), sign(blank, &signer, now()).unwrap());
    }

    #[test]
    fn what_travelled_must_still_fit_together() {
        let folder = tempfile::tempdir().unwrap();
        let signer = signer(&folder, "signer-ed25519");
        let blank = blank(room(signer.chain(), None, now()).unwrap());
        let prepared = prepare(blank.clone(), signer.chain(), now()).unwrap();
        let error = |change: &dyn Fn(&mut Prepared)| {
            let mut other = prepared.clone();
            change(&mut other);
            serde_json::from_str::<Prepared>(&serde_json::to_string(&other).unwrap()).unwrap_err().to_string()
        };
        assert!(error(&|p| p.file[0] ^= 1).contains("not for this file"));
        assert!(error(&|p| p.gap.start += 1).contains("no empty place"));
        assert!(error(&|p| p.gap.end = usize::MAX).contains("no empty place"));
        assert!(error(&|p| p.file[p.gap.start + 5] = b'1').contains("no empty place"));
        let wrong = prepared.clone().complete(&[0; 64], None).unwrap_err().to_string();
        assert!(wrong.contains("nothing was signed"), "{wrong}");
        let tight = Blank { file: [&blank.file[..blank.gap.start], b"<0000>"].concat(), gap: blank.gap.start..blank.gap.start + 6 };
        let error = sign(tight, &signer, now()).unwrap_err().to_string();
        assert!(error.contains("room for 2 bytes"), "{error}");
        assert_eq!(signer.algorithm(), Algorithm::Ed25519);
    }
}
