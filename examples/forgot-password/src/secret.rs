//! The argon2 hashes of the passwords that people choose.

use std::mem;
use std::sync::{LazyLock, Mutex, PoisonError};

use argon2::password_hash::Error;
use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use axum::http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::limits::TooMany;
use crate::one_time;
use crate::web::Failure;

/// Each hash takes 19 MiB and a core for a while: this bounds both.
static PERMITS: Semaphore = Semaphore::const_new(4);

/// The places of the passwords that are hashed, and of 60 that wait for a permit.
static PLACES: Semaphore = Semaphore::const_new(4 + 60);

type Permit = SemaphorePermit<'static>;

/// The pieces of memory in which no password is hashed now, at most one for each permit. They are
/// kept, because an allocator to which many threads give such pieces back keeps more.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// A hash that is compared if an account has none, so that the response takes as long.
static NOBODY: LazyLock<Option<String>> =
    LazyLock::new(|| Turn::with(None).hash(&one_time::draw()).ok());

/// Hashes a secret, away from the runtime's threads.
pub(crate) async fn hash(secret: String) -> Result<String, Failure> {
    let turn = Turn::wait().await?;
    Ok(spawn_blocking(move || turn.hash(&secret)).await??)
}

/// Returns `true` if the secret is the one of the hash, in constant time. Without a hash it returns
/// `false`, after as much work.
pub(crate) async fn verify(secret: String, hash: Option<String>) -> Result<bool, Failure> {
    let turn = Turn::wait().await?;
    let verified = spawn_blocking(move || {
        let is_somebody = hash.is_some();
        let hash = hash.or_else(|| NOBODY.clone()).unwrap_or_default();
        turn.verify(&secret, &hash).is_ok() && is_somebody
    });
    Ok(verified.await?)
}

/// The right to hash one secret, with the memory for it.
struct Turn {
    memory: Vec<Block>,
    _permit: Option<(Permit, Permit)>,
}

impl Turn {
    /// Waits for a turn. Refuses if 60 wait already, so that the wait is a second or so.
    async fn wait() -> Result<Self, Failure> {
        let Ok(place) = PLACES.try_acquire() else {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(TooMany { status, seconds: 2 }.into());
        };
        Ok(Turn::with(Some((PERMITS.acquire().await?, place))))
    }

    fn with(permit: Option<(Permit, Permit)>) -> Self {
        let mut kept = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        Turn {
            memory: kept.pop().unwrap_or_default(),
            _permit: permit,
        }
    }

    fn hash(mut self, secret: &str) -> Result<String, Error> {
        let (algorithm, version) = (Algorithm::default(), Version::default());
        let salt = Salt::generate();
        let argon2 = Argon2::new(algorithm, version, Params::DEFAULT);
        let output = self.output(&argon2, secret, &salt)?;
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: (&Params::DEFAULT).try_into()?,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    fn verify(mut self, secret: &str, hash: &str) -> Result<(), Error> {
        let hash = PasswordHash::new(hash)?;
        let salt = hash.salt.ok_or(Error::SaltInvalid)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = Version::try_from(hash.version.ok_or(Error::Version)?)?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
        let output = self.output(&argon2, secret, &salt)?;
        // `Output` compares in constant time.
        let is_right = hash.hash.is_some_and(|hash| hash == output);
        is_right.then_some(()).ok_or(Error::PasswordInvalid)
    }

    fn output(&mut self, argon2: &Argon2<'_>, secret: &str, salt: &[u8]) -> Result<Output, Error> {
        let params = argon2.params();
        if self.memory.len() < params.block_count() {
            self.memory = vec![Block::new(); params.block_count()];
        }
        let mut bytes = [0; Params::DEFAULT_OUTPUT_LEN];
        let secret = secret.as_bytes();
        argon2.hash_password_into_with_memory(secret, salt, &mut bytes, &mut self.memory)?;
        Ok(Output::new(&bytes)?)
    }
}

impl Drop for Turn {
    /// Gives the memory back, before the permit.
    fn drop(&mut self) {
        let mut kept = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(mem::take(&mut self.memory));
    }
}

/// Makes what would otherwise be made during the first log-in, which would show.
pub(crate) fn prepare() {
    LazyLock::force(&NOBODY);
}
