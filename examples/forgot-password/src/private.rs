//! Files that their owner alone can read and write.

use std::io;
use std::path::Path;

/// Makes a file its owner's alone. A file that is missing, or is so already, stays as it is. On
/// other systems than Unix, files keep the rights that the system gives them.
pub(crate) fn keep_private(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;

        let mode = match fs::metadata(file) {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(file, Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Creates an empty file that is its owner's alone, unless it is there.
pub(crate) fn create_private(file: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}
