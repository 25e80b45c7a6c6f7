//! The cache outside the work tree: jars, compiled Java tools, other people's clients.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::{env, process};

use crate::error::{Context, Error, Result};

/// The root of the cache: `$XDG_CACHE_HOME/milena`, else `~/.cache/milena`.
///
/// # Errors
/// Neither `XDG_CACHE_HOME` nor `HOME` is set, or the directory cannot be made.
pub fn root() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => match env::var_os("HOME").filter(|dir| !dir.is_empty()) {
            Some(home) => PathBuf::from(home).join(".cache"),
            None => return Err(Error::new("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep jars")),
        },
    };
    let root = base.join("milena");
    fs::create_dir_all(&root).context(|| format!("cannot make {}", root.display()))?;
    Ok(root)
}

/// The directory `name` of the cache, filled by `fill` if it is not there yet.
///
/// `fill` gets an empty directory, which takes its place under `name` only once `fill` has succeeded: an interrupted
/// download leaves nothing that looks whole. Two processes that want the same directory wait for each other.
///
/// # Errors
/// Whatever `fill` says, or the file system.
pub fn directory(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = root()?;
    let wanted = root.join(name);
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let lock = File::create(root.join(format!("{name}.lock"))).context(|| format!("cannot lock {name}"))?;
    lock.lock().context(|| format!("cannot lock {name}"))?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let half = root.join(format!("{name}.half"));
    if half.exists() {
        fs::remove_dir_all(&half).context(|| format!("cannot remove {}", half.display()))?;
    }
    fs::create_dir_all(&half).context(|| format!("cannot make {}", half.display()))?;
    fill(&half)?;
    fs::rename(&half, &wanted).context(|| format!("cannot rename {}", half.display()))?;
    Ok(wanted)
}

/// Takes the lock `name` if nobody holds it; it is held until the file is dropped, or the process ends.
pub(crate) fn try_lock(name: &str) -> Result<Option<File>> {
    let path = root()?.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).context(|| format!("cannot make {}", parent.display()))?;
    }
    let file = File::create(&path).context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(Error::new(format!("cannot lock {}: {error}", path.display())))
        }
    }
}

/// A fresh directory below the system's temporary directory.
pub(crate) fn temporary(what: &str) -> Result<PathBuf> {
    for attempt in 0..1000 {
        let path = env::temp_dir().join(format!("milena-{what}-{}-{attempt}", process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::new(format!("cannot make {}: {error}", path.display()))),
        }
    }
    Err(Error::new(format!("a thousand directories milena-{what}-* are in the way")))
}
