//! What a query selects from: tables, queries in brackets, joins of every kind and WITH queries, recursive ones too.

use super::{Generator, Query, Relation, Ty, employee};

/// Most rows that a join makes, counted as if every pair met.
pub(super) const JOIN_ROWS_MAX: usize = 3_000;
/// The same inside a WITH query, which may be read several times.
const CTE_ROWS_MAX: usize = 40;

/// A WITH query in scope.
pub(super) struct Cte {
    name: String,
    types: Vec<Ty>,
    rows: usize,
}

impl Relation {
    /// A query, or the name of one, that is called `name` and has columns `c0`, `c1`, ….
    fn query(sql: String, name: &str, types: &[Ty], rows: usize) -> Self {
        let columns: Vec<(String, Ty)> =
            types.iter().enumerate().map(|(at, ty)| (format!("{name}.c{at}"), *ty)).collect();
        let key = columns.iter().map(|(column, _)| column.clone()).collect();
        Self { sql, columns, key, rows }
    }
}

impl Generator {
    fn base(&mut self) -> Relation {
        if !self.ctes.is_empty() && self.chance(50) {
            return self.of_cte();
        }
        let t = self.fresh("t");
        if self.chance(85) {
            let key = vec![format!("{t}.id")];
            return Relation { sql: format!("pub.emp {t}"), columns: employee(&t), key, rows: 5 };
        }
        let pairs = |sql: String, rows| {
            let columns = vec![(format!("{t}.n"), Ty::Int), (format!("{t}.x"), Ty::Text)];
            Relation { sql, columns, key: vec![format!("{t}.n"), format!("{t}.x")], rows }
        };
        match self.below(3) {
            0 => {
                let k = format!("{t}.k");
                Relation { sql: format!("pub.dim {t}"), columns: vec![(k.clone(), Ty::Int)], key: vec![k], rows: 3 }
            }
            1 => pairs(format!("(VALUES (1, 'us'), (400, '***'), (NULL, NULL)) {t}(n, x)"), 3),
            _ => pairs(format!("(SELECT u.id AS n, unnest(u.tags) AS x FROM pub.emp u) {t}"), 7),
        }
    }

    fn of_cte(&mut self) -> Relation {
        let t = self.fresh("t");
        let at = self.below(self.ctes.len());
        let Cte { name, types, rows } = &self.ctes[at];
        Relation::query(format!("{name} {t}"), &t, types, *rows)
    }

    fn relation(&mut self, depth: u32) -> Relation {
        if depth == 0 || self.chance(70) {
            return self.base();
        }
        let t = self.fresh("d");
        let types = self.types();
        let query = self.select(&types, depth - 1);
        Relation::query(format!("({}) {t}", query.sql), &t, &types, query.rows)
    }

    pub(super) fn from(&mut self, depth: u32) -> Relation {
        let mut left = self.relation(depth);
        let joins = if depth == 0 { 0 } else { [0, 0, 1, 1, 2][self.below(5)] };
        for _ in 0..joins {
            let right = self.relation(depth - 1);
            // An outer join has a row more for each that met none.
            let rows = (left.rows + 1) * (right.rows + 1);
            if rows > self.join_rows_max {
                break;
            }
            left = self.join(left, right, rows);
        }
        left
    }

    fn join(&mut self, left: Relation, right: Relation, rows: usize) -> Relation {
        let kind = self.one_of(&[
            "JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "LEFT SEMI JOIN",
            "LEFT ANTI JOIN",
            "RIGHT SEMI JOIN",
            "RIGHT ANTI JOIN",
            "CROSS JOIN",
        ]);
        let both = [left.columns.as_slice(), right.columns.as_slice()].concat();
        let on = if kind == "CROSS JOIN" { String::new() } else { format!(" ON {}", self.on(&left, &right, &both)) };
        let sql = format!("{} {kind} {}{on}", left.sql, right.sql);
        match kind {
            "LEFT SEMI JOIN" | "LEFT ANTI JOIN" => Relation { sql, ..left },
            "RIGHT SEMI JOIN" | "RIGHT ANTI JOIN" => Relation { sql, ..right },
            _ => Relation { sql, columns: both, key: [left.key, right.key].concat(), rows },
        }
    }

    fn on(&mut self, left: &Relation, right: &Relation, both: &[(String, Ty)]) -> String {
        let ty = self.ty();
        let sides = self.column(&left.columns, ty).zip(self.column(&right.columns, ty));
        match sides {
            Some((a, b)) if self.chance(85) => {
                let more = if self.chance(35) { format!(" AND {}", self.truth(both, 1)) } else { String::new() };
                format!("{a} = {b}{more}")
            }
            Some((a, b)) => format!("{a} < {b}"),
            None => self.comparison(both),
        }
    }

    /// Up to three WITH queries, each of which may read those before it, and a query that may read all of them.
    pub(super) fn with(&mut self, types: &[Ty], depth: u32) -> Query {
        let around = self.ctes.len();
        let recursive = self.chance(35);
        let mut parts = Vec::new();
        for at in 0..1 + self.below(3) {
            let (cte, sql) = if recursive && at == 0 { self.recursive_cte() } else { self.cte() };
            parts.push(format!("{} AS ({sql})", cte.name));
            self.ctes.push(cte);
        }
        let body = if self.chance(25) { self.windows(types, depth) } else { self.body(types, depth) };
        self.ctes.truncate(around);
        let word = if recursive { "WITH RECURSIVE" } else { "WITH" };
        Query { sql: format!("{word} {} {}", parts.join(", "), body.sql), rows: body.rows }
    }

    fn cte(&mut self) -> (Cte, String) {
        let (name, types) = (self.fresh("w"), self.types());
        let outside = std::mem::replace(&mut self.join_rows_max, CTE_ROWS_MAX);
        let select = self.select(&types, 1);
        self.join_rows_max = outside;
        (Cte { name, types, rows: select.rows }, select.sql)
    }

    /// Goes down the tree of managers, or counts. Its third column ends it after three rounds, whatever the values are.
    fn recursive_cte(&mut self) -> (Cte, String) {
        let (name, t, e, r) = (self.fresh("w"), self.fresh("t"), self.fresh("e"), self.fresh("r"));
        let first = employee(&t);
        let top = if self.chance(50) { format!("{t}.mgr IS NULL") } else { self.comparison(&first) };
        let begin = self.text(&first, 1);
        let union = self.one_of(&["UNION ALL", "UNION ALL", "UNION"]);
        let mut scope = vec![(format!("{r}.c0"), Ty::Int), (format!("{r}.c1"), Ty::Text)];
        let counts = self.chance(30);
        let (from, next) = if counts {
            (format!("{name} {r}"), format!("{r}.c0 + 1"))
        } else {
            scope.extend(employee(&e));
            let (a, b) = (format!("{name} {r}"), format!("pub.emp {e}"));
            let joined = match self.below(4) {
                0 => format!("{a} LEFT JOIN {b}"),
                1 => format!("{b} JOIN {a}"),
                _ => format!("{a} JOIN {b}"),
            };
            (format!("{joined} ON {e}.mgr = {r}.c0"), format!("{e}.id"))
        };
        let more = if self.chance(40) { format!(" AND {}", self.comparison(&scope)) } else { String::new() };
        let sql = format!(
            "SELECT {t}.id AS c0, {begin} AS c1, CAST(0 AS bigint) AS c2 FROM pub.emp {t} WHERE {top} {union} \
             SELECT {next}, {}, {r}.c2 + 1 FROM {from} WHERE {r}.c2 < 3{more}",
            self.text(&scope, 1)
        );
        // Five rows at first; in each round one for a row without a child, and one for an employee with a manager.
        (Cte { name, types: vec![Ty::Int, Ty::Text, Ty::Int], rows: 5 + 9 + 13 + 17 }, sql)
    }
}
