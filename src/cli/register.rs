//! Opening the register for the commands that work on it.

use std::sync::Arc;

use certpress::clock::{Clock as _, SystemClock};
use certpress::config::{RegisterOverrides, ServiceSettings, Settings};
use certpress::issue::register::Register;
use certpress::issue::{Envelopes, Line};
use certpress::sign::Keyring;
use certpress::store::blobs::Blobs;
use certpress::store::{Access, Store};

/// Who changes something, when it is done at the command line.
pub const ACTOR: &str = "command-line";

/// Runs asynchronous work to its end.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// The register's address: PostgreSQL, or the data folder.
pub fn address(service: &ServiceSettings) -> String {
    service.database.clone().unwrap_or_else(|| service.data.display().to_string())
}

/// The store of made files: S3, or a folder beside the register.
pub fn blobs(service: &ServiceSettings) -> anyhow::Result<Blobs> {
    let folder = || service.data.join("blobs").display().to_string();
    Ok(Blobs::open(&service.blobs.clone().unwrap_or_else(folder))?)
}

/// The register to look things up.
pub async fn read(settings: &Settings, overrides: &RegisterOverrides) -> anyhow::Result<Store> {
    Ok(Store::open(&address(&settings.service.with(overrides)), Access::Read).await?)
}

/// The register to change, joined with a line that signs files only with envelopes.
pub async fn write(
    settings: &Settings,
    overrides: &RegisterOverrides,
    create: bool,
    envelopes: Option<Envelopes>,
) -> anyhow::Result<Register> {
    let service = settings.service.with(overrides);
    let clock = Arc::new(SystemClock);
    let keyring = if create { Keyring::open_or_init(&settings.keys, clock.now())?.0 } else { Keyring::open(&settings.keys)? };
    let store = Store::open(&address(&service), Access::Write { create, index_key: *keyring.salt }).await?;
    let line = Line::open(settings, keyring)?;
    let line = match envelopes {
        Some(envelopes) => line.sealed_by(envelopes),
        None => line,
    };
    Ok(Register::new(Arc::new(line), Arc::new(store), blobs(&service)?, clock, service.limits.waiting))
}
