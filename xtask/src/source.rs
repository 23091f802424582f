//! A Rust file seen two ways: its code without comments and literals, and its comments alone. Line numbers stay what
//! they were, so that a finding can be pointed at. Knows just enough of the grammar to tell the three apart.

/// The two views of one source text, each of the same length in lines.
#[derive(Debug)]
pub(crate) struct Views {
    /// Code; comments and the insides of string and character literals are blanks.
    pub(crate) code: String,
    /// Comments with their markers; everything else is blanks.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits a Rust source text into its two views.
pub(crate) fn views(text: &str) -> Views {
    let chars: Vec<char> = text.chars().collect();
    let mut views = Views { code: String::with_capacity(text.len()), comments: String::with_capacity(text.len()) };
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = next_piece(&chars, at);
        for c in chars.iter().take(end).skip(at) {
            let blank = if *c == '\n' { '\n' } else { ' ' };
            views.code.push(if kind == Kind::Code { *c } else { blank });
            views.comments.push(if kind == Kind::Comment { *c } else { blank });
        }
        at = end;
    }
    views
}

/// Returns the kind of the piece that starts at `at` and where it ends (always past `at`).
fn next_piece(chars: &[char], at: usize) -> (Kind, usize) {
    let peek = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match (peek(0), peek(1)) {
        ('/', '/') => (Kind::Comment, find(chars, at, |rest| rest.starts_with(&['\n']))),
        ('/', '*') => (Kind::Comment, block_comment_end(chars, at)),
        ('"', _) => (Kind::Literal, string_end(chars, at + 1)),
        ('r', '"' | '#') if !follows_word(chars, at) => raw_string(chars, at, 1),
        ('b' | 'c', 'r') if !follows_word(chars, at) && matches!(peek(2), '"' | '#') => raw_string(chars, at, 2),
        ('\'', '\\') => (Kind::Literal, (find(chars, at + 3, |rest| rest.starts_with(&['\''])) + 1).min(chars.len())),
        ('\'', _) if peek(2) == '\'' => (Kind::Literal, at + 3),
        _ => (Kind::Code, at + 1),
    }
}

fn find(chars: &[char], from: usize, stops: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&i| chars.get(i..).is_some_and(&stops)).unwrap_or(chars.len())
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| chars.get(before)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i < chars.len() {
        match (chars.get(i), chars.get(i + 1)) {
            (Some('/'), Some('*')) => (depth, i) = (depth + 1, i + 2),
            (Some('*'), Some('/')) => {
                (depth, i) = (depth.saturating_sub(1), i + 2);
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while let Some(c) = chars.get(i) {
        match c {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// A raw string whose hashes start `offset` after `at`; a raw identifier (`r#type`) is code.
fn raw_string(chars: &[char], at: usize, offset: usize) -> (Kind, usize) {
    let hashes = chars.iter().skip(at + offset).take_while(|c| **c == '#').count();
    if chars.get(at + offset + hashes) != Some(&'"') {
        return (Kind::Code, at + 1);
    }
    let mut closing = vec!['"'];
    closing.resize(hashes + 1, '#');
    let body = at + offset + hashes + 1;
    (Kind::Literal, (find(chars, body, |rest| rest.starts_with(&closing)) + closing.len()).min(chars.len()))
}

/// Returns the byte positions at which `word` stands in `text` as a whole word.
pub(crate) fn word_positions<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Returns the line, counted from 1, of a byte position.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    1 + text.get(..position).map_or(0, |before| before.matches('\n').count())
}

#[cfg(test)]
mod tests;
