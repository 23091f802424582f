//! Random statements over the fixture: joins of every kind, subqueries, set operations, WITH, windows, grouping sets,
//! nested types. One seed gives one series.
//!
//! Refuses to make what may answer in two ways over the same rows: LIMIT, OFFSET and positional windows come under a total
//! order only, nothing sums floating numbers, nothing is volatile.

use rand::{Rng, SeedableRng, rngs::StdRng};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ty {
    Int,
    Text,
}

/// Something to select from.
struct Relation {
    sql: String,
    columns: Vec<(String, Ty)>,
}

/// Makes random statements.
pub(super) struct Generator {
    rng: StdRng,
    /// For names that nothing else has.
    made: u32,
}

impl Iterator for Generator {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.made = 0;
        Some(self.statement())
    }
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), made: 0 }
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

    // ---- values

    fn number(&mut self) -> String {
        match self.below(4) {
            0 => self.one_of(&["50501", "400", "100", "0", "1", "10003", "-7", "77777"]).to_owned(),
            1 => self.rng.random_range(-5..500).to_string(),
            _ => self.rng.random_range(0..6).to_string(),
        }
    }

    fn literal(&mut self) -> String {
        let texts = [
            "us",
            "eu",
            "***",
            "666-66-6666",
            "eng",
            "ops",
            "austin",
            "a",
            "HIDA",
            "HIDB",
            "A-ssn-1",
            "B-ssn-1",
            "A-phone-2",
            "A-mail-3",
            "B-mail-3",
            "ann@us.example",
            "%",
            "_",
            "",
        ];
        format!("'{}'", self.one_of(&texts))
    }

    fn column(&mut self, scope: &[(String, Ty)], ty: Ty) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, has)| *has == ty).map(|(name, _)| name).collect();
        (!fitting.is_empty()).then(|| fitting[self.below(fitting.len())].clone())
    }

    fn value(&mut self, scope: &[(String, Ty)], ty: Ty, depth: u32) -> String {
        match ty {
            Ty::Int => self.integer(scope, depth),
            Ty::Text => self.text(scope, depth),
        }
    }

    fn integer(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
        if depth == 0 || self.chance(45) {
            let column = self.column(scope, Ty::Int).filter(|_| self.chance(80));
            return column.unwrap_or_else(|| self.number());
        }
        let depth = depth - 1;
        let (a, b) = (self.integer(scope, depth), self.integer(scope, depth));
        match self.below(12) {
            0..=2 => format!("({a} {} {b})", self.one_of(&["+", "-", "*"])),
            3 => format!("({a} / {b})"),
            4 => format!("({a} % {b})"),
            5 => format!("length({})", self.text(scope, depth)),
            6 => format!("coalesce({a}, {b})"),
            7 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.truth(scope, depth)),
            8 => format!("CAST({} AS bigint)", self.text(scope, depth)),
            9 => format!("nullif({a}, {b})"),
            10 => format!("greatest({a}, {b})"),
            _ => self.scalar_subquery(scope),
        }
    }

    fn text(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
        if depth == 0 || self.chance(50) {
            let column = self.column(scope, Ty::Text).filter(|_| self.chance(85));
            return column.unwrap_or_else(|| self.literal());
        }
        let depth = depth - 1;
        let a = self.text(scope, depth);
        match self.below(11) {
            0 => format!("({a} || {})", self.text(scope, depth)),
            1 => format!("upper({a})"),
            2 => format!("substr({a}, 1, 2)"),
            3 => format!("CASE WHEN {} THEN {a} END", self.truth(scope, depth)),
            4 => format!("coalesce({a}, {})", self.literal()),
            5 => format!("replace({a}, 'a', {})", self.literal()),
            6 => format!("md5({a})"),
            7 => format!("CAST({} AS varchar)", self.integer(scope, depth)),
            8 => format!("CASE {a} WHEN {} THEN {} ELSE {a} END", self.literal(), self.literal()),
            9 => format!("split_part({a}, '-', 2)"),
            _ => format!("lpad({a}, 4, '.')"),
        }
    }

    fn truth(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
        if depth == 0 || self.chance(35) {
            return self.comparison(scope);
        }
        let depth = depth - 1;
        match self.below(11) {
            10 => self.tripwire(scope, depth),
            0..=1 => format!("({} AND {})", self.truth(scope, depth), self.truth(scope, depth)),
            2..=3 => format!("({} OR {})", self.truth(scope, depth), self.truth(scope, depth)),
            4 => format!("NOT ({})", self.truth(scope, depth)),
            5 => format!("{} > {}", self.integer(scope, depth), self.integer(scope, depth)),
            6 => format!("{} = {}", self.text(scope, depth), self.text(scope, depth)),
            7 => format!("({}) IS {}", self.truth(scope, depth), self.one_of(&["TRUE", "NOT TRUE", "UNKNOWN"])),
            _ => self.subquery_condition(scope),
        }
    }

    /// What may fail, twice, before a condition by which files are left out: the engine computes what is common to two
    /// parts in a place of its own.
    fn tripwire(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
        let fails = match self.below(4) {
            0 => format!("CAST({} AS int)", self.text(scope, 0)),
            1 => format!("length(substr({}, 1, {}))", self.text(scope, 0), self.integer(scope, 0)),
            _ => format!("{} / ({} - {})", self.number(), self.integer(scope, 0), self.number()),
        };
        let twice = match self.below(3) {
            0 => format!("{fails} BETWEEN 0 AND 5"),
            1 => format!("{fails} IN (0, 1)"),
            _ => format!("{fails} >= 0 AND {fails} < 5 + {}", self.integer(scope, depth.min(1))),
        };
        format!("({twice} AND {})", self.comparison(scope))
    }

    fn comparison(&mut self, scope: &[(String, Ty)]) -> String {
        let op = self.one_of(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
        let (int, text) = (self.integer(scope, 0), self.text(scope, 0));
        match self.below(9) {
            0..=1 => format!("{int} {op} {}", self.number()),
            2 => format!("{text} {op} {}", self.literal()),
            3 => format!("{text} IS {}NULL", self.one_of(&["", "NOT "])),
            4 => {
                let like = self.one_of(&["LIKE", "NOT LIKE", "ILIKE"]);
                format!("{text} {like} {}", self.one_of(&["'a%'", "'%us%'", "'6%'", "'A-%'", "'%'", "'%_-%_-%'"]))
            }
            5 => format!("{text} IN ({}, {})", self.literal(), self.literal()),
            6 => format!("{int} BETWEEN {} AND {}", self.number(), self.number()),
            7 => format!("{int} NOT IN ({}, {})", self.number(), self.number()),
            _ => format!("{text} ~ {}", self.one_of(&["'^a'", "'[0-9]{3}'", "'(us|eu)'", "'.*-1$'"])),
        }
    }

    // ---- subqueries

    fn scalar_subquery(&mut self, scope: &[(String, Ty)]) -> String {
        let s = self.fresh("s");
        let inner = employee(&s);
        let what = match self.below(4) {
            0 => "count(*)".to_owned(),
            1 => format!("count(DISTINCT {})", self.text(&inner, 0)),
            2 => format!("max({})", self.integer(&inner, 0)),
            _ => format!("sum({})", self.integer(&inner, 1)),
        };
        let tied = self.tie(scope, &s);
        format!("(SELECT {what} FROM pub.emp {s} WHERE {tied}{})", self.comparison(&inner))
    }

    fn subquery_condition(&mut self, scope: &[(String, Ty)]) -> String {
        let s = self.fresh("s");
        let inner = employee(&s);
        let no = self.one_of(&["", "NOT "]);
        match self.below(4) {
            0 => {
                let int = self.integer(scope, 0);
                format!(
                    "{int} {no}IN (SELECT {} FROM pub.emp {s} WHERE {})",
                    self.integer(&inner, 0),
                    self.truth(&inner, 1)
                )
            }
            1 => {
                let text = self.text(scope, 0);
                format!(
                    "{text} {no}IN (SELECT {} FROM pub.emp {s} WHERE {})",
                    self.text(&inner, 1),
                    self.comparison(&inner)
                )
            }
            2 => format!("{} > {}", self.integer(scope, 0), self.scalar_subquery(scope)),
            _ => {
                let tied = self.tie(scope, &s);
                format!("{no}EXISTS (SELECT 1 FROM pub.emp {s} WHERE {tied}{})", self.truth(&inner, 1))
            }
        }
    }

    /// What makes a subquery correlated, most of the time.
    fn tie(&mut self, scope: &[(String, Ty)], s: &str) -> String {
        let tied = if self.chance(60) {
            let own = self.one_of(&["mgr", "id", "salary"]);
            self.column(scope, Ty::Int).map(|outer| format!("{s}.{own} = {outer}"))
        } else if self.chance(60) {
            let own = self.one_of(&["ssn", "dept", "email"]);
            self.column(scope, Ty::Text).map(|outer| format!("{s}.{own} = {outer}"))
        } else {
            None
        };
        tied.map(|tied| tied + " AND ").unwrap_or_default()
    }

    // ---- relations

    fn base(&mut self) -> Relation {
        let t = self.fresh("t");
        if self.chance(85) {
            return Relation { sql: format!("pub.emp {t}"), columns: employee(&t) };
        }
        match self.below(3) {
            0 => Relation { sql: format!("pub.dim {t}"), columns: vec![(format!("{t}.k"), Ty::Int)] },
            1 => Relation {
                sql: format!("(VALUES (1, 'us'), (400, '***'), (NULL, NULL)) {t}(n, x)"),
                columns: vec![(format!("{t}.n"), Ty::Int), (format!("{t}.x"), Ty::Text)],
            },
            _ => Relation {
                sql: format!("(SELECT u.id AS n, unnest(u.tags) AS x FROM pub.emp u) {t}"),
                columns: vec![(format!("{t}.n"), Ty::Int), (format!("{t}.x"), Ty::Text)],
            },
        }
    }

    fn relation(&mut self, depth: u32) -> Relation {
        if depth == 0 || self.chance(70) {
            return self.base();
        }
        let t = self.fresh("d");
        let types = self.types();
        let select = self.select(&types, depth - 1);
        let columns = types.iter().enumerate().map(|(at, ty)| (format!("{t}.c{at}"), *ty)).collect();
        Relation { sql: format!("({select}) {t}"), columns }
    }

    fn from(&mut self, depth: u32) -> Relation {
        let mut left = self.relation(depth);
        let joins = if depth == 0 { 0 } else { [0, 0, 1, 1, 2][self.below(5)] };
        for _ in 0..joins {
            let right = self.relation(depth - 1);
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
            let mut both = left.columns.clone();
            both.extend(right.columns.iter().cloned());
            let on =
                if kind == "CROSS JOIN" { String::new() } else { format!(" ON {}", self.on(&left, &right, &both)) };
            let sql = format!("{} {kind} {}{on}", left.sql, right.sql);
            let columns = match kind {
                "LEFT SEMI JOIN" | "LEFT ANTI JOIN" => left.columns,
                "RIGHT SEMI JOIN" | "RIGHT ANTI JOIN" => right.columns,
                _ => both,
            };
            left = Relation { sql, columns };
        }
        left
    }

    fn on(&mut self, left: &Relation, right: &Relation, both: &[(String, Ty)]) -> String {
        let ty = if self.chance(50) { Ty::Int } else { Ty::Text };
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

    // ---- queries

    fn types(&mut self) -> Vec<Ty> {
        (0..1 + self.below(3)).map(|_| if self.chance(50) { Ty::Int } else { Ty::Text }).collect()
    }

    /// A query with columns `c0`, `c1`, … of these types; no order.
    fn select(&mut self, types: &[Ty], depth: u32) -> String {
        match self.below(10) {
            0 if depth > 0 => {
                let op = self.one_of(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"]);
                format!("({}) {op} ({})", self.select(types, depth - 1), self.select(types, depth - 1))
            }
            1..=3 => self.grouped(types, depth),
            _ => {
                let from = self.from(depth);
                let distinct = if self.chance(20) { "DISTINCT " } else { "" };
                let columns = self.named(types, |generator, ty| generator.value(&from.columns, ty, 2));
                format!("SELECT {distinct}{columns} FROM {}{}", from.sql, self.filter(&from.columns))
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

    fn grouped(&mut self, types: &[Ty], depth: u32) -> String {
        let from = self.from(depth);
        let keys: Vec<(String, Ty)> = (0..1 + self.below(2))
            .map(|_| {
                let ty = if self.chance(50) { Ty::Int } else { Ty::Text };
                (self.value(&from.columns, ty, 1), ty)
            })
            .collect();
        let columns = self.named(types, |generator, ty| generator.aggregate(&from.columns, &keys, ty));
        let list = keys.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>().join(", ");
        let by = match self.below(8) {
            0 => format!("ROLLUP ({list})"),
            1 => format!("CUBE ({list})"),
            2 => format!("GROUPING SETS (({list}), ())"),
            3 => String::new(),
            _ => list,
        };
        let by = if by.is_empty() { by } else { format!(" GROUP BY {by}") };
        let columns =
            if by.is_empty() { self.named(types, |g, ty| g.aggregate(&from.columns, &[], ty)) } else { columns };
        let having = if self.chance(30) { " HAVING count(*) > 1" } else { "" };
        format!("SELECT {columns} FROM {}{}{by}{having}", from.sql, self.filter(&from.columns))
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

    fn windowed(&mut self) -> String {
        let t = self.fresh("t");
        let scope = employee(&t);
        let functions: Vec<String> =
            (0..1 + self.below(3)).map(|at| format!("{} AS w{at}", self.window(&scope, &t))).collect();
        let qualify = if self.chance(25) { " QUALIFY w0 IS NOT NULL" } else { "" };
        format!("SELECT {t}.id, {} FROM pub.emp {t}{}{qualify}", functions.join(", "), self.filter(&scope))
    }

    fn window(&mut self, scope: &[(String, Ty)], t: &str) -> String {
        let parts = if self.chance(50) { format!("PARTITION BY {} ", self.text(scope, 1)) } else { String::new() };
        let key = if self.chance(50) { self.integer(scope, 1) } else { self.text(scope, 1) };
        let way = self.one_of(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        let total = format!("{parts}ORDER BY {key}{way}, {t}.id");
        let frame = self.one_of(&[
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        ]);
        let (int, text) = (self.integer(scope, 1), self.text(scope, 1));
        match self.below(9) {
            0 => format!("row_number() OVER ({total})"),
            1 => format!("{}() OVER ({parts}ORDER BY {key}{way})", self.one_of(&["rank", "dense_rank"])),
            2 => format!("{}({text}) OVER ({total})", self.one_of(&["lag", "lead"])),
            3 => format!("{}({text}) OVER ({total}{frame})", self.one_of(&["first_value", "last_value"])),
            4 => format!("ntile(3) OVER ({total})"),
            5 => format!("nth_value({int}, 2) OVER ({total}{frame})"),
            6 => format!("count({text}) OVER ({total}{frame})"),
            7 => format!("max({text}) OVER ({parts}ORDER BY {key}{way})"),
            _ => format!("sum({int}) OVER ({total}{frame})"),
        }
    }

    fn nested(&mut self) -> String {
        let t = self.fresh("t");
        let scope = employee(&t);
        let (int, text) = (self.integer(&scope, 1), self.text(&scope, 1));
        let what = match self.below(10) {
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

    fn with(&mut self) -> String {
        let (name, types) = (self.fresh("w"), self.types());
        let select = self.select(&types, 1);
        let scope: Vec<(String, Ty)> =
            types.iter().enumerate().map(|(at, ty)| (format!("{name}.c{at}"), *ty)).collect();
        let wanted = self.types();
        let columns = self.named(&wanted, |generator, ty| generator.value(&scope, ty, 1));
        let again = self.fresh("v");
        let tail = match self.below(3) {
            0 => format!(" JOIN {name} {again} ON {again}.c0 = {name}.c0"),
            1 => format!(" LEFT JOIN pub.emp {again} ON {}", self.on_emp(&scope, &again)),
            _ => String::new(),
        };
        format!("WITH {name} AS ({select}) SELECT {columns} FROM {name}{tail}{}", self.filter(&scope))
    }

    fn on_emp(&mut self, scope: &[(String, Ty)], t: &str) -> String {
        match self.column(scope, Ty::Text) {
            Some(column) => format!("{t}.ssn = {column}"),
            None => format!("{t}.id = {}", self.integer(scope, 0)),
        }
    }

    fn statement(&mut self) -> String {
        match self.below(12) {
            0 => self.windowed(),
            1 => self.nested(),
            2 => self.cut(),
            3 => self.with(),
            _ => {
                let types = self.types();
                self.select(&types, 2)
            }
        }
    }
}

fn employee(t: &str) -> Vec<(String, Ty)> {
    let ints = ["id", "mgr", "salary"].map(|column| (format!("{t}.{column}"), Ty::Int));
    let texts =
        ["name", "region", "dept", "ssn", "ssn", "email", "email", "info['phone']", "info['city']", "tags[1]", "doc"]
            .map(|column| (format!("{t}.{column}"), Ty::Text));
    ints.into_iter().chain(texts).collect()
}
