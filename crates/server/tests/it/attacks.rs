//! The SQL attack corpus through HTTP, as the attacker meets it: a running server, a key, and three worlds that differ
//! only in what the attacker may not learn. Every answer is looked at byte by byte for cells that must not be there,
//! and compared with the answer over other secrets and over a table that holds only what is permitted.
//!
//! `POLDER_BIN` names another binary, `POLDER_ATTACKS_ALL=1` runs every mutation, `POLDER_ATTACKS_SEED` repeats a run.
#![allow(clippy::disallowed_methods, reason = "a test reads the clock and the environment itself")]

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
