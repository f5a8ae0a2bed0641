//! Draws one-time passwords, and compares them with their hashes.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::NamedTempFile;

use crate::private::keep_private;
use crate::{Fatal, setting};

/// 32 symbols, so that a random byte picks each as often; without I, O, 0 and 1, which look alike.
const SYMBOLS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The fewest bytes of a key.
const KEY: usize = 32;

/// Draws a one-time password of 50 random bits, from a generator made for cryptography that the
/// system seeds.
pub(crate) fn draw() -> String {
    let drawn: [u8; 10] = rand::random();
    let symbol = |byte: &u8| char::from(SYMBOLS[usize::from(byte % 32)]);
    drawn.iter().map(symbol).collect()
}

/// Returns the form that is printed in the mail: two halves.
pub(crate) fn for_people(one_time: &str) -> String {
    let (first, second) = one_time.split_at(one_time.len() / 2);
    format!("{first}-{second}")
}

/// Returns a typed one-time password without hyphens, spaces and small letters.
pub(crate) fn from_people(typed: &str) -> String {
    let kept = typed.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|symbol| symbol.to_ascii_uppercase()).collect()
}

/// The key of the hashes of one-time passwords, which is not in the database.
///
/// A slow hash such as argon2 is for the passwords that people choose, since these can be guessed.
/// A drawn one cannot, as long as a stolen table cannot be tried against: 50 bits are too few for a
/// fast hash without a key.
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// Returns that of `SECRET_KEY`; without one, that of a file in `folder`, which is drawn if it
    /// is missing.
    pub(crate) fn load(folder: &Path) -> Result<Self, Fatal> {
        if let Some(key) = setting("SECRET_KEY")? {
            return Key::new(key.as_bytes()).ok_or_else(|| {
                format!("SECRET_KEY is shorter than {KEY} bytes: draw a longer one").into()
            });
        }
        let file = folder.join("forgot-password.key");
        let named = |error: io::Error| format!("{}: {error}", file.display());
        if !file.try_exists().map_err(named)? {
            draw_key(&file, folder).map_err(named)?;
        }
        keep_private(&file).map_err(named)?;
        let key = fs::read(&file).map_err(named)?;
        Key::new(&key).ok_or_else(|| {
            let file = file.display();
            format!("{file} is shorter than {KEY} bytes: remove it, and another is drawn").into()
        })
    }

    fn new(key: &[u8]) -> Option<Self> {
        let long_enough = key.len() >= KEY;
        long_enough.then(|| Key(Hmac::new_from_slice(key).expect("HMAC takes keys of any length")))
    }

    /// Hashes the one-time password of a request.
    pub(crate) fn hash(&self, request: i32, one_time: &str) -> Vec<u8> {
        self.mac(request, one_time).finalize().into_bytes().to_vec()
    }

    /// Returns `true` if the hash is that of the request's one-time password, in constant time.
    pub(crate) fn is_right(&self, request: i32, one_time: &str, hash: &[u8]) -> bool {
        self.mac(request, one_time).verify_slice(hash).is_ok()
    }

    /// The request's number has one length, so no two pairs are the same bytes.
    fn mac(&self, request: i32, one_time: &str) -> Hmac<Sha256> {
        let mac = self.0.clone().chain_update(request.to_be_bytes());
        mac.chain_update(one_time)
    }
}

/// Draws a key into a file that its owner alone can read. Two programs that start at the same time
/// use the same key: the second one finds the file, and leaves it.
fn draw_key(file: &Path, folder: &Path) -> io::Result<()> {
    let key: [u8; KEY] = rand::random();
    let mut drawn = NamedTempFile::new_in(folder)?;
    drawn.write_all(&key)?;
    drawn.as_file().sync_all()?;
    match drawn.persist_noclobber(file) {
        Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => Err(refused.error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, draw, for_people, from_people};

    #[test]
    fn a_hash_is_of_one_key_one_request_and_one_password() {
        let key = Key::new(&[7; 32]).unwrap();
        let one_time = draw();
        let hash = key.hash(1, &one_time);
        assert!(key.is_right(1, &one_time, &hash));
        assert!(!key.is_right(2, &one_time, &hash));
        assert!(!key.is_right(1, &draw(), &hash));
        assert!(!key.is_right(1, &one_time, &hash[1..]));
        let other = Key::new(&[8; 32]).unwrap();
        assert!(!other.is_right(1, &one_time, &hash));
        assert!(Key::new(&[7; 31]).is_none());
    }

    #[test]
    fn a_one_time_password_can_be_typed_with_and_without_its_hyphen() {
        let one_time = draw();
        let typed = for_people(&one_time).to_lowercase();
        assert_eq!(from_people(&typed), one_time);
        assert_eq!(from_people(&typed.replace('-', " ")), one_time);
    }
}
