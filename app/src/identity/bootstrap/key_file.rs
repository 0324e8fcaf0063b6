//! The file in the data folder that keeps the first key, readable by its owner only.

use crate::config::{Data, Secret};
use crate::identity::token::{Minted, TOKEN_BYTES_MAX};
use domain::ids::InvalidId;
use ports::ids::IdSource;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The name of the file.
pub const KEY_FILE_NAME: &str = "admin.key";

/// The first key and where it is kept.
pub(super) struct KeyFile {
    path: PathBuf,
    pub(super) minted: Minted,
    is_new: bool,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else may read it.
    #[error("{path} can be read by others: make it private (chmod 600) or move it away")]
    NotPrivate {
        /// The file.
        path: String,
    },
    /// It holds something else.
    #[error("{path} does not hold a key: move it away, and the next start makes a new one")]
    NoKey {
        /// The file.
        path: String,
    },
    /// A fresh id is not one: a defect.
    #[error(transparent)]
    Name(#[from] InvalidId),
}

impl KeyFile {
    /// Takes the key that is there, or puts a new one there. The file is whole before it has its name, so that a crash
    /// at any moment leaves either no key or one that the next start takes up.
    pub(super) fn take_or_make(data: &Data, ids: &dyn IdSource) -> Result<Self, KeyFileError> {
        let path = data.folder.join(KEY_FILE_NAME);
        make_private_folder(&data.folder).map_err(at(&data.folder))?;
        if let Some(token) = read(data)? {
            let minted = Minted::parse(token.expose()).ok_or_else(|| no_key(&path))?;
            return Ok(Self { path, minted, is_new: false });
        }
        let minted = Minted::draw(ids)?;
        let fresh = write_beside(&path, &minted)?;
        // A link does not replace: if another server was quicker, its key is the one.
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh).map_err(at(&fresh))?;
        match linked {
            Ok(()) => {
                sync_folder(&data.folder).map_err(at(&data.folder))?;
                Ok(Self { path, minted, is_new: true })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let token = read(data)?.ok_or_else(|| no_key(&path))?;
                let minted = Minted::parse(token.expose()).ok_or_else(|| no_key(&path))?;
                Ok(Self { path, minted, is_new: false })
            }
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// Puts a new key in place of one that is good no more.
    pub(super) fn replace(self, ids: &dyn IdSource) -> Result<Self, KeyFileError> {
        let minted = Minted::draw(ids)?;
        let fresh = write_beside(&self.path, &minted)?;
        fs::rename(&fresh, &self.path).map_err(at(&self.path))?;
        if let Some(folder) = self.path.parent() {
            sync_folder(folder).map_err(at(folder))?;
        }
        Ok(Self { minted, is_new: true, ..self })
    }

    /// Takes the file away again if it was made here.
    pub(super) fn discard_if_new(self) -> Result<(), KeyFileError> {
        if self.is_new { fs::remove_file(&self.path).map_err(at(&self.path)) } else { Ok(()) }
    }

    /// What to send.
    pub(super) fn token(&self) -> Secret {
        self.minted.secret.token(&self.minted.id)
    }
}

/// The token kept in the data folder; `None` without a file.
pub fn read(data: &Data) -> Result<Option<Secret>, KeyFileError> {
    let path = data.folder.join(KEY_FILE_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    if !is_private(&file).map_err(at(&path))? {
        return Err(KeyFileError::NotPrivate { path: path.display().to_string() });
    }
    let mut text = String::new();
    let bytes_max = u64::try_from(TOKEN_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(bytes_max).read_to_string(&mut text).map_err(at(&path))?;
    match text.trim() {
        "" => Err(no_key(&path)),
        token => Ok(Some(Secret::new(token))),
    }
}

fn write_beside(path: &Path, minted: &Minted) -> Result<PathBuf, KeyFileError> {
    let fresh = path.with_extension(format!("{}.new", minted.id));
    let token = minted.secret.token(&minted.id);
    let write = || {
        let mut file = private().open(&fresh)?;
        file.write_all(format!("{}\n", token.expose()).as_bytes())?;
        file.sync_all()
    };
    write().map_err(at(&fresh))?;
    Ok(fresh)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.display().to_string();
    move |source| KeyFileError::Io { path, source }
}

fn no_key(path: &Path) -> KeyFileError {
    KeyFileError::NoKey { path: path.display().to_string() }
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let group_and_others = 0o077;
    Ok(file.metadata()?.permissions().mode() & group_and_others == 0)
}

#[cfg(not(unix))]
fn is_private(_file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
