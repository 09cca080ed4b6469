//! Electronic seals and what is sealed with them: `SESeal` and `SES_Signature`, version 4 (GB/T 38540-2020).

use std::sync::Arc;

use der::asn1::{Any, BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString};
use der::{Decode, Sequence};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, SM2_WITH_SM3};
use super::anchors::Anchors;
use super::asn1::{base64_bytes, bits, generalized_time, octets, timestamp, to_der};
use super::certificate::Certificate;
use super::{SignError, Signer};

/// What a seal is to be.
#[derive(Clone, Debug)]
pub struct SealPlan<'a> {
    /// Its number with the maker, in ASCII.
    pub id: &'a str,
    /// The words on it.
    pub name: &'a str,
    /// Who made the program that makes it, in ASCII.
    pub vendor: &'a str,
    /// Its picture, PNG.
    pub picture: &'a [u8],
    /// Width and height of the picture on paper, in millimetres.
    pub size_mm: (u16, u16),
    /// Those who may seal with it.
    pub holders: &'a [Certificate],
    /// When it is made.
    pub created: Timestamp,
    /// First and last instant at which it may be used.
    pub valid: (Timestamp, Timestamp),
}

/// Something of this room that waits for its signature: plain data, so that the key may be far away and answer later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// What is signed, in DER: `SES_SealInfo` or `TBS_Sign`.
    #[serde(with = "base64_bytes")]
    content: Vec<u8>,
    /// The certificate of the one who signs.
    certificate: Certificate,
}

/// Prepares a seal for its maker's signature.
pub fn prepare_seal(plan: &SealPlan<'_>, maker: &Certificate) -> Result<Prepared, SignError> {
    let wrong = |message: &str| SignError::Seal { name: plan.name.to_owned(), message: message.to_owned() };
    maker.check_valid(plan.created)?;
    if maker.key().algorithm() != Algorithm::Sm2 || plan.holders.iter().any(|holder| holder.key().algorithm() != Algorithm::Sm2) {
        return Err(wrong("needs SM2 certificates of its maker and its holders: OFD readers know no other"));
    }
    if plan.holders.is_empty() {
        return Err(wrong("has no holder; name the certificate of whoever seals with it"));
    }
    if plan.valid.0 > plan.valid.1 {
        return Err(wrong("ends before it begins"));
    }
    if !plan.picture.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Err(wrong("has a picture that is no PNG"));
    }
    let ascii = |text: &str| Ia5String::new(text).map_err(|_| wrong("has a number or vendor that is not ASCII"));
    let info = SealInfo {
        header: Header { id: ascii("ES")?, version: VERSION, vendor: ascii(plan.vendor)? },
        id: ascii(plan.id)?,
        property: Property {
            kind: UNIT_SEAL,
            name: plan.name.to_owned(),
            list_kind: CERTIFICATES,
            holders: plan.holders.iter().map(|holder| octets(holder.der())).collect(),
            created: generalized_time(plan.created),
            valid_from: generalized_time(plan.valid.0),
            valid_to: generalized_time(plan.valid.1),
        },
        picture: Picture { kind: ascii("png")?, data: octets(plan.picture), width: plan.size_mm.0, height: plan.size_mm.1 },
        extensions: None,
    };
    Ok(Prepared { content: to_der(&info), certificate: maker.clone() })
}

/// Makes a seal with a maker's key that is at hand: the bytes of a `Seal.esl`.
pub fn make_seal(plan: &SealPlan<'_>, maker: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let prepared = prepare_seal(plan, &maker.chain()[0])?;
    prepared.complete_seal(&maker.sign(prepared.to_be_signed())?)
}

/// Prepares the sealing of a `Signature.xml`, given by its exact bytes and its path in the OFD.
pub fn prepare(seal: &Seal, signer: &Certificate, signature_xml: &[u8], path: &str, at: Timestamp) -> Result<Prepared, SignError> {
    let wrong = |message: String| SignError::Seal { name: seal.name().to_owned(), message };
    signer.check_valid(at)?;
    if !seal.is_held_by(signer) {
        return Err(wrong(format!("is not held by {}; seal with a key whose certificate is in the seal", signer.subject())));
    }
    let (from, to) = seal.validity();
    if at < from || to < at {
        return Err(wrong(format!("may be used from {from} to {to}, not at {at}")));
    }
    let content = ToBeSigned {
        version: VERSION,
        seal: Any::from_der(seal.der()).map_err(|e| wrong(e.to_string()))?,
        at: generalized_time(at),
        data_hash: bits(&Algorithm::sm3(signature_xml)),
        property: Ia5String::new(path).map_err(|_| wrong(format!("cannot be put to `{path}`: the path is not ASCII")))?,
        extensions: None,
    };
    Ok(Prepared { content: to_der(&content), certificate: signer.clone() })
}

/// Seals with a key that is at hand: the bytes of a `SignedValue.dat`.
pub fn sign(seal: &Seal, signer: &dyn Signer, signature_xml: &[u8], path: &str, at: Timestamp) -> Result<Vec<u8>, SignError> {
    let prepared = prepare(seal, &signer.chain()[0], signature_xml, path, at)?;
    prepared.encode(&signer.sign(prepared.to_be_signed())?, None)
}

impl Prepared {
    /// The bytes that the key signs.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.content
    }

    /// The finished seal, after checking the signature.
    pub fn complete_seal(&self, signature: &[u8]) -> Result<Vec<u8>, SignError> {
        self.check(signature)?;
        let info = Any::from_der(&self.content).map_err(|e| SignError::Prepared(e.to_string()))?;
        Ok(to_der(&SealDer { info, maker: octets(self.certificate.der()), algorithm: SM2_WITH_SM3, signature: bits(signature) }))
    }

    /// The finished signature, after checking it. `time_stamp` is a token over the signature ([`super::timestamp`]).
    pub fn complete(&self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, SignError> {
        self.check(signature)?;
        self.encode(signature, time_stamp)
    }

    /// The finished signature with that of a [`Signer`], which holds.
    pub(super) fn encode(&self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, SignError> {
        let content = Any::from_der(&self.content).map_err(|e| SignError::Prepared(e.to_string()))?;
        let certificate = octets(self.certificate.der());
        Ok(to_der(&SignatureDer {
            content,
            certificate,
            algorithm: SM2_WITH_SM3,
            signature: bits(signature),
            time_stamp: time_stamp.map(bits),
        }))
    }

    fn check(&self, signature: &[u8]) -> Result<(), SignError> {
        let signer = &self.certificate;
        if signer.key().algorithm() == Algorithm::Sm2 && signer.key().holds(&self.content, signature) {
            return Ok(());
        }
        Err(SignError::Device(format!("the signature that came back is not one by the key of {}; nothing was sealed", signer.subject())))
    }
}

/// A seal whose maker's signature holds. Whether the maker is trusted is for the caller to see.
#[derive(Clone, Debug)]
pub struct Seal(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    der: Vec<u8>,
    digest: [u8; 32],
    info: SealInfo,
    maker: Certificate,
}

impl Seal {
    /// Reads a `Seal.esl` strictly.
    pub fn from_der(der: &[u8]) -> Result<Self, SesFault> {
        Self::read(der, &Anchors::default())
    }

    fn read(der: &[u8], anchors: &Anchors) -> Result<Self, SesFault> {
        if let Some(known) = anchors.seal(der) {
            return Ok(known);
        }
        let seal: SealDer = strict(der)?;
        let info = to_der(&seal.info);
        let maker = certificate(anchors, &seal.maker)?;
        check_signature(&maker, seal.algorithm, &info, &seal.signature)?;
        let info: SealInfo = strict(&info)?;
        let known = info.header.id.as_str() == "ES" && info.header.version == VERSION && info.property.list_kind == CERTIFICATES;
        if !known {
            return Err(SesFault::Malformed("it is no seal of version 4 with certificates".to_owned()));
        }
        Ok(Self(Arc::new(Parts { der: der.to_vec(), digest: Algorithm::sm3(der), info, maker })))
    }

    /// The exact bytes.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SM3 of the exact bytes.
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    /// The words on it.
    pub fn name(&self) -> &str {
        &self.0.info.property.name
    }

    /// Its number with the maker.
    pub fn id(&self) -> &str {
        self.0.info.id.as_str()
    }

    /// Its picture with its kind (`png`) and its size in millimetres.
    pub fn picture(&self) -> (&str, &[u8], (u16, u16)) {
        let picture = &self.0.info.picture;
        (picture.kind.as_str(), picture.data.as_bytes(), (picture.width, picture.height))
    }

    /// Who made it.
    pub fn maker(&self) -> &Certificate {
        &self.0.maker
    }

    /// First and last instant at which it may be used.
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        let property = &self.0.info.property;
        (timestamp(property.valid_from.to_unix_duration()), timestamp(property.valid_to.to_unix_duration()))
    }

    /// Whether a certificate is among those that may seal with it, byte for byte.
    pub fn is_held_by(&self, certificate: &Certificate) -> bool {
        self.0.info.property.holders.iter().any(|holder| holder.as_bytes() == certificate.der())
    }
}

/// A sealing whose own mathematics hold: the seal by its maker, the signature by a holder of the seal, in the seal's time.
/// Whether the two are trusted, and whether the digest is that of the `Signature.xml`, is for the caller to see.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The seal.
    pub seal: Seal,
    /// Who sealed.
    pub signer: Certificate,
    /// When, by the signer's word.
    pub at: Timestamp,
    /// SM3 of the `Signature.xml`.
    pub data_hash: Vec<u8>,
    /// The path of the `Signature.xml`.
    pub path: String,
    /// The signature's value, over which a time-stamp is made.
    pub signature: Vec<u8>,
    /// The time-stamp token over it.
    pub time_stamp: Option<Vec<u8>>,
}

/// Reads a `SignedValue.dat` strictly.
pub fn open(der: &[u8]) -> Result<Opened, SesFault> {
    open_knowing(der, &Anchors::default())
}

/// [`open`], without reading again the certificates and the seals that `anchors` remember, or judging the makers' signatures
/// over those: they were found to hold over the same bytes before.
pub(crate) fn open_knowing(der: &[u8], anchors: &Anchors) -> Result<Opened, SesFault> {
    let sealed: SignatureDer = strict(der)?;
    let content = to_der(&sealed.content);
    let signer = certificate(anchors, &sealed.certificate)?;
    check_signature(&signer, sealed.algorithm, &content, &sealed.signature)?;
    let content: ToBeSigned = strict(&content)?;
    let seal = Seal::read(&to_der(&content.seal), anchors)?;
    let at = timestamp(content.at.to_unix_duration());
    let (from, to) = seal.validity();
    if content.version != VERSION {
        return Err(SesFault::Malformed("it is no signature of version 4".to_owned()));
    }
    if !seal.is_held_by(&signer) {
        return Err(SesFault::NotHeld);
    }
    if at < from || to < at {
        return Err(SesFault::OutOfTime);
    }
    Ok(Opened {
        seal,
        signer,
        at,
        data_hash: content.data_hash.as_bytes().unwrap_or_default().to_vec(),
        path: content.property.as_str().to_owned(),
        signature: sealed.signature.as_bytes().unwrap_or_default().to_vec(),
        time_stamp: sealed.time_stamp.and_then(|token| token.as_bytes().map(<[u8]>::to_vec)),
    })
}

/// Why a seal or a sealing does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SesFault {
    /// Not DER, or not these structures.
    #[error("the seal or its signature is malformed: {0}")]
    Malformed(String),
    /// Something else than SM2 with SM3.
    #[error("the algorithm {0} is not SM2 with SM3")]
    Algorithm(ObjectIdentifier),
    /// A signature does not hold.
    #[error("the signature by {0} does not hold")]
    Signature(String),
    /// The signer is not in the seal's list.
    #[error("the signer does not hold the seal")]
    NotHeld,
    /// Sealed before or after the seal's time.
    #[error("it was sealed outside the seal's time")]
    OutOfTime,
}

fn strict<T: for<'d> Decode<'d, Error = der::Error> + der::Encode>(der: &[u8]) -> Result<T, SesFault> {
    let value = T::from_der(der).map_err(|e| SesFault::Malformed(e.to_string()))?;
    if to_der(&value) == der { Ok(value) } else { Err(SesFault::Malformed("it is not written as DER".to_owned())) }
}

fn certificate(anchors: &Anchors, der: &OctetString) -> Result<Certificate, SesFault> {
    anchors.certificate(der.as_bytes()).map_err(|e| SesFault::Malformed(format!("its certificate {e}")))
}

fn check_signature(signer: &Certificate, algorithm: ObjectIdentifier, content: &[u8], signature: &BitString) -> Result<(), SesFault> {
    if algorithm != SM2_WITH_SM3 || signer.key().algorithm() != Algorithm::Sm2 {
        return Err(SesFault::Algorithm(algorithm));
    }
    let holds = signature.as_bytes().is_some_and(|signature| signer.key().holds(content, signature));
    if holds { Ok(()) } else { Err(SesFault::Signature(signer.subject())) }
}

const VERSION: u8 = 4;
/// GB/T 38540 6.1.4: the seal of an organisation.
const UNIT_SEAL: u8 = 3;
/// The list of holders is one of certificates, not of their digests.
const CERTIFICATES: u8 = 1;

/// `SESeal`; the content keeps its bytes.
#[derive(Sequence)]
struct SealDer {
    info: Any,
    maker: OctetString,
    algorithm: ObjectIdentifier,
    signature: BitString,
}

/// `SES_SealInfo`.
#[derive(Clone, Debug, Sequence)]
struct SealInfo {
    header: Header,
    id: Ia5String,
    property: Property,
    picture: Picture,
    #[asn1(optional = "true")]
    extensions: Option<Any>,
}

/// `SES_Header`.
#[derive(Clone, Debug, Sequence)]
struct Header {
    id: Ia5String,
    version: u8,
    vendor: Ia5String,
}

/// `SES_ESPropertyInfo`.
#[derive(Clone, Debug, Sequence)]
struct Property {
    kind: u8,
    name: String,
    list_kind: u8,
    holders: Vec<OctetString>,
    created: GeneralizedTime,
    valid_from: GeneralizedTime,
    valid_to: GeneralizedTime,
}

/// `SES_ESPictureInfo`.
#[derive(Clone, Debug, Sequence)]
struct Picture {
    kind: Ia5String,
    data: OctetString,
    width: u16,
    height: u16,
}

/// `TBS_Sign`; the seal keeps its bytes.
#[derive(Sequence)]
struct ToBeSigned {
    version: u8,
    seal: Any,
    at: GeneralizedTime,
    data_hash: BitString,
    property: Ia5String,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Any>,
}

/// `SES_Signature`; the content keeps its bytes.
#[derive(Sequence)]
struct SignatureDer {
    content: Any,
    certificate: OctetString,
    algorithm: ObjectIdentifier,
    signature: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    time_stamp: Option<BitString>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sign::openssl::openssl;
    use crate::sign::{FileSigner, test_signer};

    const XML: &[u8] = b"<ofd:Signature/>";
    const AT: &str = "2026-03-01T04:00:00Z";
    const PATH: &str = "/Doc_0/Signs/Sign_0/Signature.xml";

    fn at() -> Timestamp {
        AT.parse().unwrap()
    }

    fn plan(holders: &[Certificate]) -> SealPlan<'_> {
        SealPlan {
            id: "TEST-0001",
            name: "测试专用章",
            vendor: "certpress TEST",
            picture: b"\x89PNG\r\n\x1a\npixels",
            size_mm: (42, 42),
            holders,
            created: at(),
            valid: (at() - jiff::SignedDuration::from_hours(24), at() + jiff::SignedDuration::from_hours(24)),
        }
    }

    fn signers(folder: &Path) -> (FileSigner, FileSigner) {
        (test_signer(folder, "seal-maker", at()).unwrap(), test_signer(folder, "signer-sm2", at()).unwrap())
    }

    #[test]
    fn a_sealing_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let (maker, signer) = signers(folder.path());
        let esl = make_seal(&plan(&signer.chain()[..1]), &maker).unwrap();
        let seal = Seal::from_der(&esl).unwrap();
        assert_eq!((seal.der(), seal.name(), seal.id(), seal.picture().2), (esl.as_slice(), "测试专用章", "TEST-0001", (42, 42)));
        let value = sign(&seal, &signer, XML, PATH, at()).unwrap();
        assert_eq!(value, sign(&seal, &signer, XML, PATH, at()).unwrap(), "deterministic");
        let opened = open(&value).unwrap();
        assert_eq!(opened.seal.der(), esl);
        assert_eq!((opened.at, opened.path.as_str()), (at(), PATH));
        assert_eq!(opened.data_hash, Algorithm::Sm2.digest(&[XML]));
        assert_eq!(opened.seal.maker().der(), maker.chain()[0].der());
    }

    #[test]
    fn a_remote_seal_device_may_answer_later() {
        let folder = tempfile::tempdir().unwrap();
        let (maker, signer) = signers(folder.path());
        let seal = Seal::from_der(&make_seal(&plan(&signer.chain()[..1]), &maker).unwrap()).unwrap();
        let prepared = prepare(&seal, &signer.chain()[0], XML, PATH, at()).unwrap();
        let travelled: Prepared = serde_json::from_str(&serde_json::to_string(&prepared).unwrap()).unwrap();
        let value = travelled.complete(&signer.sign(travelled.to_be_signed()).unwrap(), None).unwrap();
        assert_eq!(value, sign(&seal, &signer, XML, PATH, at()).unwrap());
        let error = travelled.complete(&maker.sign(travelled.to_be_signed()).unwrap(), None).unwrap_err();
        assert!(error.to_string().contains("nothing was sealed"), "{error}");
    }

    #[test]
    fn a_seal_is_used_by_its_holder_in_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let (maker, signer) = signers(folder.path());
        let seal = Seal::from_der(&make_seal(&plan(&signer.chain()[..1]), &maker).unwrap()).unwrap();
        let refused = |signer: &FileSigner, at: Timestamp| sign(&seal, signer, XML, PATH, at).unwrap_err().to_string();
        assert!(refused(&maker, at()).contains("is not held by"));
        assert!(refused(&signer, at() + jiff::SignedDuration::from_hours(25)).contains("may be used from"));
        let p256 = test_signer(folder.path(), "signer-p256", at()).unwrap();
        assert!(make_seal(&plan(&p256.chain()[..1]), &maker).unwrap_err().to_string().contains("needs SM2"));
        assert!(
            make_seal(&SealPlan { picture: b"GIF89a", ..plan(&signer.chain()[..1]) }, &maker).unwrap_err().to_string().contains("no PNG")
        );
        assert!(make_seal(&plan(&[]), &maker).unwrap_err().to_string().contains("no holder"));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (maker, signer) = signers(folder.path());
        let seal = Seal::from_der(&make_seal(&plan(&signer.chain()[..1]), &maker).unwrap()).unwrap();
        let value = sign(&seal, &signer, XML, PATH, at()).unwrap();
        // The certificate's own signature is its issuer's matter, and judged with the chain.
        let certificate = signer.chain()[0].der();
        let start = value.windows(certificate.len()).rposition(|w| w == certificate).unwrap();
        let in_certificate = start..start + certificate.len();
        for at in (0..value.len()).filter(|at| !in_certificate.contains(at)) {
            let mut changed = value.clone();
            changed[at] ^= 0x01;
            assert!(open(&changed).is_err(), "byte {at}");
        }
        // A changed certificate is not the one that the seal lists.
        for at in in_certificate {
            let mut changed = value.clone();
            changed[at] ^= 0x01;
            assert!(open(&changed).is_err(), "byte {at} of the certificate");
        }
        assert!(open(&[value.as_slice(), b"\0"].concat()).is_err());
    }

    #[test]
    fn openssl_verifies_both_signatures() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (maker, signer) = signers(folder.path());
        let prepared = prepare_seal(&plan(&signer.chain()[..1]), &maker.chain()[0]).unwrap();
        let maker_signature = maker.sign(prepared.to_be_signed()).unwrap();
        let seal = Seal::from_der(&prepared.complete_seal(&maker_signature).unwrap()).unwrap();
        let sealing = prepare(&seal, &signer.chain()[0], XML, PATH, at()).unwrap();
        let signer_signature = signer.sign(sealing.to_be_signed()).unwrap();
        let signed = sealing.complete(&signer_signature, None).unwrap();
        for (id, content, signature) in
            [("seal-maker", prepared.to_be_signed(), maker_signature), ("signer-sm2", sealing.to_be_signed(), signer_signature)]
        {
            let Some(key) = openssl(&["x509", "-in", &path(&format!("certificates/{id}.pem")), "-noout", "-pubkey"], b"") else { return };
            std::fs::write(path("key"), key.bytes()).unwrap();
            std::fs::write(path("content"), content).unwrap();
            std::fs::write(path("value"), signature).unwrap();
            let (key, content, value) = (path("key"), path("content"), path("value"));
            let arguments = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &key, "-in", &content, "-sigfile", &value];
            let answer = openssl(&[&arguments[..], &["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]].concat(), b"").unwrap();
            assert!(answer.is_ok() && answer.text().contains("Signature Verified Successfully"), "{id}: {}", answer.text());
        }
        let shape = openssl(&["asn1parse", "-inform", "DER"], &signed).unwrap().text();
        for part in ["IA5STRING         :ES", "IA5STRING         :certpress TEST", "GENERALIZEDTIME   :20260301040000Z", PATH] {
            assert!(shape.contains(part), "{part}: {shape}");
        }
    }
}
