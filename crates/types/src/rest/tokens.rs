//! OAuth token bodies (RFC 6749 §5, RFC 8693 §2.2).

use serde::Serialize;

/// A granted token. `access_token` is exposed here and nowhere else; this type is never logged.
#[derive(Serialize)]
pub struct TokenResponse<'a> {
    /// The token.
    pub access_token: &'a str,
    /// Always `bearer`.
    pub token_type: &'static str,
    /// Life in seconds.
    pub expires_in: u64,
    /// What it is (RFC 8693), always an access token.
    pub issued_token_type: &'static str,
    /// The granted scopes.
    pub scope: String,
}

/// A refusal (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub struct TokenErrorBody<'a> {
    /// `invalid_request`, `invalid_client`, `invalid_grant`, `invalid_scope`, `unsupported_grant_type`.
    pub error: &'a str,
    /// For people.
    pub error_description: &'a str,
}
