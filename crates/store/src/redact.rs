//! The backstop behind typed audit records: what looks like one of our API keys or like a JWT is replaced, and
//! nothing around it.

const STAND_IN: &str = "[redacted]";

/// Replaces every token in a text.
pub(crate) fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = ["polder_", "eyJ"].iter().filter_map(|start| rest.find(start)).min() {
        let (before, tail) = rest.split_at(at);
        clean.push_str(before);
        let length = api_key(tail).or_else(|| jwt(tail));
        // Both starts begin with an ASCII letter: passing one by is one byte.
        clean.push_str(if length.is_some() { STAND_IN } else { tail.get(..1).unwrap_or_default() });
        rest = tail.get(length.unwrap_or(1)..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

/// `polder_`, an id, and whatever of the secret follows it.
fn api_key(text: &str) -> Option<usize> {
    let tail = text.strip_prefix("polder_")?;
    let id = tail.bytes().take_while(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(b)).count();
    let secret = tail.get(id..)?.strip_prefix('_')?;
    let length = run(secret);
    (id == 20 && length >= 16).then_some("polder_".len() + id + 1 + length)
}

/// Header, payload and signature in base64url, joined by dots.
fn jwt(text: &str) -> Option<usize> {
    let header = run(text.strip_prefix("eyJ")?) + 3;
    let payload = run(text.get(header..)?.strip_prefix('.')?);
    let signature = run(text.get(header + 1 + payload..)?.strip_prefix('.')?);
    (header >= 16 && payload >= 16 && signature >= 16).then_some(header + payload + signature + 2)
}

fn run(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count()
}

#[cfg(test)]
mod tests;
