//! SHA-256 masks.
//!
//! A text becomes the digest of its UTF-8 bytes in lower-case hexadecimal, a binary the digest itself, an `int` or
//! `long` the first four or eight bytes of the digest of its little-endian bytes, read as little-endian again. The
//! query-local hash puts the query's salt in front of the bytes.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, LargeBinaryArray, PrimitiveArray, StringArray},
    datatypes::{DataType, Int32Type, Int64Type},
};
use sha2::{Digest, Sha256};

/// True for the types that can be hashed.
pub(super) fn applies(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Int32 | DataType::Int64 | DataType::LargeBinary)
}

/// Hashes; nulls stay null. `None` for another type.
pub(super) fn hashed(array: &ArrayRef, salt: &[u8]) -> Option<ArrayRef> {
    let digest = |bytes: &[u8]| -> [u8; 32] { Sha256::new().chain_update(salt).chain_update(bytes).finalize().into() };
    Some(match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            let hashes: StringArray = texts.iter().map(|text| text.map(|text| hex(&digest(text.as_bytes())))).collect();
            Arc::new(hashes)
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            let hashes: LargeBinaryArray = values.iter().map(|value| value.map(digest)).collect();
            Arc::new(hashes)
        }
        DataType::Int32 => {
            let hashes: PrimitiveArray<Int32Type> = array
                .as_primitive::<Int32Type>()
                .unary(|value| i32::from_le_bytes(head(&digest(&value.to_le_bytes()))));
            Arc::new(hashes)
        }
        DataType::Int64 => {
            let hashes: PrimitiveArray<Int64Type> = array
                .as_primitive::<Int64Type>()
                .unary(|value| i64::from_le_bytes(head(&digest(&value.to_le_bytes()))));
            Arc::new(hashes)
        }
        _ => return None,
    })
}

fn head<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut head = [0; N];
    head.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    head
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
