//! A value that must never be printed, logged or serialised.

use secrecy::{ExposeSecret, SecretString};

/// A secret text: no `Display`, no `Serialize`; `Debug` prints a placeholder; zeroed on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Gives the text to the one place that needs it. Search for this name to see all of them.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
