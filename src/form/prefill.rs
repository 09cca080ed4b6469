//! What a form takes over from a licence record, so that a holder need not write it again.

use serde::Deserialize;

use crate::record::{Record, Specialty};

/// A value of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum Source {
    /// 注册编号 or 证书编号.
    #[serde(rename = "number")]
    Number,
    /// 姓名.
    #[serde(rename = "holder.name")]
    Name,
    /// 性别.
    #[serde(rename = "holder.sex")]
    Sex,
    /// 出生日期.
    #[serde(rename = "holder.birth_date")]
    BirthDate,
    /// The name of the identity document.
    #[serde(rename = "holder.id_type")]
    IdType,
    /// Its number.
    #[serde(rename = "holder.id_number")]
    IdNumber,
    /// 免冠证件照.
    #[serde(rename = "holder.photo")]
    Photo,
    /// 手写签字.
    #[serde(rename = "holder.signature")]
    Signature,
    /// 聘用企业.
    #[serde(rename = "employer.name")]
    Employer,
    /// Its 统一社会信用代码.
    #[serde(rename = "employer.uscc")]
    EmployerCode,
    /// 发证机关.
    #[serde(rename = "issuer.name")]
    Issuer,
    /// 签发日期.
    #[serde(rename = "issued_on")]
    IssuedOn,
    /// First day of the licence as a whole.
    #[serde(rename = "valid_from")]
    ValidFrom,
    /// Last day of the licence as a whole.
    #[serde(rename = "valid_to")]
    ValidTo,
    /// The further value that has the field's own name.
    #[serde(rename = "fields")]
    Further,
    /// 专业, in a list of them.
    #[serde(rename = "specialty.name")]
    Specialty,
    /// Its last day.
    #[serde(rename = "specialty.valid_to")]
    SpecialtyTo,
}

/// Rows of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// One row for each 专业.
    Specialties,
}

impl Source {
    /// The value as a form's data would have it; pictures are not text.
    pub fn text(self, record: &Record, field: &str, specialty: Option<&Specialty>) -> Option<String> {
        let holder = &record.holder;
        let employer = record.employer.as_ref();
        match self {
            Self::Number => Some(record.number.clone()),
            Self::Name => Some(holder.name.clone()),
            Self::Sex => holder.sex.map(|sex| sex.as_str().to_owned()),
            Self::BirthDate => holder.birth_date.map(|date| date.to_string()),
            Self::IdType => Some(id_type(&holder.id_type).to_owned()),
            Self::IdNumber => Some(holder.id_number.clone()),
            Self::Photo | Self::Signature => None,
            Self::Employer => employer.map(|e| e.name.clone()),
            Self::EmployerCode => employer.and_then(|e| e.uscc.clone()),
            Self::Issuer => Some(record.issuer.name.clone()),
            Self::IssuedOn => Some(record.issued_on.to_string()),
            Self::ValidFrom => record.valid_from.map(|date| date.to_string()),
            Self::ValidTo => record.valid_to.map(|date| date.to_string()),
            Self::Further => record.fields.get(field).cloned(),
            Self::Specialty => specialty.map(|s| s.name.clone()),
            Self::SpecialtyTo => specialty.and_then(|s| s.valid_to).map(|date| date.to_string()),
        }
        .filter(|text| !text.is_empty())
    }
}

/// What GB/T 36903 holder codes are called on a form.
fn id_type(code: &str) -> &'static str {
    match code {
        "111" => "居民身份证",
        "411" => "外交护照",
        "412" => "公务护照",
        "413" => "公务普通护照",
        "414" => "普通护照",
        "511" => "台湾居民来往大陆通行证",
        "516" => "港澳居民来往内地通行证",
        _ => "其他",
    }
}
