//! Random statements over the fixture: joins of every kind, subqueries, set operations, WITH (nested and recursive),
//! windows over all of them, grouping sets, nested types. One seed gives one series.
//!
//! Refuses to make what may answer in two ways over the same rows: LIMIT, OFFSET and positional windows come under a
//! total order only, nothing sums floating numbers, nothing is volatile, and no answer reaches the cap on rows.

mod relations;
mod values;
mod windows;

use rand::{Rng, SeedableRng, rngs::StdRng};

use relations::{Cte, JOIN_ROWS_MAX};

/// Most rows that a statement can have: fewer than the worlds' cap, which would keep some and not say which.
const ANSWER_ROWS_MAX: usize = 999;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ty {
    Int,
    Text,
}

/// Something to select from.
struct Relation {
    sql: String,
    columns: Vec<(String, Ty)>,
    /// Rows that are equal in these are equal in all columns, so that an order by them is total.
    key: Vec<String>,
    /// Most rows that it can have.
    rows: usize,
}

/// A query with columns `c0`, `c1`, … in no order.
struct Query {
    sql: String,
    /// Most rows that it can have.
    rows: usize,
}

/// Makes random statements.
pub(super) struct Generator {
    rng: StdRng,
    /// For names that nothing else has.
    made: u32,
    /// The WITH queries in scope.
    ctes: Vec<Cte>,
    /// Most rows of a join where the next one is made.
    join_rows_max: usize,
}

impl Iterator for Generator {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.made = 0;
            let statement = self.statement();
            if statement.rows <= ANSWER_ROWS_MAX {
                return Some(statement.sql);
            }
        }
    }
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), made: 0, ctes: Vec::new(), join_rows_max: JOIN_ROWS_MAX }
    }

    fn below(&mut self, most: usize) -> usize {
        self.rng.random_range(0..most)
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    fn ty(&mut self) -> Ty {
        if self.chance(50) { Ty::Int } else { Ty::Text }
    }

    fn types(&mut self) -> Vec<Ty> {
        (0..1 + self.below(3)).map(|_| self.ty()).collect()
    }

    /// A query of these types.
    fn select(&mut self, types: &[Ty], depth: u32) -> Query {
        if depth > 0 && self.chance(12) { self.with(types, depth - 1) } else { self.body(types, depth) }
    }

    /// The same, which does not begin with WITH.
    fn body(&mut self, types: &[Ty], depth: u32) -> Query {
        match self.below(12) {
            0..=1 if depth > 0 => {
                let op = self.one_of(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"]);
                let (left, right) = (self.select(types, depth - 1), self.select(types, depth - 1));
                Query { sql: format!("({}) {op} ({})", left.sql, right.sql), rows: left.rows + right.rows }
            }
            2..=4 => self.grouped(types, depth),
            5..=6 => self.windows(types, depth),
            _ => {
                let from = self.from(depth);
                let distinct = if self.chance(20) { "DISTINCT " } else { "" };
                let columns = self.named(types, |generator, ty| generator.value(&from.columns, ty, 2));
                let sql = format!("SELECT {distinct}{columns} FROM {}{}", from.sql, self.filter(&from.columns));
                Query { sql, rows: from.rows }
            }
        }
    }

    fn named(&mut self, types: &[Ty], mut make: impl FnMut(&mut Self, Ty) -> String) -> String {
        let columns: Vec<String> =
            types.iter().enumerate().map(|(at, ty)| format!("{} AS c{at}", make(self, *ty))).collect();
        columns.join(", ")
    }

    fn filter(&mut self, scope: &[(String, Ty)]) -> String {
        if self.chance(70) { format!(" WHERE {}", self.truth(scope, 2)) } else { String::new() }
    }

    fn grouped(&mut self, types: &[Ty], depth: u32) -> Query {
        let from = self.from(depth);
        let keys: Vec<(String, Ty)> = (0..1 + self.below(2))
            .map(|_| {
                let ty = self.ty();
                (self.value(&from.columns, ty, 1), ty)
            })
            .collect();
        let columns = self.named(types, |generator, ty| generator.aggregate(&from.columns, &keys, ty));
        let list = keys.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>().join(", ");
        let (by, sets) = match self.below(8) {
            0 => (format!("ROLLUP ({list})"), 3),
            1 => (format!("CUBE ({list})"), 4),
            2 => (format!("GROUPING SETS (({list}), ())"), 2),
            3 => (String::new(), 0),
            _ => (list, 1),
        };
        let by = if by.is_empty() { by } else { format!(" GROUP BY {by}") };
        let columns =
            if by.is_empty() { self.named(types, |g, ty| g.aggregate(&from.columns, &[], ty)) } else { columns };
        let having = if self.chance(30) { " HAVING count(*) > 1" } else { "" };
        let sql = format!("SELECT {columns} FROM {}{}{by}{having}", from.sql, self.filter(&from.columns));
        // Without a row there is one group of none.
        Query { sql, rows: (from.rows * sets).max(1) }
    }

    fn aggregate(&mut self, scope: &[(String, Ty)], keys: &[(String, Ty)], ty: Ty) -> String {
        let key = keys.iter().find(|(_, has)| *has == ty).map(|(key, _)| key.clone());
        if let Some(key) = key.filter(|_| self.chance(40)) {
            return key;
        }
        let filter = if self.chance(25) { format!(" FILTER (WHERE {})", self.truth(scope, 1)) } else { String::new() };
        let distinct = self.one_of(&["", "", "DISTINCT "]);
        match (ty, self.below(6)) {
            (Ty::Int, 0) => format!("count(*){filter}"),
            (Ty::Int, 1) => format!("count({distinct}{}){filter}", self.text(scope, 1)),
            (Ty::Int, 2 | 3) => format!("sum({distinct}{}){filter}", self.integer(scope, 1)),
            (Ty::Int, _) => format!("{}({}){filter}", self.one_of(&["min", "max", "bit_xor"]), self.integer(scope, 1)),
            (Ty::Text, 0) => {
                let text = self.text(scope, 1);
                format!("string_agg({text}, ',' ORDER BY {text}){filter}")
            }
            (Ty::Text, 1) => {
                let int = self.integer(scope, 0);
                format!("array_to_string(array_agg({int} ORDER BY {int}), '/')")
            }
            (Ty::Text, _) => format!("{}({}){filter}", self.one_of(&["min", "max"]), self.text(scope, 1)),
        }
    }

    fn nested(&mut self) -> String {
        let t = self.fresh("t");
        let scope = employee(&t);
        let (int, text) = (self.integer(&scope, 1), self.text(&scope, 1));
        let what = match self.below(11) {
            0 => format!("{t}.*"),
            1 => format!("{t}.info, {t}.tags"),
            2 => format!("named_struct('a', {int}, 'b', {text}, 'c', {t}.info) AS s"),
            3 => format!("make_array({text}, {t}.ssn) AS l, array_has({t}.tags, {text}) AS h"),
            4 => format!("{t}.tags[1:2] AS s, array_sort({t}.tags) AS o, array_distinct({t}.tags) AS d"),
            5 => format!("unnest({t}.tags) AS x, {int} AS n"),
            6 => format!("array_to_string(array_append({t}.tags, {text}), '|') AS j, cardinality({t}.tags) AS n"),
            7 => format!("CAST({t}.tags AS varchar) AS x, array_position({t}.tags, {text}) AS p"),
            8 => format!(
                "date_trunc('minute', {t}.ts) AS m, {t}.ts > TIMESTAMP '2023-11-14 22:13:22' AS late, {text} AS x"
            ),
            9 => format!("{t}.born, date_trunc('month', {t}.born) AS m, {t}.born > DATE '1992-01-01' AS late"),
            _ => {
                return format!(
                    "SELECT {text} AS k, array_agg({int} ORDER BY {t}.id) AS a, array_agg({t}.info ORDER BY {t}.id) AS i FROM pub.emp {t}{} GROUP BY {text}",
                    self.filter(&scope)
                );
            }
        };
        format!("SELECT {what} FROM pub.emp {t}{}", self.filter(&scope))
    }

    /// Rows cut under a total order: `id` is unique.
    fn cut(&mut self) -> String {
        let t = self.fresh("t");
        let scope = employee(&t);
        let by = if self.chance(50) { self.integer(&scope, 1) } else { self.text(&scope, 1) };
        let way = self.one_of(&["", " DESC", " NULLS FIRST"]);
        let (limit, offset) = (self.below(4), self.below(3));
        let filter = self.filter(&scope);
        if self.chance(20) {
            return format!(
                "SELECT DISTINCT ON ({t}.dept) {t}.dept, {t}.id, {by} AS b FROM pub.emp {t}{filter} ORDER BY {t}.dept, {t}.id"
            );
        }
        format!(
            "SELECT {t}.*, {by} AS b FROM pub.emp {t}{filter} ORDER BY {by}{way}, {t}.id LIMIT {limit} OFFSET {offset}"
        )
    }

    fn statement(&mut self) -> Query {
        // The fixture's tables alone: a few rows.
        let small = |sql| Query { sql, rows: 10 };
        match self.below(14) {
            0..=1 => self.windowed(),
            2 => small(self.nested()),
            3 => small(self.cut()),
            4..=5 => {
                let types = self.types();
                self.with(&types, 2)
            }
            _ => {
                let types = self.types();
                self.select(&types, 2)
            }
        }
    }
}

/// The columns of the employees; some stand twice, to be taken more often. Dates come as numbers and as texts.
fn employee(t: &str) -> Vec<(String, Ty)> {
    let ints = ["id", "mgr", "salary", "bonus", "grade", "badge"].map(|column| (format!("{t}.{column}"), Ty::Int));
    let texts = [
        "name",
        "region",
        "dept",
        "ssn",
        "ssn",
        "email",
        "email",
        "info['phone']",
        "info['city']",
        "tags[1]",
        "doc",
        "token",
        "account",
        "code",
    ]
    .map(|column| (format!("{t}.{column}"), Ty::Text));
    let born = [
        (format!("CAST(date_part('year', {t}.born) AS bigint)"), Ty::Int),
        (format!("CAST({t}.born AS varchar)"), Ty::Text),
    ];
    ints.into_iter().chain(texts).chain(born).collect()
}

mod tests;
