//! The two languages of the pages: Chinese as it stands in the templates, English from one dictionary file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The dictionary; scripts fetch the same file.
pub const ENGLISH: &str = include_str!("english.json");

static DICTIONARY: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| serde_json::from_str(ENGLISH).expect("a test reads the dictionary"));

/// A language of the pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lang {
    /// 中文.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Lang {
    /// The language asked for: by address, else by an earlier choice, else by the browser. Chinese unless English is
    /// clearly preferred.
    pub fn chosen(query: Option<&str>, cookie: Option<&str>, accept: Option<&str>) -> Self {
        let accepts = || accept.and_then(|list| list.split(',').map(str::trim).find(|l| l.starts_with("zh") || l.starts_with("en")));
        match query.or(cookie).or_else(accepts) {
            Some(tag) if tag.starts_with("en") => Self::English,
            _ => Self::Chinese,
        }
    }

    /// BCP 47.
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// Its own name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Chinese => "中文",
            Self::English => "English",
        }
    }

    /// The one that the page offers instead.
    pub const fn other(&self) -> Self {
        match self {
            Self::Chinese => Self::English,
            Self::English => Self::Chinese,
        }
    }

    /// A phrase in this language. What the dictionary lacks, data above all, stays as it is.
    pub fn say<'a>(&self, chinese: &'a str) -> &'a str {
        match self {
            Self::Chinese => chinese,
            Self::English => DICTIONARY.get(chinese).map_or(chinese, String::as_str),
        }
    }
}
