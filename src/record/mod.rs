//! Licence records: what a registration authority knows about one licence, parsed and never half-valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

pub mod identifier;
mod picture;
mod read;

pub use picture::{Picture, PictureFormat};
pub use read::{Fault, Loaded, Options, read};

/// One version of one licence.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
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
    pub photo: Option<Arc<Picture>>,
    /// 手写签字.
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

/// The company that employs the holder.
#[derive(Clone, Debug, PartialEq)]
pub struct Employer {
    /// Full name.
    pub name: String,
    /// 统一社会信用代码.
    pub uscc: Option<String>,
}

/// One 专业 with its registration period, or one qualification line.
#[derive(Clone, Debug, PartialEq)]
pub struct Specialty {
    /// Full name.
    pub name: String,
    /// First day.
    pub valid_from: Option<Date>,
    /// Last day, included.
    pub valid_to: Option<Date>,
}

/// The authority that issues the licence.
#[derive(Clone, Debug, PartialEq)]
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
