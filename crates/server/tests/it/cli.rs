//! The program as a client: where a statement comes from, in which form its answer goes out, and the exit codes.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use polder_testkit::World;

/// Runs `polder query` as the analyst, with something on its stdin.
async fn run(world: &World, args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
    let credential = format!("{}:{}", world.analyst_key.id, world.analyst_key.secret);
    command
        .args(args)
        .env("POLDER_URL", world.server.base_url())
        .env("POLDER_CREDENTIAL", credential)
        .current_dir(world.server.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let work = move || {
        let mut child = command.spawn().unwrap();
        // A program that does not read its stdin may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SQL: &str = "SELECT 1 AS n, 'a,b' AS t, NULL AS x, '' AS e, '=1+1' AS f";

/// The four forms of an answer; data on stdout, messages on stderr.
#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_four_forms() {
    let world = World::make().await;
    let table = run(&world, &["query", SQL], "").await;
    assert!(table.status.success() && text(&table.stdout).contains("| n | t   |"), "{}", text(&table.stdout));
    assert_eq!(text(&table.stderr), "1 rows; no policy applied\n");
    let csv = run(&world, &["query", SQL, "--format", "csv"], "").await;
    assert_eq!(text(&csv.stdout), "n,t,x,e,f\r\n1,\"a,b\",,\"\",=1+1\r\n");
    let safe = run(&world, &["query", SQL, "--format", "csv", "--spreadsheet"], "").await;
    assert_eq!(text(&safe.stdout), "n,t,x,e,f\r\n1,\"a,b\",,\"\",\"'=1+1\"\r\n");
    for args in [&["query", SQL, "--format", "json"][..], &["query", SQL, "--json"]] {
        let json = run(&world, args, "").await;
        let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(answer["rows"], serde_json::json!([[1, "a,b", null, "", "=1+1"]]));
        assert!(answer["metadata"]["query_id"].is_string());
    }
    let arrow = run(&world, &["query", SQL, "--format", "arrow"], "").await;
    let batches: Vec<_> =
        arrow::ipc::reader::StreamReader::try_new(arrow.stdout.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!((batches.len(), batches[0].num_rows(), batches[0].num_columns()), (1, 1, 5));
    assert_eq!(text(&arrow.stderr), "1 rows\n");
    let file = run(&world, &["query", SQL, "--format", "arrow", "--output", "a.arrows"], "").await;
    assert!(file.status.success() && file.stdout.is_empty());
    assert_eq!(std::fs::read(world.server.directory().join("a.arrows")).unwrap().len(), arrow.stdout.len());
}

/// The statement comes from an argument, a file or a pipe.
#[tokio::test(flavor = "multi_thread")]
async fn statements_come_from_three_places() {
    let world = World::make().await;
    std::fs::write(world.server.directory().join("q.sql"), "SELECT 7 AS n").unwrap();
    for (args, stdin) in [
        (&["query", "SELECT 7 AS n", "--format", "csv"][..], ""),
        (&["query", "--file", "q.sql", "--format", "csv"], ""),
        (&["query", "--format", "csv"], "SELECT 7 AS n"),
        (&["query", "-", "--format", "csv"], "SELECT 7\nAS n\n"),
    ] {
        let output = run(&world, args, stdin).await;
        assert_eq!(text(&output.stdout), "n\r\n7\r\n", "{args:?}: {}", text(&output.stderr));
    }
}

/// The exit codes of architecture §3: 1 failure, 2 usage, 3 denied, 4 not found, 6 unavailable; nothing on stdout.
#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_exit_codes() {
    let world = World::make().await;
    for (args, code) in [
        (&["query", "SELEC 1"][..], 1),
        (&["query", "SELECT 1/0", "--format", "arrow"], 1),
        (&["query", SQL, "--format", "csv", "--output", "no/such/directory"], 1),
        (&["query", SQL, "--format", "xml"], 2),
        (&["query", SQL, "--json", "--format", "csv"], 2),
        (&["query", SQL, "--spreadsheet"], 2),
        (&["query", SQL, "--file", "q.sql"], 2),
        (&["query", "--file", "absent.sql"], 2),
        (&["query", SQL, "--credential-file", "absent"], 2),
        (&["query", "SELECT * FROM hr.salaries"], 4),
        (&["query", "SELECT * FROM hr.salaries", "--format", "arrow"], 4),
        (&["query", SQL, "--url", "http://127.0.0.1:1"], 6),
    ] {
        let output = run(&world, args, "").await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{args:?}: {}", text(&output.stdout));
    }
    let mut stranger = Command::new(env!("CARGO_BIN_EXE_polder"));
    stranger.args(["query", SQL]).env("POLDER_URL", world.server.base_url()).env("POLDER_CREDENTIAL", "pk_x:y");
    let denied = tokio::task::spawn_blocking(move || stranger.output().unwrap()).await.unwrap();
    assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
}
