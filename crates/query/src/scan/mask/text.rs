//! Masks of strings, by code point.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};

/// Masks every code point but those for which `keep(index, length)`: digits become `n`, `( ) , . - @` stay,
/// everything else becomes `x`. Nulls stay null. `None` for another type.
pub(super) fn masked(array: &ArrayRef, keep: impl Fn(usize, usize) -> bool) -> Option<ArrayRef> {
    let texts = array.as_string_opt::<i32>()?;
    // A mask never makes a text longer: each code point becomes itself or one byte.
    let mut out = StringBuilder::with_capacity(texts.len(), 0);
    let mut masked = String::new();
    for text in texts {
        let Some(text) = text else {
            out.append_null();
            continue;
        };
        let length = text.chars().count();
        masked.clear();
        masked.extend(text.chars().enumerate().map(|(index, c)| if keep(index, length) { c } else { cover(c) }));
        out.append_value(&masked);
    }
    Some(Arc::new(out.finish()))
}

fn cover(c: char) -> char {
    match c {
        '0'..='9' => 'n',
        '(' | ')' | ',' | '.' | '-' | '@' => c,
        _ => 'x',
    }
}
