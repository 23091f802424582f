//! The SQL dialect of the gateway: generic SQL without nested comments and without comments that are code.
//!
//! What the grammar does not know is a syntax error; what it knows and the planner would ignore is refused by
//! the walk over the parsed statement.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};

/// See the module.
#[derive(Debug)]
pub(super) struct PolderDialect;

impl Dialect for PolderDialect {
    // The parser asks for this id where it has no method for a feature (UNNEST in FROM, INTERVAL literals).
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        matches!(ch, '"' | '`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch.is_ascii_digit() || matches!(ch, '_' | '$')
    }

    // SECURITY: with nesting, `/* /* */ code -- */` hides code from us that another reader runs.
    fn supports_nested_comments(&self) -> bool {
        false
    }

    // SECURITY: `/*! code */` is a comment to one reader and code to another.
    fn supports_multiline_comment_hints(&self) -> bool {
        false
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    // Parsed so that it can be refused by name.
    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_explain_with_utility_options(&self) -> bool {
        true
    }

    fn supports_pipe_operator(&self) -> bool {
        true
    }
}
