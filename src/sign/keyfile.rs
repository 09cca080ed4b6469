//! Key files on disk: written whole or not at all, and private ones readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::SignError;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Its owner alone: mode 0600.
    Private,
    /// Everybody: mode 0644.
    Public,
}

/// No key or certificate comes near this size; a larger file is a mistake or an attack.
const LARGEST: u64 = 1 << 20;

/// Reads a public file.
pub(super) fn read_public(path: &Path) -> Result<String, SignError> {
    let file = File::open(path).map_err(|cause| SignError::file("read", path, cause))?;
    let text = read_limited(&file, path)?;
    String::from_utf8(text.to_vec()).map_err(|_| SignError::key(path, "is not UTF-8 text; restore the file"))
}

/// Reads a private file, and refuses it when anybody but its owner may, unless it is encrypted.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, SignError> {
    let file = File::open(path).map_err(|cause| SignError::file("read", path, cause))?;
    let bytes = read_limited(&file, path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SignError::key(path, "is not UTF-8 text; a private key is kept as PEM"))?;
    if !text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        refuse_if_shared(&file, path)?;
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn read_limited(file: &File, path: &Path) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|cause| SignError::file("read", path, cause))?;
    if bytes.len() as u64 > LARGEST {
        return Err(SignError::key(path, "is larger than 1 MiB, so it is no key file"));
    }
    Ok(bytes)
}

/// The open file is asked, not the path, so that nothing can be swapped in between.
#[cfg(unix)]
fn refuse_if_shared(file: &File, path: &Path) -> Result<(), SignError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|cause| SignError::file("read", path, cause))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!(
            "holds a secret, but its mode {mode:04o} lets others at it; run `chmod 600 {}`, and rotate the key if others could read it",
            path.display()
        );
        return Err(SignError::key(path, message));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_if_shared(_file: &File, _path: &Path) -> Result<(), SignError> {
    Ok(())
}

/// Writes a file beside its place and moves it there, so that no reader ever sees half of it.
/// The caller holds the folder's lock.
pub(super) fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), SignError> {
    let failed = |cause| SignError::file("write", path, cause);
    let name = path.file_name().expect("every caller names a file").to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.part"));
    // What a crash left behind; `create_new` below then makes sure that the mode is ours from the first byte on.
    match fs::remove_file(&beside) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(failed(cause)),
        _ => {}
    }
    let mut file = create(&beside, access).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if let Err(cause) = written {
        // The write already failed; a leftover is removed by the next one.
        let _ = fs::remove_file(&beside);
        return Err(failed(cause));
    }
    sync_folder(path);
    Ok(())
}

#[cfg(unix)]
fn create(path: &Path, access: Access) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = if access == Access::Private { 0o600 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _access: Access) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Makes the rename last through a power cut, on file systems that can.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        // Some file systems cannot sync a folder; the file itself is already safe.
        let _ = folder.sync_all();
    }
}

/// Makes a folder and those above it; a private one opens for its owner alone.
pub(super) fn make_folder(path: &Path, access: Access) -> Result<(), SignError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(if access == Access::Private { 0o700 } else { 0o755 });
    }
    builder.create(path).map_err(|cause| SignError::file("make folder", path, cause))
}

/// The right to change a folder of keys; the operating system takes it back even from a process that crashed.
pub(super) fn lock(folder: &Path) -> Result<File, SignError> {
    make_folder(folder, Access::Public)?;
    make_folder(&folder.join("private"), Access::Private)?;
    make_folder(&folder.join("trust"), Access::Public)?;
    let path = folder.join("private").join(".lock");
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|cause| SignError::file("write", &path, cause))?;
    file.lock().map_err(|cause| SignError::file("lock", &path, cause))?;
    Ok(file)
}
