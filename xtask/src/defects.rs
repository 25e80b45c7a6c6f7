//! Planted defects: each a file under `tests/sim/defects` that says what to find in which source, and what stands there instead. All
//! of them go into one copy of the work tree, each behind a switch, so that one build shows what the simulation makes of each.
//!
//! ```text
//! repeats: whose bug it is
//! in: crates/milena-proto/src/offsets/tracker.rs
//! is:
//! offset: mark.offset,
//! becomes:
//! offset: mark.offset + i64::from(::records::defect("one_too_far")),
//! ```
//!
//! A file may have several edits. What is to be found must be there exactly once: a test holds every change of the sources to that,
//! so that a defect cannot rot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// A bug on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The name of its file, and of its switch.
    pub name: String,
    /// Which public bug it repeats, or what it does.
    pub repeats: String,
    /// What is done to sources.
    pub edits: Vec<Edit>,
}

/// One place in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which file, from the root of the work tree.
    pub file: String,
    /// What is there.
    pub is: String,
    /// What comes into its place.
    pub becomes: String,
}

impl Defect {
    /// Reads one.
    ///
    /// # Errors
    /// A line that does not belong there.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut defect = Self { name: name.to_owned(), repeats: String::new(), edits: Vec::new() };
        let mut part = "";
        for line in text.lines() {
            if let Some(repeats) = line.strip_prefix("repeats: ") {
                defect.repeats = repeats.to_owned();
            } else if let Some(file) = line.strip_prefix("in: ") {
                let (is, becomes) = (String::new(), String::new());
                defect.edits.push(Edit { file: file.to_owned(), is, becomes });
            } else if line == "is:" || line == "becomes:" {
                part = line;
            } else {
                let edit = defect.edits.last_mut().filter(|_| !part.is_empty());
                let edit = edit.ok_or_else(|| Error::new(format!("{name}: {line:?} belongs to no edit")))?;
                let text = if part == "is:" { &mut edit.is } else { &mut edit.becomes };
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(line);
            }
        }
        let is_whole = !defect.repeats.is_empty() && !defect.edits.is_empty();
        let switch = format!("defect(\"{name}\")");
        let is_switched =
            defect.edits.iter().all(|edit| !edit.is.is_empty() && edit.becomes.contains(&switch));
        match is_whole && is_switched {
            true => Ok(defect),
            false => Err(Error::new(format!("{name}: says not whose bug it is, or an edit has no {switch}"))),
        }
    }
}

/// All of them, by name.
///
/// # Errors
/// A file that cannot be read, or is none.
pub fn all(root: &Path) -> Result<Vec<Defect>> {
    let place = root.join("tests/sim/defects");
    let entries = fs::read_dir(&place).context(|| format!("reading {}", place.display()))?;
    let mut files: Vec<PathBuf> = entries.map_while(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).context(|| format!("reading {}", file.display()))?;
        Defect::parse(&file.file_stem().unwrap_or_default().to_string_lossy(), &text)
    };
    files.iter().map(read).collect()
}

/// Puts a defect into sources: files by their path from the root of the work tree.
///
/// # Errors
/// What is to be found is not there, or more than once.
pub fn plant(sources: &mut BTreeMap<String, String>, defect: &Defect) -> Result<()> {
    for edit in &defect.edits {
        let wrong = |what: &str| Error::new(format!("{}: {} {what}:\n{}", defect.name, edit.file, edit.is));
        let source = sources.get_mut(&edit.file).ok_or_else(|| wrong("is not there"))?;
        match source.matches(&edit.is).count() {
            1 => *source = source.replacen(&edit.is, &edit.becomes, 1),
            0 => return Err(wrong("does not have")),
            _ => return Err(wrong("has more than once")),
        }
    }
    Ok(())
}

/// The switch, for the lowest crate: everything else can see it there.
pub const SWITCH: &str = r#"
/// Whether a planted defect is switched on.
#[doc(hidden)]
#[must_use]
pub fn defect(name: &str) -> bool {
    static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var("MILENA_DEFECT").unwrap_or_default()) == name
}
"#;
