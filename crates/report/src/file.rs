//! The file of a report: checked before the run is watched, and replaced atomically.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use stentor_core::escape;
use tempfile::NamedTempFile;

/// The hint for a path that cannot be written.
const HINT: &str = "Give a file in an existing folder that you may write to, on a disk with free space";

/// Permissions of a new file, before the umask.
const NEW_FILE: u32 = 0o666;

/// The path of a report, whose extension selects the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPath {
    path: PathBuf,
    /// Format of the file.
    pub format: ReportFormat,
}

/// Format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// A page.
    Html,
    /// The data of the page.
    Json,
}

impl ReportPath {
    /// Checks the extension; the error lists the allowed ones.
    pub fn of(path: PathBuf) -> Result<Self, String> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let format = match extension.as_deref() {
            Some("html") => ReportFormat::Html,
            Some("json") => ReportFormat::Json,
            _ => return Err("give a file that ends in .html or .json".to_owned()),
        };
        Ok(Self { path, format })
    }

    /// Fails where a report could not be written now, so that the error comes before a long watch.
    pub fn check_writable(&self) -> anyhow::Result<()> {
        self.begin().map(drop).map_err(|error| self.error(&error))
    }

    /// Writes the report. On failure the old file stays as it was, and nothing else is left in the folder.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        let replace = || {
            let (mut temporary, place) = self.begin()?;
            temporary.write_all(text.as_bytes())?;
            temporary.as_file().sync_all()?;
            temporary.persist(place).map(drop).map_err(|error| error.error)
        };
        replace().map_err(|error| self.error(&error))
    }

    /// The path, safe to print.
    pub fn name(&self) -> String {
        escape::escape_control(&self.path.display().to_string())
    }

    /// Creates a temporary file in the folder of the final one, with the same permissions; returns it with the final path.
    fn begin(&self) -> io::Result<(NamedTempFile, PathBuf)> {
        // A symbolic link stays: its target is replaced.
        let place = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let permissions = permissions(&place)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".report-").permissions(Permissions::from_mode(NEW_FILE));
        let temporary = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        if let Some(permissions) = permissions {
            temporary.as_file().set_permissions(permissions)?;
        }
        Ok((temporary, place))
    }

    fn error(&self, error: &io::Error) -> anyhow::Error {
        anyhow!("the report cannot be written to '{}': {error}\n{HINT}", self.name())
    }
}

/// Permissions of the file to replace, if there is one; an error where it cannot be replaced.
fn permissions(place: &Path) -> io::Result<Option<Permissions>> {
    let there = match fs::metadata(place) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !there.is_file() {
        return Err(io::Error::other(if there.is_dir() { "it is a folder" } else { "it is not a file" }));
    }
    OpenOptions::new().write(true).open(place)?;
    Ok(Some(there.permissions()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn target(path: &Path) -> ReportPath {
        ReportPath::of(path.to_owned()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_extension_selects_the_format_and_others_are_refused() {
        for (name, format) in
            [("a.html", ReportFormat::Html), ("a.b.JSON", ReportFormat::Json), (" .html", ReportFormat::Html)]
        {
            assert_eq!(ReportPath::of(name.into()).unwrap().format, format, "{name}");
        }
        for name in ["", "html", ".html", "a.htm", "a.json.gz", "a/.."] {
            assert!(ReportPath::of(name.into()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_report_takes_the_place_of_the_old_one_with_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        target(&path).write("one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        target(&path).check_writable().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one", "the check changes nothing");
        target(&path).write("two").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("two", 0o640));
        assert_eq!(names(folder.path()), ["r.json"]);
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("there.html"), folder.path().join("link.html"));
        fs::write(&path, "old").unwrap();
        symlink(&path, &link).unwrap();
        target(&link).write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn what_cannot_be_written_is_named_with_the_reason_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::write(inside("file"), "old").unwrap();
        fs::create_dir(inside("folder.html")).unwrap();
        let _socket = UnixListener::bind(inside("socket.json")).unwrap();
        for (name, why) in [
            ("missing/r.html", "No such file"),
            ("file/r.html", "Not a directory"),
            ("folder.html", "it is a folder"),
            ("socket.json", "it is not a file"),
        ] {
            let target = target(&inside(name));
            for result in [target.check_writable(), target.write("new")] {
                let error = result.unwrap_err().to_string();
                assert!(
                    error.contains(name) && error.contains(why) && error.contains("Give a file"),
                    "{error}"
                );
            }
        }
        assert_eq!(names(folder.path()), ["file", "folder.html", "socket.json"]);
        assert_eq!(fs::read_to_string(inside("file")).unwrap(), "old");
    }
}
