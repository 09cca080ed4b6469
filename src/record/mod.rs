//! Licence records: what a registration authority knows about one licence, parsed and never half-valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

mod day;
pub mod identifier;
mod json;
mod parse;
mod picture;
mod read;
mod table;
mod text;

pub use picture::{Picture, PictureError, PictureFormat, PictureKind, Pixels};
pub use read::{Fault, Input, Kind, Loaded, Options, inputs, read, sent};

/// One version of one licence. Serialised, it is the JSON that it can be read from again, pictures included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Id of the licence type: the name of its layout.
    pub licence_type: String,
    /// 注册编号 or 证书编号.
    pub number: String,
    /// Serial of the licence identifier (证照标识), 0-9A-Z.
    pub serial: String,
    /// Version, 1 to 999; a reissue raises it.
    pub version: u16,
    /// Whom the licence belongs to.
    pub holder: Holder,
    /// 聘用企业.
    pub employer: Option<Employer>,
    /// 注册专业 or qualification lines, each with its own dates.
    pub specialties: Vec<Specialty>,
    /// First day of validity, where the licence as a whole has one.
    pub valid_from: Option<Date>,
    /// Last day of validity, where the licence as a whole has one.
    pub valid_to: Option<Date>,
    /// 发证机关.
    pub issuer: Issuer,
    /// 签发日期.
    pub issued_on: Date,
    /// Whether the licence is in force.
    pub status: Status,
    /// Whether the record has reached the ministry.
    pub reported: bool,
    /// Further values that only some types print.
    pub fields: BTreeMap<String, String>,
}

/// A person or a company that holds a licence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holder {
    /// Name, normalised (NFC, one kind of middle dot, single spaces).
    pub name: String,
    /// Sex, of a person.
    pub sex: Option<Sex>,
    /// Birth date, of a person.
    pub birth_date: Option<Date>,
    /// Holder code type (GB/T 36903), for example `111`.
    pub id_type: String,
    /// The number of that identity document.
    pub id_number: String,
    /// Whether the phone is bound at the national platform.
    pub phone_bound: bool,
    /// 免冠证件照.
    #[serde(serialize_with = "data_uri")]
    pub photo: Option<Arc<Picture>>,
    /// 手写签字.
    #[serde(serialize_with = "data_uri")]
    pub signature: Option<Arc<Picture>>,
}

/// A holder's sex as registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sex {
    /// 男.
    Male,
    /// 女.
    Female,
}

impl Sex {
    /// 男 or 女.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Male => "男",
            Self::Female => "女",
        }
    }
}

impl Serialize for Sex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The company that employs the holder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Employer {
    /// Full name.
    pub name: String,
    /// 统一社会信用代码.
    pub uscc: Option<String>,
}

/// One 专业 with its registration period, or one qualification line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Specialty {
    /// Full name.
    pub name: String,
    /// First day.
    pub valid_from: Option<Date>,
    /// Last day, included.
    pub valid_to: Option<Date>,
}

/// The authority that issues the licence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Issuer {
    /// Full name.
    pub name: String,
    /// 统一社会信用代码.
    pub code: String,
}

/// Whether a licence is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// In force (unless expired by date).
    Valid,
    /// 暂扣.
    Suspended,
    /// 注销.
    Cancelled,
    /// 撤销.
    Revoked,
    /// 吊销.
    Withdrawn,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Valid, Self::Suspended, Self::Cancelled, Self::Revoked, Self::Withdrawn];

    /// As records write it: `valid`, `suspended`, `cancelled`, `revoked`, `withdrawn`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn data_uri<S: Serializer>(picture: &Option<Arc<Picture>>, serializer: S) -> Result<S::Ok, S::Error> {
    picture.as_ref().map(|p| p.to_data_uri()).serialize(serializer)
}
