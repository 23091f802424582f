//! Sends every case as the attacker to the three worlds and collects what is wrong. Judges nothing itself.

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    corpus::{self, Case, Expect, Mutations},
    fixture::{Fixture, Tenant, fixture},
    http::{Answer, Request, send},
    judge::{self, ROWS_MAX},
    mutate::TEXTUAL,
    rows::{binary_leaks, leaks},
};

/// Cases at a time; the machine has other tests to run.
const CASES_AT_A_TIME: usize = 3;
/// What a statement that wants too much gets.
const BOUNDED_MS: u64 = 1500;
/// Tries of a request that meets the tenant's own limit of queries at a time.
const TRIES_MAX: usize = 200;
/// Names that exist where the attacker must not know; their last letter is changed to get one that does not.
const BLOCKED: [&str; 6] = ["salaries", "umbra", "vault", "v_def", "tpch", "empp"];

/// The seed of this run, printed once a test.
pub(super) fn seed() -> u64 {
    let given = std::env::var("POLDER_ATTACKS_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    })
}

fn mutations() -> Mutations {
    if std::env::var_os("POLDER_ATTACKS_ALL").is_some() { Mutations::All } else { Mutations::Sampled(seed()) }
}

/// Runs a file of the corpus and fails with everything that is wrong.
pub(super) async fn run_corpus(name: &str, toml: &str) {
    let mutations = mutations();
    let cases = corpus::cases(toml, mutations);
    println!("attacks {name}: {} statements, mutations {mutations:?}", cases.len());
    run(name, cases).await;
}

/// Asks for the plans of a file of the corpus instead of its answers.
pub(super) async fn run_explained(name: &str, toml: &str) {
    run(name, corpus::explained(toml)).await;
}

/// Runs cases and fails with everything that is wrong.
pub(super) async fn run(name: &str, cases: Vec<Case>) {
    let fixture = fixture().await;
    let only = std::env::var("POLDER_ATTACKS_ONLY").unwrap_or_default();
    let chosen: Vec<Case> = cases.into_iter().filter(|case| case.id.starts_with(&only)).collect();
    // One form in all its dresses.
    let forms = chosen.chunk_by(|one, other| one.id == other.id);
    let failures: Vec<String> =
        stream::iter(forms).map(|form| judged_form(fixture, form)).buffer_unordered(CASES_AT_A_TIME).concat().await;
    finish(fixture, name, failures).await;
}

/// Judges a form: the plain statement and the dressed ones in all worlds. Where every dress is worn, one that changes the text
/// alone is only asked of the attacked world, and must be answered like the plain statement: the same said in a third of
/// the time.
async fn judged_form(fixture: &Fixture, form: &[Case]) -> Vec<String> {
    let mut failures = Vec::new();
    let all = matches!(mutations(), Mutations::All);
    let plain = match form.iter().find(|case| case.dress.is_none()).filter(|_| all) {
        Some(case) if case.expect != Expect::Bounded => query(fixture, &fixture.real, case, &case.sql).await.ok(),
        _ => None,
    };
    for case in form {
        let textual = case.dress.is_some_and(|dress| TEXTUAL.contains(&dress));
        failures.extend(match &plain {
            Some(plain) if textual => described(case, like_plain(fixture, case, plain).await),
            _ => judged(fixture, case).await,
        });
    }
    failures
}

async fn like_plain(fixture: &Fixture, case: &Case, plain: &Answer) -> Result<Vec<String>, String> {
    let dressed = query(fixture, &fixture.real, case, &case.sql).await?;
    let mut found = judge::complaints(&dressed, &case.sql);
    found.extend(judge::unexpected(case.expect, &dressed));
    found.extend(judge::differs_from_plain(&dressed, plain));
    Ok(found)
}

/// Fails if something went wrong, the server is gone or its log knows too much.
pub(super) async fn finish(fixture: &Fixture, name: &str, mut failures: Vec<String>) {
    if !fixture.server.is_alive().await {
        failures.push("the server is not alive any more".to_owned());
    }
    let asked = ["666-66-6666", "50501"].join(" ");
    failures.extend(
        super::rows::leaks(fixture.server.log().as_bytes(), &asked).iter().map(|m| format!("the log holds `{m}`")),
    );
    failures.sort();
    if failures.iter().any(|failure| failure.contains("failed inside")) {
        failures.extend(fixture.server.log().lines().filter(|line| line.contains("ERROR")).take(5).map(str::to_owned));
    }
    assert!(failures.is_empty(), "attacks {name}: {} failures\n{}", failures.len(), failures.join("\n"));
}

async fn judged(fixture: &Fixture, case: &Case) -> Vec<String> {
    described(case, complaints(fixture, case).await)
}

fn described(case: &Case, complaints: Result<Vec<String>, String>) -> Vec<String> {
    let complaints = complaints.unwrap_or_else(|error| vec![error]);
    let shown: String = case.sql.chars().take(300).collect();
    let dress = case.dress.map(|dress| format!(" as {dress:?}")).unwrap_or_default();
    complaints.into_iter().map(|what| format!("[{}{dress}] {shown:?}\n    {what}", case.id)).collect()
}

async fn complaints(fixture: &Fixture, case: &Case) -> Result<Vec<String>, String> {
    let real = query(fixture, &fixture.real, case, &case.sql).await?;
    let mut found = judge::complaints(&real, &case.sql);
    found.extend(judge::unexpected(case.expect, &real));
    if case.expect == Expect::Bounded {
        return Ok(found);
    }
    let shadow = query(fixture, &fixture.shadow, case, &case.sql).await?;
    found.extend(judge::differs_from_shadow(&real, &shadow));
    if case.expect != Expect::Plan {
        let mirror = query(fixture, &fixture.mirror, case, &case.sql).await?;
        found.extend(judge::differs_from_mirror(&real, &mirror));
    }
    if case.dress.is_none() && case.path == corpus::QUERY {
        found.extend(arrow(fixture, case, &real).await?);
    }
    if let Some((sql, names)) = elsewhere(&case.sql).filter(|_| real.status >= 400) {
        let absent = query(fixture, &fixture.real, case, &sql).await?;
        found.extend(judge::differs_from_absent(&real, &absent, &names));
    }
    Ok(found)
}

/// The statement with every blocked name replaced by one that is nowhere, of the same length; none if it holds none.
fn elsewhere(sql: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut changed = sql.to_owned();
    let mut names = Vec::new();
    for name in BLOCKED {
        let nowhere = format!("{}q", &name[..name.len() - 1]);
        let lower = changed.to_ascii_lowercase();
        for (at, _) in lower.match_indices(name) {
            let last = at + name.len() - 1..at + name.len();
            let upper = changed[last.clone()].chars().all(|c| c.is_ascii_uppercase());
            changed.replace_range(last, if upper { "Q" } else { "q" });
        }
        names.push((name.to_owned(), nowhere));
    }
    (changed != sql).then_some((changed, names))
}

/// The statement with the snapshot's id in its place, in whatever letters a dress has written that.
fn with_snapshot(sql: &str, id: &str) -> String {
    const PLACE: &str = "{old_snapshot}";
    let mut written = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.to_ascii_lowercase().find(PLACE) {
        written.push_str(&rest[..at]);
        written.push_str(id);
        rest = &rest[at + PLACE.len()..];
    }
    written + rest
}

async fn query(fixture: &Fixture, tenant: &Tenant, case: &Case, sql: &str) -> Result<Answer, String> {
    let old = tenant.old_snapshot.to_string();
    let mut body = json!({"sql": with_snapshot(sql, &old), "max_rows": ROWS_MAX});
    if case.expect == Expect::Bounded {
        body["timeout_ms"] = json!(BOUNDED_MS);
    }
    let mut answer = ask(fixture, tenant, case.path, &body).await?;
    // Snapshots have other ids in other worlds.
    let unnamed = String::from_utf8_lossy(&answer.body).replace(&old, "{old_snapshot}");
    answer.body = unnamed.into_bytes();
    Ok(answer)
}

/// Asks for the same answer as an Arrow stream: as many rows, and no byte in any buffer that must not be there (R39).
async fn arrow(fixture: &Fixture, case: &Case, json: &Answer) -> Result<Vec<String>, String> {
    let old = fixture.real.old_snapshot.to_string();
    let body = json!({"sql": with_snapshot(&case.sql, &old), "max_rows": ROWS_MAX});
    let mut request = Request::new("POST", case.path, &fixture.real.probe, Some(&body));
    request.headers.push(("accept".to_owned(), "application/vnd.apache.arrow.stream".to_owned()));
    let answer = retried(fixture, &request).await?;
    let mut found: Vec<String> =
        leaks(&answer.raw, &case.sql).iter().map(|mark| format!("Arrow leaks `{mark}`")).collect();
    found.extend(binary_leaks(&answer.body, &case.sql).iter().map(|number| format!("Arrow leaks the number {number}")));
    if json.json().pointer("/error/code").is_some_and(|code| code == "unrepresentable_value") {
        // Numbers have every time; texts do not.
        return Ok(found);
    }
    if answer.status != json.status {
        found.push(format!("JSON answers {}, Arrow {}", json.brief(), answer.brief()));
    } else if answer.status == 200 {
        let rows = json.json().pointer("/metadata/row_count").map(ToString::to_string);
        if answer.header("polder-row-count").map(str::to_owned) != rows {
            found.push(format!("JSON has {rows:?} rows, Arrow {:?}", answer.header("polder-row-count")));
        }
    }
    Ok(found)
}

/// Asks as the attacker, again where the tenant has too many queries running.
async fn ask(fixture: &Fixture, tenant: &Tenant, path: &str, body: &Value) -> Result<Answer, String> {
    retried(fixture, &Request::new("POST", path, &tenant.probe, Some(body))).await
}

async fn retried(fixture: &Fixture, request: &Request) -> Result<Answer, String> {
    for _ in 0..TRIES_MAX {
        let answer = send(fixture.server.address, request).await?;
        if answer.status != 429 {
            return Ok(answer);
        }
        tokio::task::yield_now().await;
    }
    Err("too many queries, all the time".to_owned())
}
