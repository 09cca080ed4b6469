//! Settings, read once: a TOML file, overridden by `CERTPRESS_*` environment variables, overridden by flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
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
    /// Address that QR codes open, up to where the digits begin [default: `https://zz.example.cn/v/`]
    #[arg(long, global = true, env = "CERTPRESS_VERIFY_BASE", value_name = "URL")]
    pub verify_base: Option<String>,
    /// Signer of PDF files, by its name in the settings or in the test PKI [default in demo: signer-p256]
    #[arg(long, global = true, env = "CERTPRESS_PDF_SIGNER", value_name = "NAME")]
    pub pdf_signer: Option<String>,
}

/// The settings of one run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether what is made here counts.
    pub mode: Mode,
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
    /// Signers by name.
    pub signer: BTreeMap<String, SignerSettings>,
    /// How PDF files are signed.
    pub pdf: PdfSettings,
    /// How OFD files are signed.
    pub ofd: OfdSettings,
    /// Seals; in demo those that a layout draws and that are not here are made.
    pub seal: Vec<SealSettings>,
    /// The server that time-stamps the signatures of PDF files; without one they carry no time-stamp.
    pub time_stamp: Option<TimeStampSettings>,
    /// The register and what is around it.
    pub service: ServiceSettings,
}

/// `[service]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Where `/metrics` is answered; keep it inside.
    pub metrics: SocketAddr,
    /// Folder of the SQLite register and of made files.
    pub data: PathBuf,
    /// PostgreSQL instead of SQLite: `postgres://…`.
    pub database: Option<String>,
    /// An S3-compatible store of made files instead of the folder: `s3://bucket/prefix`.
    pub blobs: Option<String>,
    /// Whether a proxy stands before the service, so that `X-Forwarded-For` tells who calls.
    pub behind_proxy: bool,
    /// The portal's OpenID provider.
    pub openid: Option<OpenId>,
    /// How much one caller and all together may ask for.
    pub limits: LimitSettings,
}

/// `[service.openid]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenId {
    /// What tokens must say in `iss`.
    pub issuer: String,
    /// What tokens must say in `aud`.
    pub audience: String,
    /// Address or file of the key set (RFC 7517).
    pub jwks: String,
    /// Certificates (PEM) of the authority that vouches for that address, instead of those that the system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `[service.limits]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests a second of one caller, and of one address that has not said who it is.
    pub per_second: NonZeroU32,
    /// How many of them may come at once.
    pub burst: NonZeroU32,
    /// How many files may wait to be made before callers are told to come back.
    pub waiting: usize,
    /// Largest batch of records in megabytes.
    pub records_mb: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let per_second = NonZeroU32::new(50).expect("50 is not 0");
        Self { per_second, burst: NonZeroU32::new(200).expect("200 is not 0"), waiting: 256, records_mb: 1024 }
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 9464)),
            data: PathBuf::from("data"),
            database: None,
            blobs: None,
            behind_proxy: false,
            openid: None,
            limits: LimitSettings::default(),
        }
    }
}

/// What can be set for the commands that work on the register.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct RegisterOverrides {
    /// Folder of the SQLite register and of made files [default: data]
    #[arg(long, env = "CERTPRESS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL instead of SQLite
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// S3-compatible store of made files
    #[arg(long, env = "CERTPRESS_BLOBS", value_name = "URL", hide_env_values = true)]
    pub blobs: Option<String>,
}

impl ServiceSettings {
    /// Lays the overrides over what the file says.
    #[must_use]
    pub fn with(&self, overrides: &RegisterOverrides) -> Self {
        let mut settings = self.clone();
        settings.data = overrides.data.clone().unwrap_or(settings.data);
        settings.database = overrides.database.clone().or(settings.database);
        settings.blobs = overrides.blobs.clone().or(settings.blobs);
        settings
    }
}

/// Whether what is made here counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Test keys, and every file says so.
    #[default]
    Demo,
    /// Keys that count; those of the test PKI are refused.
    Production,
}

/// Where a signer's private key is, and the PEM file of its certificates: its own first, then its issuers'.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "SignerTable")]
pub enum SignerSettings {
    /// In a PKCS#8 file.
    File {
        /// The key.
        key: PathBuf,
        /// The certificates.
        certificates: PathBuf,
        /// The file that holds the key's password, when it is encrypted.
        password_file: Option<PathBuf>,
    },
    /// In a hardware module.
    Module {
        /// The module's PKCS#11 library.
        module: PathBuf,
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
        /// The file that holds the token's PIN.
        pin_file: PathBuf,
        /// The certificates.
        certificates: PathBuf,
    },
}

/// `[signer.NAME]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerTable {
    certificates: PathBuf,
    key: Option<PathBuf>,
    password_file: Option<PathBuf>,
    module: Option<PathBuf>,
    token: Option<String>,
    label: Option<String>,
    pin_file: Option<PathBuf>,
}

impl TryFrom<SignerTable> for SignerSettings {
    type Error = &'static str;

    fn try_from(table: SignerTable) -> Result<Self, Self::Error> {
        let SignerTable { certificates, key, password_file, module, token, label, pin_file } = table;
        match (key, password_file, module, token, label, pin_file) {
            (Some(key), password_file, None, None, None, None) => Ok(Self::File { key, certificates, password_file }),
            (None, None, Some(module), Some(token), Some(label), Some(pin_file)) => {
                Ok(Self::Module { module, token, label, pin_file, certificates })
            }
            _ => Err("a signer has either `key` (and `password_file` when it is encrypted), or `module`, `token`, `label` and `pin_file`"),
        }
    }
}

/// `[pdf]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PdfSettings {
    /// Name of the signer; in demo it may also be one of the test PKI.
    pub signer: Option<String>,
}

/// `[ofd]`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfdSettings {
    /// What kind of signature.
    pub signature: OfdSignature,
    /// Name of the signer of `signature = "sign"`; in demo it may also be one of the test PKI.
    pub signer: Option<String>,
}

/// What kind of signature an OFD carries (GB/T 33190-2016 18.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfdSignature {
    /// An electronic seal for each seal that the page shows (GB/T 38540).
    #[default]
    Seal,
    /// One signature that shows nothing (GB/T 35275); the page draws its seals.
    Sign,
}

/// `[[seal]]`: a seal from a seal maker.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealSettings {
    /// The words of the seal, as the layouts have them in `art.text`.
    pub words: String,
    /// The seal (`SESeal`, GB/T 38540), an `.esl` file.
    pub file: PathBuf,
    /// Name of the signer that holds it.
    pub signer: String,
}

/// `[time_stamp]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStampSettings {
    /// Where questions of RFC 3161 are posted.
    pub url: String,
    /// How long an answer may take.
    #[serde(default = "TimeStampSettings::patience")]
    pub timeout_seconds: u16,
}

impl TimeStampSettings {
    fn patience() -> u16 {
        10
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Demo,
            keys: PathBuf::from("keys"),
            layouts: None,
            fonts: None,
            verify_base: "https://zz.example.cn/v/".to_owned(),
            // Three whole pixels for each module of an ordinary QR code in its box of 25 mm.
            preview_dpi: 180,
            signer: BTreeMap::new(),
            pdf: PdfSettings::default(),
            ofd: OfdSettings::default(),
            seal: Vec::new(),
            time_stamp: None,
            service: ServiceSettings::default(),
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
        settings.pdf.signer = overrides.pdf_signer.or(settings.pdf.signer);
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
        if let Some(TimeStampSettings { url, timeout_seconds }) = &self.time_stamp {
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                return value("time_stamp.url", format!("`{url}` must start with http:// or https://"));
            }
            if !(1..=120).contains(timeout_seconds) {
                return value("time_stamp.timeout_seconds", format!("{timeout_seconds} is outside 1 to 120"));
            }
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
    fn a_signer_is_a_key_file_or_a_module_and_nothing_between() {
        let file = load_text("[signer.licences]\nkey = \"k.pem\"\ncertificates = \"c.pem\"\n[pdf]\nsigner = \"licences\"\n").unwrap();
        assert!(matches!(&file.signer["licences"], SignerSettings::File { password_file: None, .. }));
        assert_eq!(file.pdf.signer.as_deref(), Some("licences"));
        let module = "certificates = \"c.pem\"\nmodule = \"m.so\"\ntoken = \"t\"\nlabel = \"k\"\n";
        let whole = load_text(&format!("[signer.hsm]\n{module}pin_file = \"pin\"\n")).unwrap();
        assert!(matches!(&whole.signer["hsm"], SignerSettings::Module { token, .. } if token == "t"));
        for wrong in [module.to_owned(), format!("{module}pin_file = \"pin\"\nkey = \"k\"\n"), "certificates = \"c.pem\"\n".to_owned()] {
            let error = load_text(&format!("[signer.hsm]\n{wrong}")).unwrap_err().to_string();
            assert!(error.contains("certpress.toml:1:") && error.contains("either `key`"), "{error}");
        }
    }

    #[test]
    fn a_time_stamp_server_has_an_address_and_a_bound() {
        assert_eq!(load_text("[time_stamp]\nurl = \"http://tsa\"\n").unwrap().time_stamp.unwrap().timeout_seconds, 10);
        for wrong in ["url = \"tsa\"", "url = \"http://tsa\"\ntimeout_seconds = 0"] {
            let error = load_text(&format!("[time_stamp]\n{wrong}\n")).unwrap_err().to_string();
            assert!(error.starts_with("time_stamp."), "{error}");
        }
    }

    #[test]
    fn a_base_without_its_slash_is_refused() {
        let error = load_text("verify_base = \"https://zz.example.cn\"").unwrap_err().to_string();
        assert!(error.contains("verify_base") && error.contains("end with /"), "{error}");
    }
}
