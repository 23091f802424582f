//! The SQL attack corpus through HTTP, as the attacker meets it: a running server, a key, and three worlds that differ
//! only in what the attacker may not learn. Every answer is looked at byte by byte for cells that must not be there,
//! and compared with the answer over other secrets and over a table that holds only what is permitted.
//!
//! `POLDER_BIN` names another binary, `POLDER_ATTACKS_ALL=1` runs every mutation, `POLDER_ATTACKS_SEED` repeats a run,
//! `POLDER_ATTACKS_ONLY` names the beginning of the ids to run.
#![allow(clippy::disallowed_methods, reason = "a test reads the clock and the environment itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod bodies;
mod bombs;
mod corpus;
mod doors;
mod fixture;
mod http;
mod judge;
mod loader;
mod mutate;
mod rows;
mod runner;
mod server;

/// The visible list's lines that need no Trino.
const VISIBLE_LINES: [u32; 45] = [
    1, 2, 3, 5, 11, 14, 18, 20, 22, 23, 26, 29, 34, 36, 37, 40, 44, 45, 48, 50, 52, 55, 56, 59, 63, 68, 70, 72, 77, 81,
    83, 85, 87, 90, 93, 103, 105, 106, 110, 113, 115, 117, 119, 127, 132,
];
/// The lines that are no statements, or too long to write down; they have tests of their own below.
const LINES_ELSEWHERE: [u32; 3] = [18, 77, 132];

/// S-010: every line of the visible list is in the corpus, and every dress changes a statement.
#[test]
fn attacks_cover_every_line_of_the_list() {
    let cases: Vec<corpus::Case> =
        corpus::ALL.iter().flat_map(|toml| corpus::cases(toml, corpus::Mutations::All)).chain(bombs::cases()).collect();
    let number = |id: &str| id.split(['-', '.']).next().and_then(|text| text.parse::<u32>().ok());
    for line in VISIBLE_LINES {
        let found = cases.iter().any(|case| number(&case.id) == Some(line)) || LINES_ELSEWHERE.contains(&line);
        assert!(found, "line {line} of the list has no case");
    }
    for dress in mutate::TEXTUAL.into_iter().chain(mutate::STRUCTURAL) {
        let sql = "SELECT id, ssn FROM pub.emp WHERE name = 'it''s a Name'";
        let dressed = mutate::dress(sql, dress).unwrap();
        assert_ne!(dressed, sql);
        assert!(dressed.contains("'it''s a Name'"), "{dress:?} changes a literal: {dressed}");
    }
}

/// S-010, R34: what is not one read-only query is refused at the gate.
#[tokio::test]
async fn attacks_at_the_gate_are_refused() {
    runner::run_corpus("gate", corpus::GATE).await;
}

/// S-010, R33: blocked, foreign and made-up names answer alike; metadata tables and paths are no names.
#[tokio::test]
async fn attacks_on_blocked_names_meet_absent_names() {
    runner::run_corpus("blocked", corpus::BLOCKED).await;
}

/// S-033: filters, joins, groups and orders see the masked value only.
#[tokio::test]
async fn attacks_on_masked_columns_see_masks() {
    runner::run_corpus("masks", corpus::MASKS).await;
}

/// S-034, R34: hidden rows take part in no result, no error, no plan.
#[tokio::test]
async fn attacks_on_hidden_rows_learn_nothing() {
    runner::run_corpus("filters", corpus::FILTERS).await;
}

/// S-010, R37, R39: other shapes, time travel, odd grammar, planted instructions.
#[tokio::test]
async fn attacks_by_odd_shapes_answer_like_the_permitted_rows() {
    runner::run_corpus("shapes", corpus::SHAPES).await;
}

/// S-010, S-034: what the dialect, the functions and the types bring along beside the list.
#[tokio::test]
async fn attacks_by_class_learn_nothing() {
    runner::run_corpus("classes", corpus::CLASSES).await;
}

/// S-034, R34: which hidden rows lie beside visible ones, in which files, makes no answer and no error.
#[tokio::test]
async fn attacks_by_layout_learn_nothing() {
    runner::run_corpus("layout", corpus::LAYOUT).await;
}

/// R34, R37: a plan says nothing about hidden rows, masked cells, files or blocked names.
#[tokio::test]
async fn attacks_at_the_explain_door_get_words() {
    for (name, toml) in [("blocked", corpus::BLOCKED), ("masks", corpus::MASKS), ("filters", corpus::FILTERS)] {
        runner::run_explained(name, toml).await;
    }
}

/// S-010: statements that want too much end in time, within the caps.
#[tokio::test]
async fn attacks_by_size_end_in_time() {
    runner::run_corpus("bounds", corpus::BOUNDS).await;
    runner::run("bombs", bombs::cases()).await;
}

/// S-010: bodies that can be read two ways.
#[tokio::test]
async fn attacks_by_request_bodies_are_refused() {
    bodies::attack().await;
}

/// A-077, R33: the catalog door stays shut for a governed table.
#[tokio::test]
async fn attacks_at_the_catalog_door_get_no_metadata() {
    doors::the_governed_table_stays_shut().await;
    doors::the_blocked_table_is_absent().await;
}

/// S-010: page tokens belong to one list, one principal and the grants of now.
#[tokio::test]
async fn attacks_with_page_tokens_are_refused() {
    doors::page_tokens_are_refused().await;
}

/// S-034: attributes are bound as literals.
#[tokio::test]
async fn attacks_through_attributes_stay_literals() {
    doors::attributes_are_literals().await;
}
