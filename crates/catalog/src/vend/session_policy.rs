//! The session policy of one credential: built as a structure, never by joining text (R3). Refuses to become so long that
//! STS would have to pack it (R13).

use polder_types::{Error, Result};
use serde::Serialize;

use super::scope::{Access, Scope};
use crate::places::DOCUMENT_END;

/// Most characters. STS allows 2 048, and its packed form has a bound of its own that depends on the text.
pub(crate) const POLICY_CHARS_MAX: usize = 1_500;

const READ: &[&str] = &["s3:GetObject"];
const WRITE: &[&str] =
    &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    action: &'static [&'static str],
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_like: Prefixes,
}

#[derive(Serialize)]
struct Prefixes {
    #[serde(rename = "s3:prefix")]
    prefix: String,
}

/// The policy of a credential for a scope; `partition` is the second part of every ARN.
///
/// # Errors
/// `Unsupported` if it is too long.
pub(crate) fn of(scope: &Scope, partition: &str) -> Result<String> {
    let bucket = format!("arn:{partition}:s3:::{}", scope.bucket());
    // The one pattern: everything below the slash that ends the prefix.
    let below = format!("{}*", scope.prefix());
    let action = match scope.access {
        Access::Read => READ,
        Access::ReadWrite => WRITE,
    };
    let mut statement = vec![
        Statement { effect: "Allow", action, resource: format!("{bucket}/{below}"), condition: None },
        Statement {
            effect: "Allow",
            action: &["s3:ListBucket"],
            resource: bucket.clone(),
            condition: Some(Condition { string_like: Prefixes { prefix: below.clone() } }),
        },
        // SECURITY: a session makes no further sessions, which could live longer than it.
        Statement { effect: "Deny", action: &["sts:*"], resource: "*".to_owned(), condition: None },
    ];
    if scope.access == Access::ReadWrite {
        // SECURITY: only the catalog writes the documents that its pointers name: everybody is served them (R4, R12).
        let documents = format!("{bucket}/{below}{DOCUMENT_END}");
        statement.push(Statement { effect: "Deny", action: &["s3:PutObject"], resource: documents, condition: None });
    }
    let text = serde_json::to_string(&Document { version: "2012-10-17", statement }).map_err(Error::internal)?;
    if text.chars().count() >= POLICY_CHARS_MAX {
        return Err(Error::unsupported(
            "unsupported_location",
            "no credentials can be made for this table's location: it is too long for a session policy",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
