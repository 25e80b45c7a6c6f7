//! Where the corpora lie, and what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a target's committed inputs.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

/// A target's committed inputs, by name and sorted by it.
///
/// # Errors
/// The folder cannot be read; there must be one.
pub fn inputs(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let entry = entry?;
        inputs.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    inputs.sort();
    Ok(inputs)
}
