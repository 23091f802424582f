//! The body of `DeleteObjects`, read by its own small grammar: whatever a general XML reader could take another way than
//! the store does is refused, comments, entities of one's own, attributes and further elements among them.

use sha2::{Digest, Sha256};

/// As many keys as S3 takes.
const KEYS_MAX: usize = 1_000;
/// Most bytes of the body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The SHA-256 of a body.
pub(super) fn digest(body: &str) -> [u8; 32] {
    Sha256::digest(body.as_bytes()).into()
}

/// The keys that a body names.
///
/// # Errors
/// Why it is refused.
pub(super) fn keys(body: &str) -> Result<Vec<String>, &'static str> {
    const BAD: &str = "the body is not a list of objects to delete";
    if body.len() > BODY_BYTES_MAX {
        return Err("the body is too large");
    }
    let mut rest = Rest(body);
    rest.space();
    if rest.skip("<?xml") {
        let (declaration, after) = rest.0.split_once("?>").ok_or(BAD)?;
        if declaration.contains(['<', '>', '&']) {
            return Err(BAD);
        }
        rest = Rest(after);
        rest.space();
    }
    let opened = rest.skip("<Delete>") || rest.skip("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    if !opened {
        return Err(BAD);
    }
    let mut keys = Vec::new();
    loop {
        rest.space();
        if rest.skip("</Delete>") {
            break;
        }
        if rest.skip("<Quiet>true</Quiet>") || rest.skip("<Quiet>false</Quiet>") {
            continue;
        }
        keys.push(object(&mut rest).ok_or(BAD)?);
        if keys.len() > KEYS_MAX {
            return Err("the body names too many objects");
        }
    }
    rest.space();
    match rest.0.is_empty() && !keys.is_empty() {
        true => Ok(keys),
        false => Err(BAD),
    }
}

fn object(rest: &mut Rest<'_>) -> Option<String> {
    rest.must("<Object>")?;
    rest.space();
    rest.must("<Key>")?;
    let (raw, after) = rest.0.split_once("</Key>")?;
    *rest = Rest(after);
    rest.space();
    rest.must("</Object>")?;
    text(raw)
}

/// What a text means: plain characters and the entities that every XML has.
fn text(raw: &str) -> Option<String> {
    if raw.contains(['<', '>']) || raw.trim() != raw {
        return None; // white space at the ends is kept by some readers and dropped by others
    }
    let mut parts = raw.split('&');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => numbered(entity)?,
        });
        plain.push_str(after);
    }
    (!plain.is_empty()).then_some(plain)
}

fn numbered(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16),
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse(),
        _ => return None,
    };
    char::from_u32(code.ok()?).filter(|c| !c.is_control())
}

struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn skip(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn must(&mut self, text: &str) -> Option<()> {
        self.skip(text).then_some(())
    }
}

#[cfg(test)]
mod tests;
