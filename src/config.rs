//! Settings, read once: a TOML file, overridden by `CERTPRESS_*` environment variables, overridden by flags.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What can be set for one run. Flags and environment; whatever is absent comes from the file, then from the defaults.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Overrides {
    /// Settings file (TOML); without one the defaults make a demonstration with test keys
    #[arg(long, global = true, env = "CERTPRESS_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of keys; test keys are made there at first run [default: keys]
    #[arg(long, global = true, env = "CERTPRESS_KEYS", value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Folder of layouts to use instead of those in the program
    #[arg(long, global = true, env = "CERTPRESS_LAYOUTS", value_name = "DIR")]
    pub layouts: Option<PathBuf>,
    /// Folder of fonts (with its fonts.toml) to use instead of those in the program
    #[arg(long, global = true, env = "CERTPRESS_FONTS", value_name = "DIR")]
    pub fonts: Option<PathBuf>,
    /// Address that QR codes open, up to where the digits begin [default: https://zz.example.cn/v/]
    #[arg(long, global = true, env = "CERTPRESS_VERIFY_BASE", value_name = "URL")]
    pub verify_base: Option<String>,
}

/// The settings of one run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of keys.
    pub keys: PathBuf,
    /// Folder of layouts, instead of those in the program.
    pub layouts: Option<PathBuf>,
    /// Folder of fonts, instead of those in the program.
    pub fonts: Option<PathBuf>,
    /// Address that QR codes open, up to where the digits begin.
    pub verify_base: String,
    /// Resolution of PNG previews in dots per inch.
    pub preview_dpi: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: PathBuf::from("keys"),
            layouts: None,
            fonts: None,
            verify_base: "https://zz.example.cn/v/".to_owned(),
            // Three whole pixels for each module of an ordinary QR code in its box of 25 mm.
            preview_dpi: 180,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: the settings cannot be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is no TOML, or holds an unknown setting or a wrong value.
    #[error("{file}:{line}:{column}: {message}")]
    Malformed {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is outside what works.
    #[error("{setting}: {message}")]
    Value {
        /// Name of the setting.
        setting: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Settings {
    /// Reads the file that the overrides name, if any, and lays the overrides over it.
    pub fn load(overrides: Overrides) -> Result<Self, ConfigError> {
        let mut settings = match &overrides.config {
            Some(file) => Self::from_file(file)?,
            None => Self::default(),
        };
        if let Some(keys) = overrides.keys {
            settings.keys = keys;
        }
        settings.layouts = overrides.layouts.or(settings.layouts);
        settings.fonts = overrides.fonts.or(settings.fonts);
        if let Some(base) = overrides.verify_base {
            settings.verify_base = base;
        }
        settings.checked()
    }

    fn from_file(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable { file: name.clone(), cause })?;
        toml::from_str(&text).map_err(|e| {
            let before = &text[..e.span().map_or(0, |span| span.start.min(text.len()))];
            ConfigError::Malformed {
                file: name,
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
                message: e.message().to_owned(),
            }
        })
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let value = |setting, message: String| Err(ConfigError::Value { setting, message });
        let base = &self.verify_base;
        if !(base.starts_with("https://") || base.starts_with("http://")) || !base.ends_with('/') {
            return value("verify_base", format!("`{base}` must start with https:// and end with /, the digits follow it"));
        }
        if base.len() > 100 || !base.bytes().all(|b| b.is_ascii_graphic()) {
            return value("verify_base", format!("`{base}` must be at most 100 characters of plain ASCII"));
        }
        if !(50..=600).contains(&self.preview_dpi) {
            return value("preview_dpi", format!("{} is outside 50 to 600 dots per inch", self.preview_dpi));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certpress.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Overrides { config: Some(file), ..Overrides::default() })
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certpress.toml");
        std::fs::write(&file, "keys = \"a\"\npreview_dpi = 96\n").unwrap();
        let overrides = Overrides { config: Some(file), keys: Some("b".into()), ..Overrides::default() };
        let settings = Settings::load(overrides).unwrap();
        assert_eq!(settings.keys, PathBuf::from("b"));
        assert_eq!(settings.preview_dpi, 96);
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_place() {
        let error = load_text("preview_dpi = 96\nverify_bas = \"x\"\n").unwrap_err().to_string();
        assert!(error.contains("certpress.toml:2:1"), "{error}");
        assert!(error.contains("verify_bas"), "{error}");
    }

    #[test]
    fn a_base_without_its_slash_is_refused() {
        let error = load_text("verify_base = \"https://zz.example.cn\"").unwrap_err().to_string();
        assert!(error.contains("verify_base") && error.contains("end with /"), "{error}");
    }
}
