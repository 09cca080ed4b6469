//! Issued files by their SHA-256: whole under that name or not there at all, and never another content.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path as Folder, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::StoreError;
use super::sqlite::elsewhere;

/// How long a store elsewhere may take, all attempts together: less than a request may, so that it is told why.
const PATIENCE: Duration = Duration::from_secs(10);

/// The blob store, open.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// The folder, where the files are on a disk of this machine.
    folder: Option<Arc<Folder>>,
}

impl Blobs {
    /// Opens a folder, which is made if it is not there, or `s3://bucket/prefix` with credentials, region and endpoint from
    /// the `AWS_*` variables.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::Blob { blob: address.to_owned(), cause };
        let store: Arc<dyn ObjectStore> = match address.strip_prefix("s3://") {
            Some(place) => {
                // Needed once in a process; whoever came first has chosen the same.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                let retry = RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() };
                let s3 = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_retry(retry)
                    .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), "3s")
                    .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), format!("{}s", PATIENCE.as_secs()))
                    .build()
                    .map_err(failed)?;
                Arc::new(PrefixStore::new(s3, Path::from(prefix)))
            }
            None => {
                std::fs::create_dir_all(Folder::new(address)).map_err(|cause| StoreError::Disk { place: address.to_owned(), cause })?;
                Arc::new(LocalFileSystem::new_with_prefix(address).map_err(failed)?)
            }
        };
        let folder = (!address.starts_with("s3://")).then(|| Folder::new(address).into());
        Ok(Self { store, folder })
    }

    /// Keeps the bytes. Answers when they are on the disk.
    pub async fn put(&self, bytes: Bytes) -> Result<[u8; 32], StoreError> {
        let blobs = self.clone();
        elsewhere(move || blobs.keep(bytes)).await
    }

    /// As [`Self::put`], on a thread where nobody waits for others.
    pub fn keep(&self, bytes: Bytes) -> Result<[u8; 32], StoreError> {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        // Over what may be there already: by its name it is the same.
        let kept = match &self.folder {
            Some(folder) => {
                keep(folder, &hex::encode(sha256), &bytes).map_err(|cause| Error::Generic { store: "folder", source: cause.into() })
            }
            None => Handle::current().block_on(self.store.put(&name(&sha256), bytes.into())).map(drop),
        };
        kept.map(|()| sha256).map_err(|cause| failed(&sha256, cause))
    }

    /// The bytes, checked against their name; none if they are not there.
    pub async fn fetch(&self, sha256: &[u8; 32]) -> Result<Option<Bytes>, StoreError> {
        let found = match self.store.get(&name(sha256)).await {
            Ok(found) => found.bytes().await.map_err(|cause| failed(sha256, cause))?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(failed(sha256, cause)),
        };
        if <[u8; 32]>::from(Sha256::digest(&found)) != *sha256 {
            return Err(StoreError::corrupt(&format!("blob {}", hex::encode(sha256)), "its bytes are other ones"));
        }
        Ok(Some(found))
    }

    /// Whether files can be kept: the disk has room, or the bucket is there. For `/readyz`.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.folder.is_some() {
            return self.put(Bytes::from_static(b"a file")).await.map(drop);
        }
        // Nothing is written, for a bucket may keep each version for ever. A file that is not there would look the same
        // without a bucket; a list does not.
        let probe = Path::from("probe");
        let listed = self.store.list(Some(&probe)).try_next().await;
        listed.map(drop).map_err(|cause| StoreError::Blob { blob: probe.to_string(), cause })
    }
}

/// Writes a file whole and under its name: first under another one, and the name comes to the disk after the content.
fn keep(folder: &Folder, hex: &str, bytes: &[u8]) -> std::io::Result<()> {
    let place = folder.join(&hex[..2]);
    let (file, part) = match begin(&place, hex) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(&place)?;
            sync(folder)?;
            begin(&place, hex)?
        }
        begun => begun?,
    };
    let written = write(file, bytes).and_then(|()| std::fs::rename(&part, place.join(&hex[2..])));
    // What is only half there is of no use to anybody.
    written.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    sync(&place)
}

/// A new file that no other thread and no other process writes; the store passes over names that end so.
fn begin(place: &Folder, hex: &str) -> std::io::Result<(File, PathBuf)> {
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    loop {
        let part = place.join(format!("{}#{}{}", &hex[2..], std::process::id(), BEGUN.fetch_add(1, Ordering::Relaxed)));
        match File::create_new(&part) {
            Ok(file) => return Ok((file, part)),
            // Left by a process of the same number that was killed.
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
}

fn write(mut file: File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

/// Brings the names in a folder to the disk.
fn sync(folder: &Folder) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// `ab/cdef…`: no folder grows too large.
fn name(sha256: &[u8; 32]) -> Path {
    let hex = hex::encode(sha256);
    Path::from_iter([&hex[..2], &hex[2..]])
}

fn failed(sha256: &[u8; 32], cause: Error) -> StoreError {
    StoreError::Blob { blob: hex::encode(sha256), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_found_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("blobs").to_str().unwrap()).unwrap();
        blobs.ping().await.unwrap();
        let sha256 = blobs.put(Bytes::from_static(b"a licence")).await.unwrap();
        assert_eq!(blobs.put(Bytes::from_static(b"a licence")).await.unwrap(), sha256);
        assert_eq!(blobs.fetch(&sha256).await.unwrap().unwrap(), "a licence");
        assert_eq!(blobs.fetch(&[1; 32]).await.unwrap(), None);

        let file = folder.path().join("blobs").join(name(&sha256).to_string());
        let beside: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(beside, std::slice::from_ref(&file), "and nothing else");
        std::fs::write(file, "a licencE").unwrap();
        assert!(matches!(blobs.fetch(&sha256).await, Err(StoreError::Corrupt { .. })));
    }
}
