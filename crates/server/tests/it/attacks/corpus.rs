//! The corpus as data: every line a class of attacks with several forms, and what must come of all of them.

use serde::Deserialize;

use super::mutate::{self, Dress, STRUCTURAL, TEXTUAL, choice};

/// The files, by the test that runs them.
pub(super) const GATE: &str = include_str!("corpus/gate.toml");
pub(super) const BLOCKED: &str = include_str!("corpus/blocked.toml");
pub(super) const MASKS: &str = include_str!("corpus/masks.toml");
pub(super) const SHAPES: &str = include_str!("corpus/shapes.toml");
pub(super) const FILTERS: &str = include_str!("corpus/filters.toml");
pub(super) const CLASSES: &str = include_str!("corpus/classes.toml");
pub(super) const LAYOUT: &str = include_str!("corpus/layout.toml");
pub(super) const BOUNDS: &str = include_str!("corpus/bounds.toml");

/// All of them.
pub(super) const ALL: [&str; 8] = [GATE, BLOCKED, MASKS, SHAPES, FILTERS, CLASSES, LAYOUT, BOUNDS];

/// What must come of an attack. Whatever it is, the answer is the same over other secrets, holds none of them and
/// comes in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// D: exactly as if it did not exist.
    Denied,
    /// P: refused by the gate.
    Refused,
    /// P or D: an error, before anything ran.
    RefusedOrDenied,
    /// M, F: rows, the same as over a table that really holds only those.
    Answered,
    /// M, F: no row.
    Empty,
    /// O: an error that is the same in every world.
    Failed,
    /// An answer or an error, the same as over a table that really holds only the permitted cells.
    Same,
    /// The plan in words: the same over other secrets.
    Plan,
    /// C: an answer or an error in time, never more than the caps.
    Bounded,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    attack: Vec<Class>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    /// The number in the visible list, or a letter and a number for what is not on it.
    id: String,
    expect: Expect,
    /// False where another dress would take the point away.
    #[serde(default = "yes")]
    mutate: bool,
    sql: Vec<String>,
}

fn yes() -> bool {
    true
}

/// One statement to send.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) dress: Option<Dress>,
    pub(super) expect: Expect,
    /// The door that it is sent to.
    pub(super) path: &'static str,
    pub(super) sql: String,
}

/// The door for queries.
pub(super) const QUERY: &str = "/api/v1/query";
/// The door for plans.
const EXPLAIN: &str = "/api/v1/explain";

/// Which mutations run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mutations {
    /// One a form, chosen by a seed.
    Sampled(u64),
    /// All of them.
    All,
    /// None.
    Nothing,
}

/// Reads a file of the corpus.
pub(super) fn cases(toml: &str, mutations: Mutations) -> Vec<Case> {
    let file: File = toml::from_str(toml).expect("the corpus is valid TOML");
    let mut cases = Vec::new();
    for class in file.attack {
        for (form, sql) in class.sql.iter().enumerate() {
            let (id, expect) = (format!("{}.{form}", class.id), class.expect);
            let base = Case { id, dress: None, expect, path: QUERY, sql: sql.clone() };
            if class.mutate {
                let dressed = dresses(mutations, cases.len());
                cases.extend(dressed.into_iter().filter_map(|dress| mutated(&base, dress)));
            }
            cases.push(base);
        }
    }
    cases
}

/// The same statements at the door for plans.
pub(super) fn explained(toml: &str) -> Vec<Case> {
    let queries = cases(toml, Mutations::Nothing).into_iter().filter(|case| mutate::is_query(&case.sql));
    queries
        .map(|case| {
            let expect = match case.expect {
                expect @ (Expect::Denied | Expect::Refused | Expect::RefusedOrDenied) => expect,
                _ => Expect::Plan,
            };
            Case { id: format!("{} explained", case.id), expect, path: EXPLAIN, ..case }
        })
        .collect()
}

fn dresses(mutations: Mutations, index: usize) -> Vec<Dress> {
    let all: Vec<Dress> = TEXTUAL.into_iter().chain(STRUCTURAL).collect();
    match mutations {
        Mutations::All => all,
        Mutations::Nothing => vec![],
        Mutations::Sampled(seed) => vec![all[choice(seed, index, all.len())]],
    }
}

fn mutated(base: &Case, dress: Dress) -> Option<Case> {
    let sql = mutate::dress(&base.sql, dress)?;
    let expect = match base.expect {
        expect if TEXTUAL.contains(&dress) => expect,
        Expect::Answered | Expect::Empty | Expect::Same | Expect::Failed | Expect::Bounded
            if dress == Dress::Explain =>
        {
            Expect::Plan
        }
        Expect::Answered | Expect::Empty | Expect::Failed => Expect::Same,
        expect => expect,
    };
    Some(Case { id: base.id.clone(), dress: Some(dress), expect, path: base.path, sql })
}
