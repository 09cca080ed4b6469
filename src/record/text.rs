//! Names and lines of text, normalised on entry; characters that could hide or reorder text are refused.

use unicode_normalization::UnicodeNormalization;

/// The longest name of a person, in characters. The longest registered ones have about 50.
const LONGEST_NAME: usize = 100;

/// Why a text is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum TextError {
    #[error("is empty")]
    Empty,
    #[error("has {found} characters; at most {limit} are accepted")]
    TooLong { found: usize, limit: usize },
    #[error("holds {what} U+{code:04X} at character {position}; remove it")]
    Forbidden { what: &'static str, code: u32, position: usize },
}

/// A person's name: as [`line`], with one kind of middle dot (U+00B7).
pub(super) fn name(raw: &str) -> Result<String, TextError> {
    let text = line(raw, LONGEST_NAME)?;
    let chars: Vec<char> = text.chars().collect();
    let dotted = chars.iter().enumerate().map(|(at, &c)| match c {
        '\u{2022}' | '\u{30FB}' | '\u{2027}' => '·',
        // A full-width full stop is a middle dot only inside a Chinese name.
        '\u{FF0E}' if at > 0 && is_han(chars[at - 1]) && chars.get(at + 1).is_some_and(|&c| is_han(c)) => '·',
        c => c,
    });
    Ok(dotted.collect())
}

/// One line of text: NFC, trimmed, single spaces, no control, direction or invisible characters.
pub(super) fn line(raw: &str, limit: usize) -> Result<String, TextError> {
    // Before anything else, so that a text of any length is refused at the cost of counting it.
    let found = raw.chars().count();
    if found > limit {
        return Err(TextError::TooLong { found, limit });
    }
    let leading = raw.chars().take_while(|c| c.is_whitespace()).count();
    let trimmed = raw.trim();
    if trimmed.is_empty() {
        return Err(TextError::Empty);
    }
    if let Some((at, what, c)) = trimmed.chars().enumerate().find_map(|(at, c)| Some((at, forbidden(c)?, c))) {
        return Err(TextError::Forbidden { what, code: c.into(), position: leading + at + 1 });
    }
    let mut text = String::with_capacity(trimmed.len());
    for word in trimmed.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(word.nfc());
    }
    Ok(text)
}

/// What a character is, when it must not stand in a text that is printed and compared.
pub(super) fn forbidden(c: char) -> Option<&'static str> {
    match c {
        c if c.is_control() => Some("the control character"),
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Some("the text-direction character"),
        '\u{00AD}'
        | '\u{034F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200D}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}' => Some("the invisible character"),
        '\u{2028}' | '\u{2029}' => Some("the line break"),
        '\u{FFFC}' | '\u{FFFD}' => Some("the replacement character"),
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => Some("the private-use character"),
        '\u{FDD0}'..='\u{FDEF}' => Some("the noncharacter"),
        c if u32::from(c) & 0xFFFE == 0xFFFE => Some("the noncharacter"),
        _ => None,
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_one_kind_of_dot_and_of_space() {
        for (raw, expected) in [
            ("王䶮", "王䶮"),
            ("阿卜杜热西提•麦麦提艾力・图尔荪", "阿卜杜热西提·麦麦提艾力·图尔荪"),
            ("古丽‧买买提．艾力", "古丽·买买提·艾力"),
            ("SMITH J．", "SMITH J．"),
            ("  MU\u{308}LLER,\u{3000} JOHANN ", "MÜLLER, JOHANN"),
            ("李𬎆", "李𬎆"),
            ("\u{2F9F4}", "嶲"), // a compatibility ideograph becomes the plain one (NFC)
        ] {
            assert_eq!(name(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_hides_or_reorders_text_is_refused_with_its_place() {
        for (raw, position, code) in [
            ("王\u{7}伟", 2, 7),
            ("  王\u{202E}伟", 4, 0x202E),
            ("王伟\u{200B}一", 3, 0x200B),
            ("王\n伟", 2, 10),
            ("王\u{2067}", 2, 0x2067),
            ("\u{FEFF}王", 1, 0xFEFF),
            ("王\u{E863}", 2, 0xE863),
            ("王\u{FFFD}", 2, 0xFFFD),
            ("王\u{1FFFF}", 2, 0x1FFFF),
        ] {
            match name(raw) {
                Err(TextError::Forbidden { position: p, code: c, .. }) => assert_eq!((p, c), (position, code), "{raw:?}"),
                other => panic!("{raw:?}: {other:?}"),
            }
        }
        assert_eq!(name(" \u{3000}"), Err(TextError::Empty));
    }

    #[test]
    fn a_name_of_ten_thousand_characters_is_refused_by_its_length() {
        assert_eq!(name(&"王".repeat(10_000)), Err(TextError::TooLong { found: 10_000, limit: 100 }));
        assert!(name(&"王".repeat(100)).is_ok());
    }
}
