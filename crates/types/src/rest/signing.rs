//! Bodies of `signRequest`. Headers are lists of values, as the specification has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Body of `signRequest`: the request to an object store that a client wants signed.
#[derive(Clone, Debug, Deserialize)]
pub struct RemoteSignRequest {
    /// The region that the client signs for.
    pub region: String,
    /// The whole URI, as the client would send it.
    pub uri: String,
    /// The method.
    pub method: RemoteSignMethod,
    /// The headers.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body, of a request whose body says what it does (`DeleteObjects`).
    #[serde(default)]
    pub body: Option<String>,
    /// The kind of store; `s3` if left out.
    #[serde(default)]
    pub provider: Option<String>,
}

/// The methods that the specification names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "they are HTTP's")]
pub enum RemoteSignMethod {
    Put,
    Get,
    Head,
    Post,
    Delete,
    Patch,
    Options,
}

impl RemoteSignMethod {
    /// The method as HTTP spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
        }
    }
}

/// `RemoteSignResult`: the URI and headers to send.
#[derive(Clone, Debug, Serialize)]
pub struct RemoteSignResult {
    /// The URI, in the one spelling that the signature is for.
    pub uri: String,
    /// The headers, those of the client and those of the signature.
    pub headers: BTreeMap<String, Vec<String>>,
}
