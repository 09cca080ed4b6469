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
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// Its own name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chinese => "中文",
            Self::English => "English",
        }
    }

    /// The one that the page offers instead.
    pub const fn other(self) -> Self {
        match self {
            Self::Chinese => Self::English,
            Self::English => Self::Chinese,
        }
    }

    /// A phrase in this language. What the dictionary lacks, data above all, stays as it is.
    pub fn say(self, chinese: &str) -> &str {
        match self {
            Self::Chinese => chinese,
            Self::English => DICTIONARY.get(chinese).map_or(chinese, String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_of_templates_scripts_and_answers_has_its_english() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/pages");
        let mut missing = Vec::new();
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if !file.extension().is_some_and(|e| e == "html" || e == "js") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for call in ["t(\"", "with(\""] {
                let said = text.split(call).skip(1).filter_map(|rest| rest.split_once('"')).map(|(phrase, _)| phrase);
                let chinese = said.filter(|phrase| phrase.chars().any(|c| c >= '\u{4e00}'));
                missing.extend(
                    chinese.filter(|phrase| !DICTIONARY.contains_key(*phrase)).map(|phrase| format!("{}: {phrase}", file.display())),
                );
            }
        }
        let answers: serde_json::Value = serde_json::from_str(super::super::answers::ANSWERS).unwrap();
        for answer in answers.as_object().unwrap().values() {
            let phrases = ["headline", "why"].map(|part| answer[part].as_str().unwrap());
            missing.extend(phrases.into_iter().filter(|phrase| !DICTIONARY.contains_key(*phrase)).map(str::to_owned));
        }
        // Titles and remedies of problems, as they stand in the source.
        let problems = include_str!("../problem.rs");
        let (_, problems) = problems.split_once("const fn title").unwrap();
        let (problems, _) = problems.split_once("/// One thing that is wrong").unwrap();
        let phrases = problems.split("=> \"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(phrase, _)| phrase);
        missing.extend(phrases.filter(|phrase| !DICTIONARY.contains_key(*phrase)).map(|phrase| format!("problem.rs: {phrase}")));
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn chinese_unless_english_is_asked_for() {
        let chosen = Lang::chosen;
        assert_eq!(chosen(None, None, None), Lang::Chinese);
        assert_eq!(chosen(None, None, Some("fr, en-GB;q=0.9, zh;q=0.8")), Lang::English);
        assert_eq!(chosen(None, None, Some("zh-CN,zh;q=0.9,en;q=0.8")), Lang::Chinese);
        assert_eq!(chosen(None, Some("zh-CN"), Some("en")), Lang::Chinese);
        assert_eq!(chosen(Some("en"), Some("zh-CN"), Some("zh")), Lang::English);
        assert_eq!(chosen(Some("<script>"), None, Some("en")), Lang::Chinese);
    }
}
