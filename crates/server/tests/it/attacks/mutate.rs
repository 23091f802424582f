//! The same attack in other clothes: case, quoting, comments, white space, and the query inside another one.

/// How a statement is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dress {
    Upper,
    Lower,
    Mixed,
    DoubleQuotes,
    Backticks,
    BlockComments,
    LineComments,
    Tabs,
    CrLf,
    Parentheses,
    Derived,
    DerivedTwice,
    Cte,
    UnionAll,
    Exists,
    Counted,
    Explain,
}

/// Changes of the text only: the answer stays the same.
pub(super) const TEXTUAL: [Dress; 9] = [
    Dress::Upper,
    Dress::Lower,
    Dress::Mixed,
    Dress::DoubleQuotes,
    Dress::Backticks,
    Dress::BlockComments,
    Dress::LineComments,
    Dress::Tabs,
    Dress::CrLf,
];

/// The query becomes a part of another: the answer may differ, and is still the same in all worlds.
pub(super) const STRUCTURAL: [Dress; 8] = [
    Dress::Parentheses,
    Dress::Derived,
    Dress::DerivedTwice,
    Dress::Cte,
    Dress::UnionAll,
    Dress::Exists,
    Dress::Counted,
    Dress::Explain,
];

/// Names of the fixture, which may be quoted.
const NAMES: [&str; 23] = [
    "pub", "emp", "dim", "hr", "salaries", "id", "name", "region", "dept", "mgr", "salary", "ssn", "email", "info",
    "phone", "city", "tags", "doc", "ts", "umbra", "lake", "notes", "amount",
];

/// A numbered choice that a seed repeats (splitmix64).
pub(super) fn choice(seed: u64, index: usize, out_of: usize) -> usize {
    let mut z = seed.wrapping_add((index as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((z ^ (z >> 31)) % out_of as u64).unwrap()
}

/// True if the statement is a query that another can hold.
pub(super) fn is_query(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(|c| c.is_ascii_alphabetic() || *c == '(').collect();
    ["SELECT", "WITH", "VALUES", "TABLE", "FROM"].contains(&word.to_uppercase().as_str()) || word.starts_with('(')
}

/// Dresses a statement; none if this dress does not fit it.
pub(super) fn dress(sql: &str, dress: Dress) -> Option<String> {
    let wrapped = match dress {
        Dress::Parentheses => format!("({sql}\n)"),
        Dress::Derived => format!("SELECT * FROM ({sql}\n) AS w"),
        Dress::DerivedTwice => format!("SELECT w2.* FROM (SELECT * FROM ({sql}\n) AS w1) AS w2"),
        Dress::Cte => format!("WITH w AS ({sql}\n) SELECT * FROM w"),
        Dress::UnionAll => format!("({sql}\n) UNION ALL ({sql}\n)"),
        Dress::Exists => format!("SELECT 1 AS one WHERE EXISTS ({sql}\n)"),
        Dress::Counted => format!("SELECT (SELECT count(*) FROM ({sql}\n) AS w) AS n"),
        Dress::Explain => format!("EXPLAIN {sql}"),
        textual => return Some(rewrite(sql, textual)).filter(|changed| changed != sql),
    };
    is_query(sql).then_some(wrapped)
}

fn rewrite(sql: &str, dress: Dress) -> String {
    pieces(sql).into_iter().enumerate().map(|(i, piece)| piece_in(dress, i, piece)).collect()
}

fn piece_in(dress: Dress, i: usize, piece: &str) -> String {
    let first = piece.chars().next().unwrap_or(' ');
    let (word, space) = (first.is_alphabetic(), piece.trim().is_empty());
    match dress {
        Dress::Upper if word => piece.to_uppercase(),
        Dress::Lower if word => piece.to_lowercase(),
        Dress::Mixed if word => piece.chars().enumerate().map(|(j, c)| swapped(c, (i + j).is_multiple_of(2))).collect(),
        Dress::DoubleQuotes if NAMES.contains(&piece) => format!("\"{piece}\""),
        Dress::Backticks if NAMES.contains(&piece) => format!("`{piece}`"),
        Dress::BlockComments if space => " /* ; -- ' */".to_owned(),
        Dress::LineComments if space => " -- it's /* x\n".to_owned(),
        Dress::Tabs if space => "\t \t".to_owned(),
        Dress::CrLf if space => "\r\n".to_owned(),
        _ => piece.to_owned(),
    }
}

fn swapped(c: char, upper: bool) -> char {
    if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// Splits into words, white space, quoted pieces and single other characters.
fn pieces(sql: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |at| at + 2),
            c if c.is_ascii_whitespace() => rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(rest.len()),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}
