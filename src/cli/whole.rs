//! Files that stand under their final name only when they are whole.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;

/// A file beside its final place; [`NamedTempFile::persist`] gives it its name.
pub fn begin(out: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: what the user's umask leaves.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).with_context(|| format!("cannot write into {}", folder.display()))
}

/// Gives a finished file its name.
pub fn finish(file: NamedTempFile, out: &Path) -> anyhow::Result<()> {
    file.persist(out).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(())
}

/// Writes a file.
pub fn write(out: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = begin(out)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", out.display()))?;
    finish(file, out)
}
