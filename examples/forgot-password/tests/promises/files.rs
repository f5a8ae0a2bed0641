//! The files of the program are its owner's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::Program;

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(folder).unwrap().map(|file| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        (name, file.metadata().unwrap().permissions().mode() & 0o777)
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[test]
fn the_database_and_the_key_can_be_read_by_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let found = modes(folder.path());
    assert!(found.len() >= 2, "{found:?}");
    assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
    program.kill();

    // One of a version that left it to the umask.
    let database = folder.path().join("forgot-password.db");
    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let _program = Program::start(folder.path(), &[]);
    let found = modes(folder.path());
    assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
}

/// A killed program leaves the write-ahead log, and SQLite goes on with it.
#[test]
fn files_that_a_killed_program_left_become_their_owners() {
    let folder = tempfile::tempdir().unwrap();
    Program::start(folder.path(), &[]).kill();
    let left = modes(folder.path());
    for name in ["forgot-password.db-wal", "forgot-password.key"] {
        assert!(left.iter().any(|(left, _)| left == name), "{left:?}");
    }
    for (name, _) in left {
        let file = folder.path().join(name);
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    let _program = Program::start(folder.path(), &[]);
    let found = modes(folder.path());
    assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
}
