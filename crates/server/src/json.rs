//! JSON bodies: bounded depth, then typed. Errors name the place, never the value.

use polder_types::{Error, Result};
use serde::de::DeserializeOwned;

/// Most levels of nesting; a table schema of 30 nested structs needs about 90 (R32).
const DEPTH_MAX: usize = 100;

/// Parses a body, which is an object at every door.
///
/// # Errors
/// `Invalid`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    check_depth(bytes)?;
    // The library also reads a struct from an array, by position: `[]` would be a request without any member.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(Error::invalid("invalid_body", "the body is not a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| invalid(&error))
}

/// Raw members are kept unparsed, so the parser's own recursion limit does not see them: counted here for all.
pub(crate) fn check_depth(bytes: &[u8]) -> Result<()> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Error::invalid("json_too_deep", format!("JSON is nested deeper than {DEPTH_MAX} levels")));
        }
    }
    Ok(())
}

/// The parser's text repeats values that do not fit (`invalid type: string "…", expected u32`), which may be secrets:
/// only what was expected is kept of it.
fn invalid(error: &serde_json::Error) -> Error {
    let place = format!("line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let told = match error.classify() {
        serde_json::error::Category::Data if text.starts_with("invalid ") || text.starts_with("unknown variant") => {
            let expected = text.rfind(", expected ").and_then(|at| text.get(at..)).unwrap_or_default();
            let expected = expected.split(" at line ").next().unwrap_or_default();
            format!("a value does not fit at {place}{expected}")
        }
        serde_json::error::Category::Data => text,
        _ => format!("the body is not JSON at {place}"),
    };
    Error::invalid("invalid_body", told)
}

#[cfg(test)]
mod tests;
