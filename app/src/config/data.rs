use std::path::PathBuf;

use serde::Deserialize;

use super::reader::Reader;

/// Where Pointsman keeps its files.
#[derive(Debug, Clone)]
pub struct Data {
    /// The folder of the embedded database and of the first key; created if it is not there.
    pub folder: PathBuf,
}

#[derive(Default, Deserialize)]
struct Raw {
    data: Option<String>,
}

impl Data {
    /// The file of the embedded database.
    pub fn sqlite_file(&self) -> PathBuf {
        self.folder.join("pointsman.db")
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let raw: Raw = reader.section("POINTSMAN_");
        let folder = match raw.data {
            Some(folder) if folder.starts_with('~') => {
                reader.refuse("POINTSMAN_DATA", "starts with `~`, which only a shell expands; write the path out");
                PathBuf::new()
            }
            Some(folder) if folder.contains(char::is_control) => {
                reader.refuse("POINTSMAN_DATA", "contains a control character");
                PathBuf::new()
            }
            Some(folder) => PathBuf::from(folder),
            None => platform_folder().unwrap_or_else(|| {
                reader.refuse("POINTSMAN_DATA", "is needed, because this user has no home folder");
                PathBuf::new()
            }),
        };
        Self { folder }
    }
}

fn platform_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "pointsman").map(|folders| folders.data_dir().to_owned())
}
