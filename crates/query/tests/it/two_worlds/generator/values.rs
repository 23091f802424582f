//! Values, conditions and the subqueries in them, over the columns in scope.

use rand::Rng;

use super::{Generator, Ty, employee};

impl Generator {
    fn number(&mut self) -> String {
        match self.below(4) {
            0 => {
                // What is hidden, what masks show and what they stand for, among others.
                let telling =
                    ["50501", "400", "100", "0", "1", "10003", "-7", "77777", "500", "65001", "66002", "90001", "1991"];
                self.one_of(&telling).to_owned()
            }
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
            "token-1",
            "NL65-A1.0001",
            "xxnn-xn.0001",
            "EU01-B066",
            "EU01-xnnn",
            "1991-01-01",
            "%",
            "_",
            "",
        ];
        format!("'{}'", self.one_of(&texts))
    }

    pub(super) fn column(&mut self, scope: &[(String, Ty)], ty: Ty) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, has)| *has == ty).map(|(name, _)| name).collect();
        (!fitting.is_empty()).then(|| fitting[self.below(fitting.len())].clone())
    }

    pub(super) fn value(&mut self, scope: &[(String, Ty)], ty: Ty, depth: u32) -> String {
        match ty {
            Ty::Int => self.integer(scope, depth),
            Ty::Text => self.text(scope, depth),
        }
    }

    pub(super) fn integer(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
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

    pub(super) fn text(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
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

    pub(super) fn truth(&mut self, scope: &[(String, Ty)], depth: u32) -> String {
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

    pub(super) fn comparison(&mut self, scope: &[(String, Ty)]) -> String {
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
            let own = self.one_of(&["mgr", "id", "salary", "bonus", "badge"]);
            self.column(scope, Ty::Int).map(|outer| format!("{s}.{own} = {outer}"))
        } else if self.chance(60) {
            let own = self.one_of(&["ssn", "dept", "email", "token", "code"]);
            self.column(scope, Ty::Text).map(|outer| format!("{s}.{own} = {outer}"))
        } else {
            None
        };
        tied.map(|tied| tied + " AND ").unwrap_or_default()
    }
}
