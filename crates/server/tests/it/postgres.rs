//! The server over PostgreSQL: two nodes on one database, budgets, and a connection that dies during COMMIT.

#[path = "../../../store/tests/it/proxy.rs"]
mod proxy;

use polder_server::{config::Database, serve::RunningServer};
use polder_testkit::{Answer, Client, OPEN, TestServer, World, postgres};
use polder_types::Secret;
use proxy::{Break, Proxy};
use serde_json::{Value, json};

const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";

async fn world() -> World {
    let url = Secret::new(postgres::fresh_database());
    World::make_on(TestServer::start_with(|config| config.database = Database::Postgres(url)).await).await
}

fn base(node: &RunningServer) -> String {
    format!("http://{}", node.address())
}

async fn set_property(client: &Client, value: &str) -> Answer {
    let body = json!({
        "identifier": {"namespace": ["pub"], "name": OPEN},
        "requirements": [],
        "updates": [{"action": "set-properties", "updates": {"k": value}}],
    });
    client.post(&format!("{TABLES}/{OPEN}"), &body).await
}

async fn property(client: &Client) -> Option<String> {
    let loaded = client.get(&format!("{TABLES}/{OPEN}")).await.expect(200).json();
    loaded["metadata"]["properties"]["k"].as_str().map(str::to_owned)
}

/// A grant, a key and a token that one node revoked are gone for the next request on the other, which had used them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_holds_on_the_other_node() {
    let world = world().await;
    let node = world.server.start_node(|_| {}).await;
    let (far, path) = (base(&node), format!("{TABLES}/{OPEN}"));
    let analyst = world.analyst.at(&far);
    drop(analyst.get(&path).await.expect(200));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", world.analyst_key.id.as_str()),
        ("client_secret", world.analyst_key.secret.as_str()),
    ];
    let token = world.server.anonymous().form("/iceberg/v1/oauth/tokens", &form).await.expect(200).json();
    let by_token =
        Client::anonymous(&far).with_authorization(&format!("Bearer {}", token["access_token"].as_str().unwrap()));
    drop(by_token.get(&path).await.expect(200));

    let grants = world.admin.get("/api/v1/admin/grants?page_size=1000").await.expect(200).json();
    let ids: Vec<&Value> = grants["grants"].as_array().unwrap().iter().filter(|row| row["role"] == "analyst").collect();
    assert!(!ids.is_empty());
    for row in ids {
        let id = row["id"].as_str().unwrap();
        drop(world.admin.delete(&format!("/api/v1/admin/grants/{id}")).await);
    }
    drop(analyst.get(&path).await.expect(404));
    drop(by_token.get(&path).await.expect(404));

    drop(world.admin.delete(&format!("/api/v1/admin/keys/{}", world.analyst_key.id)).await);
    drop(analyst.get(&path).await.expect(401));
    drop(by_token.get(&path).await.expect(401));
    node.shutdown().await;
}

/// F12: over PostgreSQL a load is one statement, whoever else writes; a page is that and one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statements_are_counted() {
    let world = world().await;
    let path = format!("{TABLES}/{OPEN}");
    drop(world.engineer.get(&path).await.expect(200));
    drop(set_property(&world.engineer, "0").await.expect(200));
    drop(world.engineer.get(&path).await.expect(200));
    // Counted events are written in the background: the fewest of three is what the request itself costs.
    let (mut load, mut page, mut commit) = (u64::MAX, u64::MAX, u64::MAX);
    for round in 0..3 {
        let before = world.server.statements();
        drop(world.engineer.get(&path).await.expect(200));
        load = load.min(world.server.statements() - before);
        let before = world.server.statements();
        drop(world.engineer.get(TABLES).await.expect(200));
        page = page.min(world.server.statements() - before);
        let before = world.server.statements();
        drop(set_property(&world.engineer, &format!("round {round}")).await.expect(200));
        commit = commit.min(world.server.statements() - before);
    }
    assert_eq!(load, 1, "a load");
    assert_eq!(page, 2, "a page");
    assert_eq!(commit, 6, "a commit: two reads, and a transaction of four");
}

/// What one node commits, the other sees at once, and both may commit by turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_commit_by_turns() {
    let world = world().await;
    let node = world.server.start_node(|_| {}).await;
    let (near, far) = (world.engineer.clone(), world.engineer.at(&base(&node)));
    for turn in 0..6 {
        let (writer, reader) = if turn % 2 == 0 { (&near, &far) } else { (&far, &near) };
        drop(set_property(writer, &turn.to_string()).await.expect(200));
        assert_eq!(property(reader).await, Some(turn.to_string()));
    }
    node.shutdown().await;
}

/// A node that reaches the database through a proxy, and has committed once.
async fn behind_a_proxy(world: &World) -> (Proxy, RunningServer) {
    let proxy = Proxy::new(&polder_store::Database::Postgres(world.server.database_url())).await;
    let polder_store::Database::Postgres(through) = proxy.database.clone() else { panic!("not PostgreSQL") };
    let node = world.server.start_node(|config| config.database = Database::Postgres(through)).await;
    drop(set_property(&world.engineer.at(&base(&node)), "0").await.expect(200));
    (proxy, node)
}

/// F18: the answer to COMMIT is swallowed and the server is 2 s late: 200, or 500 `CommitStateUnknownException`, never a
/// 4xx; the metadata file stays, and is what the table shows once the COMMIT has landed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_to_commit_is_no_refusal() {
    let world = world().await;
    let (proxy, node) = behind_a_proxy(&world).await;
    let far = world.engineer.at(&base(&node));
    for (what, value) in [(Break::SwallowedAnswer, "swallowed"), (Break::LateCommit, "late")] {
        proxy.at_next_commit(what);
        let answer = set_property(&far, value).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(property(&world.engineer).await.as_deref(), Some(value));
        assert!(!proxy.is_waiting() && proxy.commits() > 0, "the proxy did break");
    }

    proxy.at_next_commit(Break::BeforeCommit);
    let died = set_property(&far, "died").await;
    assert_eq!(died.status, 503, "{}", died.text());
    assert!(died.header("retry-after").is_some());
    assert_eq!(property(&world.engineer).await.as_deref(), Some("late"));
    node.shutdown().await;

    // Another node: this one has asked already, and may still have the connection that it asked through.
    let (proxy, node) = behind_a_proxy(&world).await;
    let far = world.engineer.at(&base(&node));
    proxy.at_next_commit(Break::Gone);
    let unknown = set_property(&far, "unknown").await;
    assert_eq!((unknown.status, unknown.error("type").as_str()), (500, "CommitStateUnknownException"));
    assert_eq!(property(&world.engineer).await.as_deref(), Some("unknown"), "it landed, and its file is there");
    proxy.come_back();
    node.shutdown().await;
}
