//! The one source of random bytes and fresh ids in the store. Time comes in as a value.

use aws_lc_rs::rand;
use polder_types::{Error, EventId, KeyId, Micros, Result};
use ulid::Ulid;
use uuid::Uuid;

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Random bytes from the operating system's generator.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::internal("no random bytes"))?;
    Ok(bytes)
}

/// A UUIDv7 (RFC 9562 §5.7).
pub(crate) fn uuid(now: Micros) -> Result<Uuid> {
    let millis = u64::try_from(now.millis()).unwrap_or_default();
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes()?).into_uuid())
}

/// A ULID.
pub(crate) fn event_id(now: Micros) -> Result<EventId> {
    let millis = u64::try_from(now.millis()).unwrap_or_default();
    Ok(EventId(Ulid::from_parts(millis, u128::from_be_bytes(bytes()?))))
}

/// An id of an API key: 100 random bits.
pub(crate) fn key_id() -> Result<KeyId> {
    let tail = bytes::<20>()?.map(|byte| char::from(BASE32[usize::from(byte & 31)]));
    format!("pk_{}", tail.iter().collect::<String>()).parse()
}
