//! Judging SM2 signatures (GB/T 32918.2 7.1), several times faster for keys that come again and again.

use std::sync::{Arc, LazyLock, OnceLock};

use sm2::dsa::signature::Verifier as _;
use sm2::dsa::{Signature, VerifyingKey};
use sm2::elliptic_curve::Group as _;
use sm2::elliptic_curve::ops::Reduce as _;
use sm2::elliptic_curve::point::AffineCoordinates as _;
use sm2::{ProjectivePoint, Scalar};
use sm3::{Digest as _, Sm3};

use super::algorithm::SM2_USER_ID;

/// A public key.
#[derive(Clone, Debug)]
pub(super) struct PublicKey {
    key: VerifyingKey,
    /// Made when the key is expected again: making them takes as long as judging three signatures without.
    prepared: OnceLock<Arc<Prepared>>,
}

#[derive(Debug)]
struct Prepared {
    /// What every digest begins with: SM3 of user, curve and key (GB/T 32918.2 5.5).
    identity: Sm3,
    multiples: Multiples,
}

impl PublicKey {
    /// From a point as SEC 1 writes it; none for what is no point of the curve.
    pub fn from_sec1(point: &[u8]) -> Option<Self> {
        Some(Self { key: VerifyingKey::from_sec1_bytes(SM2_USER_ID, point).ok()?, prepared: OnceLock::new() })
    }

    /// Prepares for many more signatures, in some 130 kilobytes.
    pub fn expect_more(&self) {
        self.prepared.get_or_init(|| {
            let identity = identity(&self.key.to_sec1_bytes());
            Arc::new(Prepared { identity, multiples: Multiples::of(ProjectivePoint::from(*self.key.as_affine())) })
        });
    }

    /// Whether a signature over a message holds; it is DER and nothing but DER.
    pub fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_der(signature) else { return false };
        match self.prepared.get() {
            Some(prepared) => prepared.holds(message, &signature),
            None => self.key.verify(message, &signature).is_ok(),
        }
    }
}

impl Prepared {
    /// In variable time: nothing in it is secret. The letters are those of the standard; r and s are from 1 to n − 1 by their
    /// type.
    fn holds(&self, message: &[u8], signature: &Signature) -> bool {
        let (r, s) = (*signature.r(), *signature.s());
        let e = self.identity.clone().chain_update(message).finalize();
        let t = r + s;
        let sum = self.multiples.add(&t, GENERATOR.add(&s, ProjectivePoint::IDENTITY));
        let nothing = t == Scalar::ZERO || bool::from(sum.is_identity());
        !nothing && r == Scalar::reduce(&e) + Scalar::reduce(&sum.to_affine().x())
    }
}

/// The digest's beginning for a key, given as SEC 1 writes it without compression.
fn identity(point: &[u8]) -> Sm3 {
    /// The curve of GB/T 32918.5 2: a, b, and the two coordinates of its generator.
    const CURVE: [&str; 4] = [
        "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
        "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
        "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
        "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
    ];
    let bits = (SM2_USER_ID.len() * 8) as u16;
    let mut hash = Sm3::new_with_prefix(bits.to_be_bytes()).chain_update(SM2_USER_ID);
    for number in CURVE {
        hash.update(hex::decode(number).expect("hexadecimal digits"));
    }
    // Without the byte that says how the point is written.
    Sm3::new_with_prefix(hash.chain_update(&point[1..]).finalize())
}

static GENERATOR: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ProjectivePoint::GENERATOR));

/// Multiples of a point: for each place of a number in base 64 those by 1 to 32, so that a product is a sum.
#[derive(Debug)]
struct Multiples(Vec<[ProjectivePoint; 32]>);

/// Places of a number of 256 bits in base 64.
const PLACES: usize = 43;

impl Multiples {
    fn of(point: ProjectivePoint) -> Self {
        let mut unit = point;
        let row = |_| {
            let mut multiple = ProjectivePoint::IDENTITY;
            let row = std::array::from_fn(|_| {
                multiple += unit;
                multiple
            });
            unit = multiple.double();
            row
        };
        Self((0..PLACES).map(row).collect())
    }

    /// The product with a number, added to `sum`.
    fn add(&self, by: &Scalar, mut sum: ProjectivePoint) -> ProjectivePoint {
        for (row, digit) in self.0.iter().zip(digits(by)) {
            match digit {
                0 => {}
                1.. => sum += row[digit as usize - 1],
                _ => sum -= row[-digit as usize - 1],
            }
        }
        sum
    }
}

/// A number in base 64 with digits from −31 to 32, the last place first.
fn digits(number: &Scalar) -> [i8; PLACES] {
    let bytes = number.to_bytes();
    let bit = |at: usize| bytes.len().checked_sub(at / 8 + 1).map_or(0, |byte| bytes[byte] >> (at % 8) & 1) as i8;
    let mut carry = 0;
    std::array::from_fn(|place| {
        let digit = (0..6).map(|i| bit(6 * place + i) << i).sum::<i8>() + carry;
        carry = i8::from(digit > 32);
        digit - 64 * carry
    })
}

#[cfg(test)]
mod tests {
    use sm2::dsa::SigningKey;
    use sm2::dsa::signature::Signer as _;

    use super::*;

    /// A key and its public half, once as it comes and once prepared.
    fn keys(seed: u8) -> (SigningKey, [PublicKey; 2]) {
        let key = SigningKey::from_slice(SM2_USER_ID, &[seed; 32]).unwrap();
        let plain = PublicKey::from_sec1(&key.verifying_key().to_sec1_bytes()).unwrap();
        let prepared = plain.clone();
        prepared.expect_more();
        assert!(plain.prepared.get().is_none() && prepared.prepared.get().is_some());
        (key, [plain, prepared])
    }

    #[test]
    fn a_prepared_key_judges_as_any_other_does() {
        for seed in 1..20_u8 {
            let (key, public) = keys(seed);
            let message = vec![seed; usize::from(seed) * 7];
            let signature: Signature = key.sign(&message);
            let der = sm2::dsa::DerSignature::from(signature).to_vec();
            let both = |message: &[u8], signature: &[u8]| {
                let [plain, prepared] = public.each_ref().map(|public| public.holds(message, signature));
                assert_eq!(plain, prepared, "{seed}: {}", hex::encode(signature));
                prepared
            };
            assert!(both(&message, &der));
            assert!(!both(b"another", &der));
            assert!(!keys(seed + 1).1[1].holds(&message, &der), "another key");
            for at in 0..der.len() {
                let mut altered = der.clone();
                altered[at] ^= 1;
                assert!(!both(&message, &altered), "byte {at}");
            }
            assert!(!both(&message, &der[..der.len() - 1]) && !both(&message, &[&der[..], &[0]].concat()));
        }
    }

    /// GB/T 32918.2 7.1, B5: r + s = n is no signature, whatever else fits; nor are r = n and s = 0.
    #[test]
    fn numbers_out_of_range_are_no_signature() {
        let (_, public) = keys(3);
        let order = hex::decode("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123").unwrap();
        let mut less = order.clone();
        less[31] -= 1;
        let mut one = vec![0; 32];
        one[31] = 1;
        let number = |bytes: &[u8]| {
            let bytes = bytes.iter().copied().skip_while(|&byte| byte == 0).collect::<Vec<u8>>();
            let sign = bytes.first().is_none_or(|&first| first > 127);
            [vec![2, bytes.len() as u8 + u8::from(sign)], vec![0; usize::from(sign)], bytes].concat()
        };
        for (r, s) in [(&one, &less), (&less, &one), (&order, &one), (&one, &order), (&vec![0; 32], &one), (&one, &vec![0; 32])] {
            let content = [number(r), number(s)].concat();
            let der = [vec![0x30, content.len() as u8], content].concat();
            for key in &public {
                assert!(!key.holds(b"message", &der), "{}", hex::encode(&der));
            }
        }
    }

    #[test]
    fn products_are_those_of_the_curve() {
        let multiples = Multiples::of(ProjectivePoint::GENERATOR);
        let mut numbers = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(64_u64), Scalar::from(32_u64), Scalar::from(33_u64)];
        numbers.extend((1..50_u8).map(|i| Scalar::reduce(&Sm3::digest([i]))));
        for number in numbers {
            let product = multiples.add(&number, ProjectivePoint::GENERATOR);
            assert_eq!(product, ProjectivePoint::GENERATOR * number + ProjectivePoint::GENERATOR);
        }
    }
}
