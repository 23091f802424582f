//! Rules in English, for those whom they restrict. Tells kinds, columns and attribute names; never a literal, and
//! never the name of a column that the reader may not see.

use std::collections::BTreeSet;

use crate::{Applied, ColumnPath, Comparison, Mask, MaskAction, Obligations, Operand, Predicate, Rule};

/// Most parts of one list that are spelt out.
const PARTS_MAX: usize = 8;

impl Rule {
    /// Says what the rule does, naming only columns for which `visible` is true.
    #[must_use]
    pub fn describe(&self, visible: &dyn Fn(&ColumnPath) -> bool) -> String {
        let words = Words { visible };
        match self {
            Self::RowFilter(predicate) => format!("only rows where {}", words.predicate(predicate)),
            Self::Mask { column, mask } => format!("{} {}", words.column(column), words.mask(mask)),
            Self::Hide { column } if visible(column) => format!("{} is hidden", words.column(column)),
            Self::Hide { .. } => "a column is hidden".to_owned(),
        }
    }
}

impl Obligations {
    /// Describes every restriction, in the order of `applied`, without the names of the columns that they hide.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let hides: Vec<(&Applied, &ColumnPath)> = self
            .applied
            .iter()
            .filter_map(|applied| match &applied.rule {
                Rule::Hide { column } => Some((applied, column)),
                Rule::Mask { .. } | Rule::RowFilter(_) => None,
            })
            .collect();
        let none = BTreeSet::new();
        let describe = |applied: &Applied| {
            applied.rule.describe(&|path| {
                let ids = applied.fields.get(path).unwrap_or(&none);
                hides.iter().all(|(hide, column)| {
                    // A column may have been renamed since: the same field under another path is hidden too.
                    !path.starts_with(column) && hide.fields.get(*column).unwrap_or(&none).is_disjoint(ids)
                })
            })
        };
        self.applied.iter().map(describe).collect()
    }
}

struct Words<'a> {
    visible: &'a dyn Fn(&ColumnPath) -> bool,
}

impl Words<'_> {
    fn column(&self, path: &ColumnPath) -> String {
        if (self.visible)(path) { format!("`{}`", path.join(".")) } else { "a hidden column".to_owned() }
    }

    fn mask(&self, mask: &Mask) -> String {
        match mask {
            Mask::Show => "is shown".to_owned(),
            Mask::Static(_) => "is replaced by one fixed value".to_owned(),
            Mask::Action(action) => action_words(*action).to_owned(),
            Mask::Choice { when, then, otherwise } => {
                format!("{} where {}, and otherwise {}", self.mask(then), self.predicate(when), self.mask(otherwise))
            }
        }
    }

    fn predicate(&self, predicate: &Predicate) -> String {
        match predicate {
            Predicate::True => "everything holds".to_owned(),
            Predicate::False => "nothing holds".to_owned(),
            Predicate::And(parts) => self.list(parts, " and ", "everything holds"),
            Predicate::Or(parts) => self.list(parts, " or ", "nothing holds"),
            Predicate::Not(inner) => match &**inner {
                Predicate::IsNull(column) => format!("{} has a value", self.column(column)),
                Predicate::In { column, operands } => format!("{} is not {}", self.column(column), any_of(operands)),
                other => format!("it is not so that {}", self.predicate(other)),
            },
            Predicate::IsNull(column) => format!("{} is null", self.column(column)),
            Predicate::Compare { column, op, operand } => {
                format!("{} {} {}", self.column(column), comparison(*op), operand_words(operand))
            }
            Predicate::In { column, operands } => format!("{} is {}", self.column(column), any_of(operands)),
            Predicate::StartsWith { column, operand } => {
                format!("{} starts with {}", self.column(column), operand_words(operand))
            }
        }
    }

    fn list(&self, parts: &[Predicate], between: &str, empty: &str) -> String {
        if parts.is_empty() {
            return empty.to_owned();
        }
        let mut words: Vec<String> = parts.iter().take(PARTS_MAX).map(|part| self.predicate(part)).collect();
        if parts.len() > PARTS_MAX {
            words.push(format!("{} further conditions", parts.len() - PARTS_MAX));
        }
        if words.len() == 1 { words.concat() } else { format!("({})", words.join(between)) }
    }
}

fn comparison(op: Comparison) -> &'static str {
    match op {
        Comparison::Eq => "is",
        Comparison::NotEq => "is not",
        Comparison::Lt => "is less than",
        Comparison::LtEq => "is at most",
        Comparison::Gt => "is more than",
        Comparison::GtEq => "is at least",
    }
}

fn operand_words(operand: &Operand) -> String {
    match operand {
        Operand::Literal(_) => "one fixed value".to_owned(),
        Operand::Attribute { name, .. } => format!("your attribute `{name}`"),
    }
}

fn any_of(operands: &[Operand]) -> String {
    match operands {
        [Operand::Attribute { name, .. }] => format!("one of your attribute `{name}`"),
        _ => "one of several fixed values".to_owned(),
    }
}

fn action_words(action: MaskAction) -> &'static str {
    match action {
        MaskAction::MaskAlphanum => "is shown with its letters and digits replaced",
        MaskAction::MaskToFixedValue => "is replaced by one fixed value",
        MaskAction::ReplaceWithNull => "is replaced by null",
        MaskAction::ShowFirst4 => "is shown with all but its first four characters masked",
        MaskAction::ShowLast4 => "is shown with all but its last four characters masked",
        MaskAction::TruncateToYear => "is cut to the year",
        MaskAction::TruncateToMonth => "is cut to the month",
        MaskAction::Sha256Global => "is replaced by a hash",
        MaskAction::Sha256QueryLocal => "is replaced by a hash that differs from query to query",
    }
}

#[cfg(test)]
mod tests;
