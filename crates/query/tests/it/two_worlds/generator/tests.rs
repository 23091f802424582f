use super::Generator;

/// Where one of these words stands first, not counting what is in brackets that open behind the beginning of the text;
/// brackets that close lead further out.
fn outside<'a>(text: &str, words: &[&'a str]) -> Option<(usize, &'a str)> {
    let (mut depth, mut least) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                least = depth.min(least);
            }
            _ if depth == least => {
                if let Some(word) = words.iter().find(|word| text[at..].starts_with(**word)) {
                    return Some((at, *word));
                }
            }
            _ => {}
        }
    }
    None
}

/// The text up to the bracket that closes what is around it.
fn inside(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// What is read under the windows of a statement, and what stands behind their query.
fn under_windows(sql: &str) -> Vec<(&str, &str)> {
    let windows = sql.match_indices(" OVER (");
    let read = windows.filter_map(|(window, _)| {
        let behind = &sql[window..];
        // The window of a QUALIFY stands behind its FROM.
        let (at, word) = outside(behind, &[" FROM ", "SELECT "])?;
        let rest = (word == " FROM ").then(|| &behind[at + word.len()..])?;
        let query = inside(rest);
        let end = outside(query, &[" WHERE ", " QUALIFY "]).map_or(query.len(), |(at, _)| at);
        Some((&query[..end], &rest[query.len()..]))
    });
    read.collect()
}

/// Every kind of statement that the module promises is made, and not once in a blue moon.
#[test]
fn every_production_is_reached() {
    let statements: Vec<String> = Generator::new(1).take(2_000).collect();
    let count = |what: &dyn Fn(&str) -> bool| statements.iter().filter(|sql| what(sql)).count();
    let windows = |what: &dyn Fn(&str, &str) -> bool| {
        count(&|sql| under_windows(sql).into_iter().any(|(read, behind)| what(read, behind)))
    };
    let operators = [") UNION", ") EXCEPT", ") INTERSECT"];
    let counts = [
        ("a window over a join", windows(&|read, _| outside(read, &[" JOIN "]).is_some())),
        ("a window over a query in brackets", windows(&|read, _| read.starts_with('(') && read.contains(") d"))),
        ("a window over a WITH query", windows(&|read, _| read.starts_with('w'))),
        ("a window in a set operation", windows(&|_, behind| operators.iter().any(|op| behind.starts_with(op)))),
        (
            "a WITH query that reads one before it",
            count(&|sql| {
                let mut later = sql.match_indices(", w").filter_map(|(at, _)| sql[at + 2..].split_once(" AS ("));
                let reads = |query: &str| query.contains(" FROM w") || query.contains(" JOIN w");
                later.any(|(name, query)| !name.contains(' ') && reads(inside(query)))
            }),
        ),
        ("WITH in brackets", count(&|sql| sql.contains("(WITH "))),
        ("a recursive WITH query", count(&|sql| sql.contains("WITH RECURSIVE "))),
    ];
    for (what, made) in counts {
        assert!(made >= 10, "{what}: {made} of {}", statements.len());
    }
    for column in [".bonus", ".grade", ".badge", ".token", ".account", ".code", ".born"] {
        assert!(count(&|sql| sql.contains(column)) >= 100, "{column}");
    }
}

/// One seed gives one series, another one another.
#[test]
fn a_seed_gives_one_series() {
    let series = |seed| Generator::new(seed).take(50).collect::<Vec<_>>();
    assert_eq!(series(7), series(7));
    assert_ne!(series(7), series(8));
}
