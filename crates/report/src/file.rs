//! The file that a report goes to: it is tried before the run is watched, and an old one is kept whole.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use stentor_core::escape;
use tempfile::NamedTempFile;

/// What is told to whoever gave a path that is of no use.
const ADVICE: &str = "Give a file in a folder that is there, that you may write to, and that has room";

/// What a new file may be used for, before the user's own mask.
const NEW_FILE: u32 = 0o666;

/// Where a report goes, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A page.
    Html,
    /// The page's data.
    Json,
}

impl Target {
    /// The file's ending tells the form.
    pub fn of(path: PathBuf) -> Result<Self, String> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let form = match ending.as_deref() {
            Some("html") => Form::Html,
            Some("json") => Form::Json,
            _ => return Err("give a file that ends in .html or .json".to_owned()),
        };
        Ok(Self { path, form })
    }

    /// Fails where a report could not be written now: nobody shall wait an hour to hear that.
    pub fn try_out(&self) -> anyhow::Result<()> {
        self.begin().map(drop).map_err(|error| self.trouble(&error))
    }

    /// Writes the report; where that fails, what was there before is there still, and nothing beside it.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        let put = || {
            let (mut beside, place) = self.begin()?;
            beside.write_all(text.as_bytes())?;
            beside.as_file().sync_all()?;
            beside.persist(place).map(drop).map_err(|error| error.error)
        };
        put().map_err(|error| self.trouble(&error))
    }

    /// The path, fit to be shown.
    pub fn name(&self) -> String {
        escape::escape_control(&self.path.display().to_string())
    }

    /// A file beside the one that it will become, with the same permissions.
    fn begin(&self) -> io::Result<(NamedTempFile, PathBuf)> {
        // A link stays one: what it points to is replaced.
        let place = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let permissions = permissions(&place)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut beside = tempfile::Builder::new();
        beside.prefix(".report-").permissions(Permissions::from_mode(NEW_FILE));
        let beside = beside.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        if let Some(permissions) = permissions {
            beside.as_file().set_permissions(permissions)?;
        }
        Ok((beside, place))
    }

    fn trouble(&self, error: &io::Error) -> anyhow::Error {
        anyhow!("the report cannot be written to '{}': {error}\n{ADVICE}", self.name())
    }
}

/// Those of the file that is to be replaced; an error where it is none that may be.
fn permissions(place: &Path) -> io::Result<Option<Permissions>> {
    let there = match fs::metadata(place) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !there.is_file() {
        return Err(io::Error::other(if there.is_dir() { "it is a folder" } else { "it is no plain file" }));
    }
    OpenOptions::new().write(true).open(place)?;
    Ok(Some(there.permissions()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn target(path: &Path) -> Target {
        Target::of(path.to_owned()).unwrap()
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
    fn the_ending_tells_the_form_and_another_is_refused() {
        for (name, form) in [("a.html", Form::Html), ("a.b.JSON", Form::Json), (" .html", Form::Html)] {
            assert_eq!(Target::of(name.into()).unwrap().form, form, "{name}");
        }
        for name in ["", "html", ".html", "a.htm", "a.json.gz", "a/.."] {
            assert!(Target::of(name.into()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_report_takes_the_place_of_the_old_one_with_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        target(&path).write("one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        target(&path).try_out().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one", "to try it changes nothing");
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
            ("socket.json", "it is no plain file"),
        ] {
            let target = target(&inside(name));
            for tried in [target.try_out(), target.write("new")] {
                let told = tried.unwrap_err().to_string();
                assert!(told.contains(name) && told.contains(why) && told.contains("Give a file"), "{told}");
            }
        }
        assert_eq!(names(folder.path()), ["file", "folder.html", "socket.json"]);
        assert_eq!(fs::read_to_string(inside("file")).unwrap(), "old");
    }
}
