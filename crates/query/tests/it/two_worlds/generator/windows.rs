//! Windows over whatever a query may select from.
//!
//! Where the place of a row matters they come under a total order: by the key of what is read, after any other.

use super::{Generator, Query, Relation, Ty};

impl Generator {
    /// A statement with windows beside the keys of the rows that they belong to.
    pub(super) fn windowed(&mut self) -> Query {
        let from = self.from(2);
        let windows: Vec<String> = (0..1 + self.below(3))
            .map(|at| {
                let ty = self.ty();
                format!("{} AS w{at}", self.window(&from, ty))
            })
            .collect();
        let qualify = if self.chance(25) { " QUALIFY w0 IS NOT NULL" } else { "" };
        let (keys, windows, filter) = (from.key.join(", "), windows.join(", "), self.filter(&from.columns));
        Query { sql: format!("SELECT {keys}, {windows} FROM {}{filter}{qualify}", from.sql), rows: from.rows }
    }

    /// A query of these types, at least one column of which is a window.
    pub(super) fn windows(&mut self, types: &[Ty], depth: u32) -> Query {
        let from = self.from(depth);
        // Columns at the front that need not be windows; one is left at least.
        let mut free = self.below(types.len());
        let columns = self.named(types, |generator, ty| {
            let may_be_plain = free > 0;
            free = free.saturating_sub(1);
            if may_be_plain && generator.chance(60) {
                return generator.value(&from.columns, ty, 1);
            }
            match ty {
                // Some are unsigned, which would make decimals of what they are added to.
                Ty::Int => format!("CAST({} AS bigint)", generator.window(&from, ty)),
                Ty::Text => generator.window(&from, ty),
            }
        });
        let distinct = if self.chance(15) { "DISTINCT " } else { "" };
        let filter = self.filter(&from.columns);
        // Not by the name of a column: what is read may have one of that name.
        let qualify = if self.chance(20) {
            let place = self.one_of(&["row_number", "rank", "dense_rank"]);
            let key = self.text(&from.columns, 0);
            format!(" QUALIFY {place}() OVER (ORDER BY {key}, {}) <= {}", from.key.join(", "), 1 + self.below(4))
        } else {
            String::new()
        };
        Query { sql: format!("SELECT {distinct}{columns} FROM {}{filter}{qualify}", from.sql), rows: from.rows }
    }

    fn window(&mut self, from: &Relation, ty: Ty) -> String {
        let scope = &from.columns;
        let parts = if self.chance(50) { format!("PARTITION BY {} ", self.either(scope)) } else { String::new() };
        let key = self.either(scope);
        let way = self.one_of(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        // Rows that are equal here may be taken together, never one by one.
        let peers = format!("{parts}ORDER BY {key}{way}");
        let total = format!("{peers}, {}", from.key.join(", "));
        let frame = self.one_of(&[
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        ]);
        let value = self.value(scope, ty, 1);
        let pick = match ty {
            Ty::Int => self.below(12),
            Ty::Text => 6 + self.below(6),
        };
        match pick {
            0 => format!("row_number() OVER ({total})"),
            1 => format!("{}() OVER ({peers})", self.one_of(&["rank", "dense_rank"])),
            2 => format!("ntile(3) OVER ({total})"),
            3 => format!("count({}) OVER ({total}{frame})", self.text(scope, 1)),
            4..=5 => format!("sum({value}) OVER ({total}{frame})"),
            6..=7 => format!("{}({value}) OVER ({total})", self.one_of(&["lag", "lead"])),
            8..=9 => format!("{}({value}) OVER ({total}{frame})", self.one_of(&["first_value", "last_value"])),
            10 => format!("nth_value({value}, 2) OVER ({total}{frame})"),
            _ => format!("{}({value}) OVER ({peers})", self.one_of(&["min", "max"])),
        }
    }

    /// A value of either type.
    fn either(&mut self, scope: &[(String, Ty)]) -> String {
        let ty = self.ty();
        self.value(scope, ty, 1)
    }
}
