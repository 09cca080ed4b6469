//! Whom to believe about certificates: roots, what stands between them and signers, and what was revoked.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};

use super::SignError;
use super::certificate::{Certificate, RevocationList};
use super::ses::Seal;

/// Certificates that are believed, and lists of those that no longer are.
#[derive(Debug, Default)]
pub struct Anchors {
    roots: Vec<Certificate>,
    /// Found beside the roots, for what carries its signer's certificate alone, as a seal does.
    between: Vec<Certificate>,
    lists: Vec<RevocationList>,
    /// Digests of (issuer, what it signed) whose signature was found to hold: the same few signers and seals come again and
    /// again.
    checked: RwLock<HashSet<[u8; 32]>>,
    /// Signers that led to a root, by the digest of their certificates: parsed, their keys prepared.
    signers: RwLock<HashMap<[u8; 32], Certificate>>,
    /// Seals whose maker's signature holds and whose maker is believed, by the digest of their bytes.
    seals: RwLock<HashMap<[u8; 32], Seal>>,
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// No path leads from it to a root that is believed.
    #[error("the certificate of {0} leads to no root that is trusted here")]
    Unknown(String),
    /// Outside its validity.
    #[error("the certificate of {0} was not valid at {1}")]
    OutOfTime(String, Timestamp),
    /// On its issuer's list.
    #[error("the certificate of {0} was revoked")]
    Revoked(String),
    /// For something else than signing.
    #[error("the certificate of {0} is not for signatures")]
    Purpose(String),
    /// Came along, and is none of those between the signer and the root.
    #[error("the certificate of {0} came along and does not belong there")]
    Foreign(String),
}

/// Root, two between, signer: nobody needs more.
const LONGEST: usize = 4;
/// Certificates that travel with a signature; more are no chain but a burden.
const MOST_ALONG: usize = 6;
/// An installation has some tens of signers.
const MOST_CHECKED: usize = 10_000;
/// A prepared key takes 130 kilobytes.
const MOST_SIGNERS: usize = 64;
/// A seal takes some ten kilobytes.
const MOST_SEALS: usize = 200;

impl Anchors {
    /// Reads a folder of PEM files, or one: certificates that name themselves as issuer are roots, others stand between;
    /// revocation lists count when their issuer signed them. Other keys in the same files are not looked at. Beside the
    /// `trust/` of a keys folder, `certificates/` has what stands between and the lists; nothing there is believed by itself.
    pub fn read(path: &Path) -> Result<Self, SignError> {
        let mut anchors = Self::default();
        anchors.read_all(path)?;
        let beside = path.with_file_name("certificates");
        if path.is_dir() && beside.is_dir() {
            let roots = anchors.roots.len();
            anchors.read_all(&beside)?;
            anchors.roots.truncate(roots);
        }
        Ok(anchors)
    }

    fn read_all(&mut self, path: &Path) -> Result<(), SignError> {
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            files = entries.map_err(|cause| SignError::file("read", path, cause))?.iter().map(fs::DirEntry::path).collect();
            files.sort();
        }
        files.iter().filter(|file| file.extension().is_some_and(|e| e == "pem")).try_for_each(|file| self.read_file(file))
    }

    fn read_file(&mut self, file: &Path) -> Result<(), SignError> {
        let text = super::keyfile::read_public(file)?;
        if text.contains("-----BEGIN CERTIFICATE-----") {
            let (roots, between): (Vec<_>, Vec<_>) = Certificate::read_chain(file)?.into_iter().partition(Certificate::is_root);
            self.roots.extend(roots);
            // Each signer's file repeats those above it.
            self.between.extend(between.into_iter().filter(may_issue));
            self.between.sort_by(|a, b| a.der().cmp(b.der()));
            self.between.dedup_by(|a, b| a.der() == b.der());
        }
        if text.contains("-----BEGIN X509 CRL-----") {
            self.lists.push(RevocationList::read(file)?);
        }
        Ok(())
    }

    /// Follows a signer's certificate to a root as of an instant, and gives that root. `along` came with the signature: the
    /// signer's certificate or some between it and the root, and no others.
    pub fn chain(&self, signer: &Certificate, along: &[Certificate], at: Timestamp) -> Result<&Certificate, ChainFault> {
        let usage = signer.parsed().tbs_certificate().get_extension::<KeyUsage>().ok().flatten();
        if usage.is_some_and(|(_, usage)| !usage.0.contains(KeyUsages::DigitalSignature) && !usage.0.contains(KeyUsages::NonRepudiation)) {
            return Err(ChainFault::Purpose(signer.subject()));
        }
        let unknown = || ChainFault::Unknown(signer.subject());
        if along.len() > MOST_ALONG {
            return Err(unknown());
        }
        let (mut current, mut found, mut path) = (signer, Vec::new(), vec![signer.der()]);
        for _ in 1..LONGEST {
            in_time(current, at)?;
            if let Some(root) = self.roots.iter().find(|root| self.is_issued(current, root, &mut found)) {
                in_time(root, at)?;
                self.not_revoked(current, root)?;
                path.push(root.der());
                if let Some(foreign) = along.iter().find(|along| !path.contains(&along.der())) {
                    return Err(ChainFault::Foreign(foreign.subject()));
                }
                self.remember(&found);
                self.remember_signer(signer);
                return Ok(root);
            }
            let between = self.between.iter().chain(along);
            let issuer = between.filter(|issuer| may_issue(issuer)).find(|issuer| self.is_issued(current, issuer, &mut found));
            let issuer = issuer.ok_or_else(unknown)?;
            self.not_revoked(current, issuer)?;
            path.push(issuer.der());
            current = issuer;
        }
        Err(unknown())
    }

    /// [`Certificate::from_der`], looked up when it was believed before.
    pub(super) fn certificate(&self, der: &[u8]) -> Result<Certificate, String> {
        let known = self.signers.read().unwrap_or_else(PoisonError::into_inner).get(&digest(der)).cloned();
        known.map_or_else(|| Certificate::from_der(der), Ok)
    }

    fn remember_signer(&self, signer: &Certificate) {
        let digest = digest(signer.der());
        let known = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&digest) || known.len() >= MOST_SIGNERS {
            return;
        }
        drop(known);
        signer.key().expect_more();
        self.signers.write().unwrap_or_else(PoisonError::into_inner).insert(digest, signer.clone());
    }

    /// A seal that is remembered, to the byte.
    pub(super) fn seal(&self, der: &[u8]) -> Option<Seal> {
        self.seals.read().unwrap_or_else(PoisonError::into_inner).get(&digest(der)).cloned()
    }

    /// Remembers a seal whose maker's signature holds and whose maker is believed: each licence carries the same few.
    pub(crate) fn remember_seal(&self, seal: &Seal) {
        let digest = digest(seal.der());
        let known = self.seals.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&digest) || known.len() >= MOST_SEALS {
            return;
        }
        drop(known);
        self.seals.write().unwrap_or_else(PoisonError::into_inner).insert(digest, seal.clone());
    }

    /// [`Certificate::is_issued_by`], looked up when it was found before, added to `found` when not.
    fn is_issued(&self, certificate: &Certificate, issuer: &Certificate, found: &mut Vec<[u8; 32]>) -> bool {
        if certificate.parsed().tbs_certificate().issuer() != issuer.parsed().tbs_certificate().subject() {
            return false;
        }
        let pair = of_pair(issuer.der(), certificate.der());
        if self.knows(&pair) {
            return true;
        }
        let holds = certificate.is_issued_by(issuer);
        if holds {
            found.push(pair);
        }
        holds
    }

    fn knows(&self, pair: &[u8; 32]) -> bool {
        self.checked.read().unwrap_or_else(PoisonError::into_inner).contains(pair)
    }

    /// Only what leads to a root is remembered, so that strangers cannot fill the memory.
    fn remember(&self, found: &[[u8; 32]]) {
        if found.iter().all(|pair| self.knows(pair)) {
            return;
        }
        let mut checked = self.checked.write().unwrap_or_else(PoisonError::into_inner);
        if checked.len() < MOST_CHECKED {
            checked.extend(found);
        }
    }

    fn not_revoked(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), ChainFault> {
        let revoked = self.lists.iter().any(|list| list.revokes(certificate) && list.is_issued_by(issuer));
        if revoked { Err(ChainFault::Revoked(certificate.subject())) } else { Ok(()) }
    }
}

/// The first digest has a fixed length, so the two cannot run together.
fn of_pair(issuer: &[u8], signed: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(digest(issuer)).chain_update(signed).finalize().into()
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn in_time(certificate: &Certificate, at: Timestamp) -> Result<(), ChainFault> {
    let (from, to) = certificate.validity();
    if (from..=to).contains(&at) { Ok(()) } else { Err(ChainFault::OutOfTime(certificate.subject(), at)) }
}

/// RFC 5280 4.2.1.9: it says that it is a CA.
fn may_issue(issuer: &Certificate) -> bool {
    let constraints = issuer.parsed().tbs_certificate().get_extension::<BasicConstraints>().ok().flatten();
    let usage = issuer.parsed().tbs_certificate().get_extension::<KeyUsage>().ok().flatten();
    constraints.is_some_and(|(_, basic)| basic.ca) && usage.is_none_or(|(_, usage)| usage.0.contains(KeyUsages::KeyCertSign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{Signer as _, make_test_pki, test_signer};

    #[test]
    fn signers_chain_to_roots_unless_out_of_time_revoked_or_no_issuer() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now: Timestamp = "2026-03-01T04:00:00Z".parse().unwrap();
        make_test_pki(folder.path(), now).unwrap();
        make_test_pki(other.path(), now).unwrap();
        let [anchors, others] = [&folder, &other].map(|folder| Anchors::read(&folder.path().join("trust")).unwrap());
        let judged = |id: &str, at: Timestamp| {
            let signer = test_signer(folder.path(), id, now).unwrap();
            let (own, along) = (&signer.chain()[0], &signer.chain()[1..]);
            assert!(others.chain(own, along, at).is_err(), "{id} under the other installation's roots");
            anchors.chain(own, &[], at).map(Certificate::subject)
        };
        for _ in 0..2 {
            assert!(judged("signer-p256", now).unwrap().contains("TEST Root CA"));
            assert!(judged("signer-sm2", now).unwrap().contains("TEST SM2 Root CA"), "seals carry no certificate between");
            assert!(matches!(judged("signer-expired", now), Err(ChainFault::OutOfTime(..))));
            assert!(judged("signer-expired", "2021-03-01T04:00:00Z".parse().unwrap()).is_ok());
            assert!(matches!(judged("signer-revoked", now), Err(ChainFault::Revoked(_))));
            assert!(matches!(judged("issuing-ca", now), Err(ChainFault::Purpose(_))));
        }
        assert_eq!(anchors.checked.read().unwrap().len(), 5, "two CAs, three signers; the revoked one leads nowhere");
    }
}
