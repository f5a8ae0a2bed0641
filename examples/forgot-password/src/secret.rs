//! Passwords: their argon2 hashes, and the one-time ones.

use std::sync::LazyLock;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::web::Failure;

/// Each hash takes 19 MiB and a core for a while: this bounds both.
static PERMITS: Semaphore = Semaphore::const_new(4);

/// What is compared where there is no hash to compare with, so that the answer takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now(&one_time()).ok());

/// 32 symbols, so that a random byte picks each as often; without I, O, 0 and 1, which look alike.
const SYMBOLS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Draws a one-time password of 50 random bits, from a generator made for cryptography that the
/// system seeds.
pub(crate) fn one_time() -> String {
    let drawn: [u8; 10] = rand::random();
    let symbol = |byte: &u8| char::from(SYMBOLS[usize::from(byte % 32)]);
    drawn.iter().map(symbol).collect()
}

/// As it is printed in the mail: in two halves.
pub(crate) fn for_people(one_time: &str) -> String {
    let (first, second) = one_time.split_at(one_time.len() / 2);
    format!("{first}-{second}")
}

/// What people type, without hyphens, spaces and small letters.
pub(crate) fn from_people(typed: &str) -> String {
    let kept = typed.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|symbol| symbol.to_ascii_uppercase()).collect()
}

/// Hashes a secret, away from the runtime's threads.
pub(crate) async fn hash(secret: String) -> Result<String, Failure> {
    let permit = PERMITS.acquire().await?;
    let hashed = spawn_blocking(move || {
        let _permit = permit;
        hash_now(&secret)
    });
    Ok(hashed.await??)
}

/// Whether the secret is the one of the hash, in constant time. Without a hash it is not, after as
/// much work.
pub(crate) async fn verify(secret: String, hash: Option<String>) -> Result<bool, Failure> {
    let permit = PERMITS.acquire().await?;
    let verified = spawn_blocking(move || {
        let _permit = permit;
        let is_somebody = hash.is_some();
        let hash = hash.or_else(|| NOBODY.clone()).unwrap_or_default();
        let verified = Argon2::default().verify_password(secret.as_bytes(), hash.as_str());
        verified.is_ok() && is_somebody
    });
    Ok(verified.await?)
}

fn hash_now(secret: &str) -> argon2::password_hash::Result<String> {
    let hash = Argon2::default().hash_password(secret.as_bytes())?;
    Ok(hash.to_string())
}

/// Makes what would otherwise be made during the first log-in, which would show.
pub(crate) fn prepare() {
    LazyLock::force(&NOBODY);
}
