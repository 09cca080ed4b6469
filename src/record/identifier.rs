//! Numbers with check digits: licence identifiers, identity cards, company codes, and the shapes of licence numbers.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;

use super::Sex;

/// What is wrong with an identifier. Never quotes it: the caller decides what may be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentifierError {
    /// Too short or too long.
    #[error("expected {expected}, found {found} characters")]
    Length {
        /// How long it should be.
        expected: &'static str,
        /// How long it is.
        found: usize,
    },
    /// A character that has no place there; counted from 1.
    #[error("character {position} has no place there: expected {expected}")]
    Character {
        /// Its position, from 1.
        position: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// Built otherwise than the standard says.
    #[error("expected {0}")]
    Shape(&'static str),
    /// The birth date inside is no day of the calendar.
    #[error("the birth date inside (characters 7 to 14) is not a real date")]
    BirthDate,
    /// The check digit does not fit the rest.
    #[error("the check digit is wrong: expected {expected}")]
    CheckDigit {
        /// The one that fits.
        expected: char,
    },
}

impl IdentifierError {
    /// Whether nothing but the check digit is wrong.
    pub const fn is_check_digit(self) -> bool {
        matches!(self, Self::CheckDigit { .. })
    }
}

/// 证照标识 (GB/T 36904): names one version of one licence for the whole country.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LicenceIdentifier {
    type_code: String,
    issuer: String,
    serial: String,
    version: u16,
}

/// The object identifier under which GB/T 36904 puts all licence identifiers.
const IDENTIFIER_ROOT: &str = "1.2.156.3005.2.";

/// No serial seen in practice is longer than 20; this bounds what a hostile one can cost.
const LONGEST_SERIAL: usize = 32;

impl LicenceIdentifier {
    /// From type code (18 characters and 3 digits), issuing body's USCC, serial (0-9A-Z) and version (1 to 999).
    pub fn new(type_code: &str, issuer: &str, serial: &str, version: u16) -> Result<Self, IdentifierError> {
        length(type_code, 21, "a type code of 21 characters")?;
        alphanumeric(type_code)?;
        if !type_code.bytes().skip(18).all(|b| b.is_ascii_digit()) {
            return Err(IdentifierError::Shape("a type code that ends in 3 digits"));
        }
        length(issuer, 18, "an issuing body's code of 18 characters")?;
        alphanumeric(issuer)?;
        serial_number(serial)?;
        if !(1..=999).contains(&version) {
            return Err(IdentifierError::Shape("a version from 001 to 999"));
        }
        Ok(Self { type_code: type_code.into(), issuer: issuer.into(), serial: serial.into(), version })
    }

    /// 证照类型代码.
    pub fn type_code(&self) -> &str {
        &self.type_code
    }

    /// The issuing body's USCC.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The check character over all parts (ISO 7064 MOD 37,36).
    pub fn check(&self) -> char {
        let all = format!("{}{}{}{:03}", self.type_code, self.issuer, self.serial, self.version);
        check_37_36(&all)
    }
}

impl fmt::Display for LicenceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_code, issuer, serial, version } = self;
        write!(f, "{IDENTIFIER_ROOT}{type_code}.{issuer}.{serial}.{version:03}.{}", self.check())
    }
}

impl FromStr for LicenceIdentifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        const SHAPE: IdentifierError = IdentifierError::Shape("1.2.156.3005.2.TYPE.ISSUER.SERIAL.VERSION.CHECK");
        let mut parts = text.strip_prefix(IDENTIFIER_ROOT).ok_or(SHAPE)?.split('.');
        let mut part = || parts.next().ok_or(SHAPE);
        let (type_code, issuer, serial, version, check) = (part()?, part()?, part()?, part()?, part()?);
        if parts.next().is_some() || version.len() != 3 || !version.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SHAPE);
        }
        let identifier = Self::new(type_code, issuer, serial, version.parse().map_err(|_| SHAPE)?)?;
        let expected = identifier.check();
        if check.len() != 1 || !check.starts_with(expected) {
            return Err(IdentifierError::CheckDigit { expected });
        }
        Ok(identifier)
    }
}

/// The serial of a licence identifier: 1 to 32 of 0-9A-Z.
pub fn serial_number(serial: &str) -> Result<(), IdentifierError> {
    if !(1..=LONGEST_SERIAL).contains(&serial.chars().count()) {
        return Err(IdentifierError::Length { expected: "1 to 32 characters", found: serial.chars().count() });
    }
    alphanumeric(serial)
}

/// The check character of ISO 7064 MOD 37,36 over characters 0-9A-Z.
pub fn mod_37_36(text: &str) -> Result<char, IdentifierError> {
    alphanumeric(text)?;
    Ok(check_37_36(text))
}

/// What an identity number tells about the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bearer {
    /// Birth date.
    pub birth_date: Date,
    /// Sex.
    pub sex: Sex,
}

/// An identity number of 18 characters (GB 11643): 居民身份证, 港澳台居民居住证 (810000, 820000, 830000) or the new
/// 外国人永久居留身份证 (first digit 9), which share one construction.
pub fn resident(number: &str) -> Result<Bearer, IdentifierError> {
    let bearer = bearer(number)?;
    let sum: u32 = number.bytes().zip(RESIDENT_WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    let expected = char::from(b"10X98765432"[(sum % 11) as usize]);
    if number.ends_with(expected) { Ok(bearer) } else { Err(IdentifierError::CheckDigit { expected }) }
}

/// What an identity number of 18 characters tells, whatever its check digit.
pub fn bearer(number: &str) -> Result<Bearer, IdentifierError> {
    length(number, 18, "18 characters")?;
    if let Some(at) = number.bytes().take(17).position(|b| !b.is_ascii_digit()) {
        return Err(IdentifierError::Character { position: at + 1, expected: "a digit" });
    }
    if !number.ends_with(|c: char| c.is_ascii_digit() || c == 'X') {
        return Err(IdentifierError::Character { position: 18, expected: "a digit or X" });
    }
    let digits = |from: usize, to: usize| number.as_bytes()[from..to].iter().fold(0, |value, b| value * 10 + i16::from(b - b'0'));
    if !number.starts_with('9') && !PROVINCES.contains(&digits(0, 2)) {
        return Err(IdentifierError::Shape("a number that starts with the code of a province (GB/T 2260)"));
    }
    let birth_date = Date::new(digits(6, 10), digits(10, 12) as i8, digits(12, 14) as i8).map_err(|_| IdentifierError::BirthDate)?;
    if !(1880..=2200).contains(&birth_date.year()) {
        return Err(IdentifierError::BirthDate);
    }
    Ok(Bearer { birth_date, sex: if digits(16, 17) % 2 == 1 { Sex::Male } else { Sex::Female } })
}

/// 统一社会信用代码 (GB 32100): 18 characters, the last one a check character.
pub fn credit_code(code: &str) -> Result<(), IdentifierError> {
    length(code, 18, "18 characters")?;
    let mut sum = 0;
    let mut weight = 1;
    for (at, byte) in code.bytes().enumerate() {
        let Some(value) = CREDIT_ALPHABET.iter().position(|&b| b == byte) else {
            return Err(IdentifierError::Character { position: at + 1, expected: "a digit or a capital letter other than I, O, S, V, Z" });
        };
        if at < 17 {
            sum += value * weight;
            weight = weight * 3 % 31;
        }
    }
    if let Some(at) = code.bytes().skip(2).take(6).position(|b| !b.is_ascii_digit()) {
        return Err(IdentifierError::Character { position: at + 3, expected: "a digit of the place of registration (GB/T 2260)" });
    }
    let expected = char::from(CREDIT_ALPHABET[(31 - sum % 31) % 31]);
    if code.ends_with(expected) { Ok(()) } else { Err(IdentifierError::CheckDigit { expected }) }
}

/// 组织机构代码 (GB 11714): 8 characters and a check character, written with or without a hyphen.
pub fn organisation_code(code: &str) -> Result<(), IdentifierError> {
    let joined = match code.split_once('-') {
        Some((body, check)) if body.len() == 8 => format!("{body}{check}"),
        _ => code.to_owned(),
    };
    length(&joined, 9, "9 characters")?;
    alphanumeric(&joined)?;
    let sum: u32 = joined.bytes().zip([3, 7, 9, 10, 5, 8, 4, 2]).map(|(byte, weight)| base_36(byte) * weight).sum();
    let expected = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from(b'0' + digit as u8),
    };
    if joined.ends_with(expected) { Ok(()) } else { Err(IdentifierError::CheckDigit { expected }) }
}

/// Holder code types (GB/T 36903): what kind of number names the holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HolderType {
    /// 001, 统一社会信用代码.
    CreditCode,
    /// 099, another code of a legal person.
    OtherLegalPerson,
    /// 111, 公民身份号码.
    Citizen,
    /// 411, 外交护照.
    DiplomaticPassport,
    /// 412, 公务护照.
    ServicePassport,
    /// 413, 公务普通护照.
    PublicAffairsPassport,
    /// 414, 普通护照.
    Passport,
    /// 511, 台湾居民来往大陆通行证.
    TaiwanPass,
    /// 516, 港澳居民来往内地通行证.
    HongKongMacaoPass,
    /// 999, another number of a person: 居住证, 永久居留身份证 and the like.
    OtherPerson,
}

impl HolderType {
    /// All of them, in order of code.
    pub const ALL: [Self; 10] = [
        Self::CreditCode,
        Self::OtherLegalPerson,
        Self::Citizen,
        Self::DiplomaticPassport,
        Self::ServicePassport,
        Self::PublicAffairsPassport,
        Self::Passport,
        Self::TaiwanPass,
        Self::HongKongMacaoPass,
        Self::OtherPerson,
    ];

    /// By its code of three digits.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.code() == code)
    }

    /// The code of three digits.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CreditCode => "001",
            Self::OtherLegalPerson => "099",
            Self::Citizen => "111",
            Self::DiplomaticPassport => "411",
            Self::ServicePassport => "412",
            Self::PublicAffairsPassport => "413",
            Self::Passport => "414",
            Self::TaiwanPass => "511",
            Self::HongKongMacaoPass => "516",
            Self::OtherPerson => "999",
        }
    }

    /// The kind of document, as a clerk calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreditCode => "统一社会信用代码",
            Self::OtherLegalPerson => "其他法人证件",
            Self::Citizen => "居民身份证",
            Self::DiplomaticPassport => "外交护照",
            Self::ServicePassport => "公务护照",
            Self::PublicAffairsPassport => "公务普通护照",
            Self::Passport => "普通护照",
            Self::TaiwanPass => "台湾居民来往大陆通行证",
            Self::HongKongMacaoPass => "港澳居民来往内地通行证",
            Self::OtherPerson => "其他自然人证件",
        }
    }

    /// Whether the holder is a person rather than a company.
    pub const fn is_person(self) -> bool {
        !matches!(self, Self::CreditCode | Self::OtherLegalPerson)
    }

    /// Checks a number of this kind; tells birth date and sex where the number holds them.
    pub fn examine(self, number: &str) -> Result<Option<Bearer>, IdentifierError> {
        match self {
            Self::CreditCode => credit_code(number).map(|()| None),
            Self::Citizen if number.len() == 15 && number.bytes().all(|b| b.is_ascii_digit()) => {
                Err(IdentifierError::Shape("18 characters: numbers of 15 digits have not been valid since 2013"))
            }
            Self::Citizen if number.starts_with('9') => {
                Err(IdentifierError::Shape("a citizen's number; a 永久居留身份证 (first digit 9) has id_type 999"))
            }
            Self::Citizen => resident(number).map(Some),
            Self::DiplomaticPassport | Self::ServicePassport | Self::PublicAffairsPassport | Self::Passport => {
                between(number, 5, 17, "5 to 17 characters").map(|()| None)
            }
            Self::TaiwanPass => match number.trim_end_matches(|c: char| c.is_ascii_uppercase()) {
                digits if matches!(digits.len(), 8 | 10) && number.len() - digits.len() <= 1 && all_digits(digits) => Ok(None),
                _ => Err(IdentifierError::Shape("8 or 10 digits")),
            },
            Self::HongKongMacaoPass => match number.strip_prefix(['H', 'M']) {
                Some(digits) if matches!(digits.len(), 8 | 10) && all_digits(digits) => Ok(None),
                _ => Err(IdentifierError::Shape("H or M and 8 or 10 digits")),
            },
            Self::OtherPerson if is_residence_card(number) => resident(number).map(Some),
            Self::OtherPerson | Self::OtherLegalPerson => between(number, 4, 32, "4 to 32 characters").map(|()| None),
        }
    }
}

/// 居住证 and the new 永久居留身份证: built like a citizen's number. The old 永久居留身份证 (3 letters, 12 digits) is not.
fn is_residence_card(number: &str) -> bool {
    number.len() == 18
        && number.is_ascii()
        && all_digits(&number[..17])
        && ["810000", "820000", "830000", "9"].iter().any(|start| number.starts_with(start))
}

/// How the numbers of a licence type are built. A layout names one; `any` accepts all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberPattern {
    /// 一级建造师: 京1 11 2015 2018 00001, or before 2016 京1 11 05 07 00001.
    Constructor1,
    /// 二级建造师: as 一级, with 2 after the province.
    Constructor2,
    /// 安管人员: 京建安C1（2015）0000001.
    Safety,
    /// 特种作业: 京A012009000001.
    SpecialOperation,
    /// Not known, or not one pattern.
    #[default]
    Any,
}

impl NumberPattern {
    /// Whether a licence number is built like that.
    pub fn matches(self, number: &str) -> bool {
        if self == Self::Any {
            return true;
        }
        let mut chars = number.chars();
        if !chars.next().is_some_and(|c| PROVINCE_NAMES.contains(c)) {
            return false;
        }
        let rest = chars.as_str();
        match self {
            Self::Constructor1 | Self::Constructor2 => {
                let level = if self == Self::Constructor1 { "1" } else { "2" };
                rest.strip_prefix(level).is_some_and(|digits| {
                    all_digits(digits) && (digits.len() == 11 || digits.len() == 15 && is_year(&digits[2..6]) && is_year(&digits[6..10]))
                })
            }
            Self::Safety => rest.strip_prefix("建安").is_some_and(|rest| {
                // Longest first, so that C1 is not read as C followed by 1.
                let Some(rest) = ["C1", "C2", "C3", "A", "B", "C"].iter().find_map(|class| rest.strip_prefix(class)) else {
                    return false;
                };
                let brackets = rest.strip_prefix('（').and_then(|r| r.split_once('）'));
                let brackets = brackets.or_else(|| rest.strip_prefix('(').and_then(|r| r.split_once(')')));
                brackets.is_some_and(|(year, serial)| is_year(year) && serial.len() == 7 && all_digits(serial))
            }),
            Self::SpecialOperation => {
                let digits = rest.strip_prefix(|c: char| c.is_ascii_uppercase());
                digits.is_some_and(|digits| digits.len() == 12 && all_digits(digits) && is_year(&digits[2..6]))
            }
            Self::Any => true,
        }
    }
}

/// Masks an identity number for messages and logs: the first 3 and the last 4 characters stay.
pub fn masked(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let (head, tail) = if chars.len() >= 12 { (3, 4) } else { (1.min(chars.len()), usize::from(chars.len() > 4)) };
    chars.iter().enumerate().map(|(at, &c)| if at < head || at + tail >= chars.len() { c } else { '*' }).collect()
}

const BASE_36: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// GB 32100: no I, O, S, V, Z.
const CREDIT_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// GB 11643: 2^(17-i) mod 11.
const RESIDENT_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// GB/T 2260, with 83 for the 居住证 of Taiwan.
const PROVINCES: [i16; 35] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82,
    83,
];

/// The short names that licence numbers start with; 军 for 总后基建营房部, 兵 for 新疆生产建设兵团.
const PROVINCE_NAMES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新台港澳军兵";

/// ISO 7064 MOD 37,36 over characters found to be 0-9A-Z before.
fn check_37_36(text: &str) -> char {
    let product = text.bytes().fold(36, |product, byte| {
        let sum = (product + base_36(byte)) % 36;
        (if sum == 0 { 36 } else { sum } * 2) % 37
    });
    char::from(BASE_36[((37 - product) % 36) as usize])
}

/// The value of 0-9A-Z, found to be such before.
fn base_36(byte: u8) -> u32 {
    u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 })
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && all_digits(text) && (text.starts_with("19") || text.starts_with("20"))
}

fn length(text: &str, wanted: usize, expected: &'static str) -> Result<(), IdentifierError> {
    let found = text.chars().count();
    if found != wanted {
        return Err(IdentifierError::Length { expected, found });
    }
    match text.chars().position(|c| !c.is_ascii()) {
        Some(at) => Err(IdentifierError::Character { position: at + 1, expected: "a digit or a capital letter" }),
        None => Ok(()),
    }
}

fn between(text: &str, least: usize, most: usize, expected: &'static str) -> Result<(), IdentifierError> {
    let found = text.chars().count();
    if !(least..=most).contains(&found) {
        return Err(IdentifierError::Length { expected, found });
    }
    alphanumeric(text)
}

fn alphanumeric(text: &str) -> Result<(), IdentifierError> {
    match text.chars().position(|c| !c.is_ascii_digit() && !c.is_ascii_uppercase()) {
        Some(at) => Err(IdentifierError::Character { position: at + 1, expected: "a digit or a capital letter" }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iso_7064_vectors() {
        assert_eq!(mod_37_36("A12425GABC1234002"), Ok('M'));
        assert_eq!(mod_37_36("B159D8FA01240000"), Ok('K'));
        assert_eq!(mod_37_36("A-1"), Err(IdentifierError::Character { position: 2, expected: "a digit or a capital letter" }));
    }

    #[test]
    fn real_licence_identifiers_survive_the_round_trip() {
        for text in [
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
            "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
        ] {
            assert_eq!(text.parse::<LicenceIdentifier>().unwrap().to_string(), text);
        }
        let parsed: LicenceIdentifier = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U".parse().unwrap();
        assert_eq!((parsed.type_code(), parsed.issuer()), ("11100000000013338W011", "11430000006122244L"));
        assert_eq!((parsed.serial(), parsed.version(), parsed.check()), ("20230000403", 1, 'U'));
    }

    #[test]
    fn broken_licence_identifiers_are_refused() {
        let good = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
        for bad in [
            "",
            &good[2..],
            &good.replace(".001.", ".1."),
            &good.replace(".001.", ".000."),
            &format!("{good}.0"),
            &good.replace("20230000403", "2023-000403"),
            &good.replace("20230000403", ""),
            &good.replace('W', "w"),
            &good.replace(".U", ".UU"),
        ] {
            assert!(bad.parse::<LicenceIdentifier>().is_err(), "{bad}");
        }
        assert_eq!(good.replace(".U", ".V").parse::<LicenceIdentifier>(), Err(IdentifierError::CheckDigit { expected: 'U' }));
    }

    #[test]
    fn resident_numbers() {
        let told = resident("110000198506120010").unwrap();
        assert_eq!(told, Bearer { birth_date: date(1985, 6, 12), sex: Sex::Male });
        assert_eq!(resident("110000198303210067").unwrap().sex, Sex::Female);
        assert_eq!(resident("11010519491231002X").unwrap().birth_date, date(1949, 12, 31)); // the example of GB 11643
        assert_eq!(resident("110000198506120011"), Err(IdentifierError::CheckDigit { expected: '0' }));
        assert_eq!(resident("110000198513120010"), Err(IdentifierError::BirthDate));
        assert_eq!(resident("110000198302290010"), Err(IdentifierError::BirthDate));
        assert!(matches!(resident("1100001985061200"), Err(IdentifierError::Length { .. })));
        assert!(matches!(resident("11000019850612001x"), Err(IdentifierError::Character { position: 18, .. })));
        assert!(matches!(resident("11000019850612001Ｘ"), Err(IdentifierError::Character { position: 18, .. })));
        assert!(matches!(resident("990000198506120010"), Err(IdentifierError::CheckDigit { .. })));
        assert!(matches!(resident("170000198506120010"), Err(IdentifierError::Shape(_))));
    }

    #[test]
    fn company_codes() {
        for good in ["91110000MAFAKE019D", "91110000MAFAKE0278", "11100000000013338W", "11430000006122244L", "11330105002500287C"] {
            assert_eq!(credit_code(good), Ok(()), "{good}");
            assert_eq!(organisation_code(&good[8..17]), Ok(()), "{good}");
        }
        assert_eq!(organisation_code("D2143569-X"), Ok(())); // the example of GB 11714
        assert_eq!(organisation_code("D21435691"), Err(IdentifierError::CheckDigit { expected: 'X' }));
        assert_eq!(credit_code("91110000MAFAKE019E"), Err(IdentifierError::CheckDigit { expected: 'D' }));
        assert!(matches!(credit_code("91110000MAFAKEI19D"), Err(IdentifierError::Character { position: 15, .. })));
        assert!(matches!(credit_code("9111A000MAFAKE019D"), Err(IdentifierError::Character { position: 5, .. })));
    }

    #[test]
    fn each_holder_type_knows_its_numbers() {
        use HolderType as T;
        for (kind, number, told) in [
            (T::CreditCode, "91110000MAFAKE019D", false),
            (T::OtherLegalPerson, "D2143569X", false),
            (T::Citizen, "110000198506120010", true),
            (T::Citizen, "810000199408230021", true),
            (T::Passport, "C01X00T47", false),
            (T::TaiwanPass, "12345678", false),
            (T::TaiwanPass, "1234567890B", false),
            (T::HongKongMacaoPass, "H12345678", false),
            (T::HongKongMacaoPass, "M1234567890", false),
            (T::OtherPerson, "830000199105050094", true),
            (T::OtherPerson, "USA110075031501", false),
            (T::OtherPerson, "911840198810010016", true),
        ] {
            let number = corrected(number, kind);
            assert_eq!(kind.examine(&number).map(|b| b.is_some()), Ok(told), "{kind:?} {number}");
            assert_eq!(T::from_code(kind.code()), Some(kind));
        }
        for (kind, number) in [
            (T::Citizen, "110000850612001"),
            (T::Citizen, "911840198810010016"),
            (T::Passport, "C0"),
            (T::Passport, "C01-00T47"),
            (T::TaiwanPass, "1234567"),
            (T::HongKongMacaoPass, "12345678"),
            (T::OtherPerson, "830000199105050095"),
            (T::OtherPerson, "a?"),
        ] {
            assert!(kind.examine(number).is_err(), "{kind:?} {number}");
        }
        assert_eq!(T::from_code("112"), None);
    }

    /// Sets the check digit of invented numbers of 18 digits.
    fn corrected(number: &str, kind: HolderType) -> String {
        match kind.examine(number) {
            Err(IdentifierError::CheckDigit { expected }) if number != "830000199105050094" => format!("{}{expected}", &number[..17]),
            _ => number.to_owned(),
        }
    }

    #[test]
    fn licence_numbers_fit_their_patterns() {
        use NumberPattern as P;
        for (pattern, number) in [
            (P::Constructor1, "京1112012201990001"),
            (P::Constructor1, "京111050700001"),
            (P::Constructor2, "京2112015201800001"),
            (P::Safety, "京建安C1（2015）0000001"),
            (P::Safety, "京建安A(2015)0000001"),
            (P::Safety, "京建安C（2015）0000001"),
            (P::SpecialOperation, "京A012009000001"),
            (P::Any, "anything"),
        ] {
            assert!(pattern.matches(number), "{pattern:?} {number}");
        }
        for (pattern, number) in [
            (P::Constructor1, "京2112015201800001"),
            (P::Constructor1, "1112012201990001"),
            (P::Constructor1, "京11120122019900011"),
            (P::Constructor1, "京1113312201990001"),
            (P::Safety, "京建安D（2015）0000001"),
            (P::Safety, "京建安A（2015)0000001"),
            (P::SpecialOperation, "京012009000001"),
            (P::SpecialOperation, "京"),
            (P::SpecialOperation, ""),
        ] {
            assert!(!pattern.matches(number), "{pattern:?} {number}");
        }
    }

    #[test]
    fn masks_keep_the_ends_only() {
        assert_eq!(masked("110000198506120010"), "110***********0010");
        assert_eq!(masked("H12345678"), "H*******8");
        assert_eq!(masked("C12"), "C**");
        assert_eq!(masked(""), "");
    }

    fn swapped(text: &str, at: usize, by: usize, alphabet: &[u8]) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        let value = alphabet.iter().position(|&b| b == bytes[at])?;
        bytes[at] = alphabet[(value + by) % alphabet.len()];
        (bytes != text.as_bytes()).then(|| String::from_utf8(bytes).unwrap())
    }

    proptest! {
        #[test]
        fn a_changed_digit_of_an_identity_number_is_caught(day in 0i64..30_000, sequence in 0u32..1000, at in 0usize..17, by in 1usize..10) {
            let born = date(1930, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            let body = format!("110000{:04}{:02}{:02}{sequence:03}", born.year(), born.month(), born.day());
            let number = corrected(&format!("{body}0"), HolderType::Citizen);
            prop_assert_eq!(resident(&number).unwrap().birth_date, born);
            prop_assert!(resident(&swapped(&number, at, by, b"0123456789").unwrap()).is_err());
        }

        #[test]
        fn a_changed_character_of_a_company_code_is_caught(at in 8usize..18, by in 1usize..31) {
            prop_assert!(credit_code(&swapped("91110000MAFAKE019D", at, by, CREDIT_ALPHABET).unwrap()).is_err());
        }

        #[test]
        fn a_changed_character_of_a_licence_identifier_is_caught(
            serial in "[0-9A-Z]{1,20}", version in 1u16..1000, at in 0usize..20, by in 1usize..36,
        ) {
            let identifier = LicenceIdentifier::new("11100000000013338W011", "11430000006122244L", &serial, version).unwrap();
            prop_assert_eq!(&identifier.to_string().parse::<LicenceIdentifier>().unwrap(), &identifier);
            let changed = swapped(&serial, at % serial.len(), by, BASE_36).unwrap();
            let changed = identifier.to_string().replacen(&format!(".{serial}."), &format!(".{changed}."), 1);
            prop_assert!(changed.parse::<LicenceIdentifier>().is_err());
        }

        #[test]
        fn no_text_makes_a_check_panic(text in "\\PC{0,24}") {
            for kind in HolderType::ALL {
                let _ = kind.examine(&text);
            }
            let _ = (organisation_code(&text), text.parse::<LicenceIdentifier>(), masked(&text));
            for pattern in [NumberPattern::Constructor1, NumberPattern::Safety, NumberPattern::SpecialOperation] {
                let _ = pattern.matches(&text);
            }
        }
    }
}
