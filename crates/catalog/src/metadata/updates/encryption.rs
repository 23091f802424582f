//! Encrypted keys of format version 3: stored as they come, never unwrapped.

use std::sync::Arc;

use polder_types::Result;

use super::{
    super::{
        EncryptionKey,
        entries::Entry,
        raw::{Raw, invalid},
    },
    Draft,
};

impl Draft {
    /// Adds a key; one whose id is known changes nothing, as in Java.
    pub(super) fn add_encryption_key(&mut self, raw: Raw) -> Result<()> {
        if self.doc.format_version() < 3 {
            return Err(invalid("encryption keys are not supported until format version 3"));
        }
        let added = EncryptionKey::decode(raw)?;
        let keys = self.doc.list_mut::<EncryptionKey>()?;
        if !keys.iter().any(|key| key.key_id == added.key_id) {
            keys.push(Arc::new(added));
        }
        Ok(())
    }

    /// Removes a key; one that does not exist is no error.
    pub(super) fn remove_encryption_key(&mut self, key_id: &str) -> Result<()> {
        if !self.doc.list::<EncryptionKey>().is_empty() {
            self.doc.list_mut::<EncryptionKey>()?.retain(|key| key.key_id != key_id);
        }
        Ok(())
    }
}
