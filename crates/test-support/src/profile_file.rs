//! Provider profiles in files.

use std::path::PathBuf;

use tempfile::TempDir;

/// A provider profile in a file, which is deleted on drop.
#[derive(Debug)]
pub struct ProfileFile {
    folder: TempDir,
}

impl ProfileFile {
    /// Writes a profile with this text.
    #[track_caller]
    pub fn new(toml: impl AsRef<[u8]>) -> Self {
        let file = Self { folder: tempfile::tempdir().expect("a folder") };
        file.write(toml);
        file
    }

    /// Replaces the text.
    #[track_caller]
    pub fn write(&self, toml: impl AsRef<[u8]>) {
        std::fs::write(self.path(), toml).expect("the folder is writable");
    }

    /// Returns the flag of a sender with this profile.
    pub fn flag(&self) -> String {
        format!("--provider {}", self.path().display())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("profile.toml")
    }
}
