//! Token exchange by impersonation at `/iceberg/v1/oauth/tokens`: who may act for whom, what such a session may do, when it
//! ends, and what is on record of it. An engine (`trino`) acts for its users.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use polder_testkit::{Answer, Client, Credential, World};
use serde_json::{Value, json};

const TOKENS: &str = "/iceberg/v1/oauth/tokens";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const TABLES: &str = "/iceberg/v1/lake/namespaces/pub/tables";
const OPEN: &str = "/iceberg/v1/lake/namespaces/pub/tables/cities";
const RESTRICTED: &str = "/iceberg/v1/lake/namespaces/pub/tables/people";
const ADMIN: &str = "/api/v1/admin";

/// A token that nobody signed, as Trino writes it.
fn unsigned(user: &str) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let payload = json!({"sub": user, "iss": "476", "iat": 1_795_852_800, "user": user, "source": "trino-cli",
        "trinoCatalog": "polder", "trinoVersion": "476"});
    format!("{}.{}.", encode(json!({"alg": "none"})), encode(payload))
}

fn token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// The world, and an engine with broad rights in `lake` that may act for the holders of `analyst`.
struct Rig {
    world: World,
    trino: Credential,
}

impl Rig {
    async fn make() -> Self {
        let world = World::make().await;
        let (_, trino) = world.person("trino", "catalog admin:access").await;
        let all = ["list", "read", "write", "create", "drop", "read_unrestricted"];
        world.grant("trino", &all, &json!({"warehouse": "lake"})).await;
        let rig = Self { world, trino };
        rig.allow("analyst").await;
        rig
    }

    async fn allow(&self, role: &str) {
        let path = format!("{ADMIN}/roles/trino/impersonates/{role}");
        drop(self.world.admin.put(&path, &json!({})).await.expect(200));
    }

    fn anonymous(&self) -> Client {
        self.world.server.anonymous()
    }

    /// The engine's own token.
    async fn actor(&self) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", self.trino.id.as_str()),
            ("client_secret", self.trino.secret.as_str()),
            ("scope", "catalog"),
        ];
        token(&self.anonymous().form(TOKENS, &fields).await.expect(200))
    }

    async fn ask(&self, subject: &str, actor: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", JWT),
            ("actor_token", actor),
            ("actor_token_type", ACCESS_TOKEN),
        ];
        fields.extend(more);
        self.anonymous().form(TOKENS, &fields).await
    }

    /// A session of a user.
    async fn session(&self, user: &str) -> (Client, String) {
        let minted = token(&self.ask(&unsigned(user), &self.actor().await, &[]).await.expect(200));
        (self.bearer(&minted), minted)
    }

    fn bearer(&self, token: &str) -> Client {
        self.anonymous().with_authorization(&format!("Bearer {token}"))
    }

    async fn renew(&self, door: &Client, token: &str) -> Answer {
        let fields = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
        door.form(TOKENS, &fields).await
    }
}

/// R38: the request of Trino's `session=USER`, to the letter: `Authorization` of the engine, an empty-signature JWT, the scope.
#[tokio::test]
async fn trino_asks_for_a_session_of_its_user() {
    let rig = Rig::make().await;
    let actor = rig.actor().await;
    let subject = unsigned("analyst");
    let fields = [
        ("grant_type", EXCHANGE),
        ("scope", "catalog"),
        ("subject_token", subject.as_str()),
        ("subject_token_type", JWT),
        ("actor_token", actor.as_str()),
        ("actor_token_type", ACCESS_TOKEN),
    ];
    let answer = rig.bearer(&actor).form(TOKENS, &fields).await.expect(200);
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&json!("bearer"), &json!(ACCESS_TOKEN)));
    assert_eq!(body["scope"], "catalog");
    assert!((3_500..=3_600).contains(&body["expires_in"].as_i64().unwrap()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let minted = token(&answer);
    let claims = URL_SAFE_NO_PAD.decode(minted.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert!(claims["act"]["sub"].is_string() && claims["act"]["sub"] != claims["sub"], "RFC 8693 §4.1: {claims}");
    let session = rig.bearer(&minted);
    drop(session.get("/iceberg/v1/config?warehouse=lake").await.expect(200));
    drop(session.get(OPEN).await.expect(200));
}

/// R38, R22: whoever may not be acted for is refused as whoever does not exist, of this tenant or another.
#[tokio::test]
async fn who_may_not_be_acted_for_does_not_exist() {
    let rig = Rig::make().await;
    let actor = rig.actor().await;
    drop(rig.world.stranger.post(&format!("{ADMIN}/principals"), &json!({"name": "ann"})).await.expect(201));
    let absent = rig.ask(&unsigned("no-such-user"), &actor, &[]).await.expect(400);
    assert_eq!(absent.json()["error"], "invalid_grant");
    let signed = actor.clone();
    for subject in ["engineer", "nobody", "admin", "trino", "ann", "umbra/admin", "ANALYST", "analyst ", "root"] {
        let refused = rig.ask(&unsigned(subject), &actor, &[]).await;
        assert_eq!((refused.status, refused.text()), (400, absent.text()), "{subject}");
    }
    for subject in [signed.as_str(), "x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmFseXN0In0.c2ln", "e30.e30."] {
        let refused = rig.ask(subject, &actor, &[]).await;
        assert_eq!((refused.status, refused.text()), (400, absent.text()), "{subject}");
    }
    // Without the right, the very user for whom another may act.
    let (_, other) = rig.world.person("other", "catalog").await;
    let other = Rig { world: rig.world, trino: other };
    let refused = other.ask(&unsigned("analyst"), &other.actor().await, &[]).await;
    assert_eq!((refused.status, refused.text()), (400, absent.text()));
    let records = other.world.audit().await;
    let denied = |reason: &str, object: &str| {
        let found = records.iter().find(|record| record["reason"] == reason && record["object"] == object);
        found.unwrap_or_else(|| panic!("no record of {reason} {object}"))["principal"].clone()
    };
    assert_eq!(denied("impersonation_refused", "engineer"), "trino");
    assert_eq!(denied("impersonation_refused", "analyst"), "other");
    assert_eq!(denied("unknown_subject", "unknown"), "trino");
    assert!(!json!(records).to_string().contains("no-such-user"), "a text of the caller's is on record");
}

/// R38: an unsigned token by itself, or beside anything but a live token of ours, is nothing.
#[tokio::test]
async fn an_actor_is_a_live_token_of_ours() {
    let rig = Rig::make().await;
    let (analyst, subject) = (&rig.world.analyst_key, unsigned("analyst"));
    let (_, session) = rig.session("analyst").await;
    rig.world.grant("analyst", &["create"], &json!({"warehouse": "lake"})).await;
    drop(rig.world.admin.put(&format!("{ADMIN}/roles/analyst/impersonates/engineer"), &json!({})).await.expect(200));
    for actor in ["x", subject.as_str(), session.as_str(), rig.trino.secret.as_str()] {
        let refused = rig.ask(&subject, actor, &[]).await.expect(400);
        assert_eq!(refused.json()["error"], "invalid_grant", "{actor}");
    }
    // Not even for whom the acted-for may act.
    drop(rig.ask(&unsigned("engineer"), &session, &[]).await.expect(400));
    let actor = rig.actor().await;
    let beside = [("client_id", analyst.id.as_str()), ("client_secret", analyst.secret.as_str())];
    drop(rig.ask(&subject, &actor, &beside).await.expect(400));
    let own = [("client_id", rig.trino.id.as_str()), ("client_secret", rig.trino.secret.as_str())];
    drop(rig.ask(&subject, &actor, &own).await.expect(200));
    let bare = [("grant_type", EXCHANGE), ("subject_token", &subject), ("subject_token_type", JWT)];
    drop(rig.anonymous().form(TOKENS, &bare).await.expect(400));
    drop(rig.bearer(&subject).get(OPEN).await.expect(401));
    drop(rig.world.admin.delete(&format!("{ADMIN}/keys/{}", rig.trino.id)).await.expect(204));
    drop(rig.ask(&subject, &actor, &[]).await.expect(401));
}

/// R38, S-030: scopes are the actor's at most, and none of them administers.
#[tokio::test]
async fn scopes_are_the_actors_at_most() {
    let rig = Rig::make().await;
    let fields = [("grant_type", "client_credentials"), ("client_secret", rig.trino.secret.as_str())];
    let all = token(&rig.anonymous().form(TOKENS, &fields).await.expect(200));
    let minted = rig.ask(&unsigned("analyst"), &all, &[]).await.expect(200);
    assert_eq!(minted.json()["scope"], "catalog", "the key holds `admin:access` too");
    let refused = rig.ask(&unsigned("analyst"), &all, &[("scope", "admin:access")]).await.expect(400);
    assert_eq!(refused.json()["error"], "invalid_scope");
    let narrow = rig.ask(&unsigned("analyst"), &all, &[("scope", "query")]).await.expect(200);
    drop(rig.bearer(&token(&narrow)).get(OPEN).await.expect(403));
}

/// R38: an administrator who is acted for administers nothing.
#[tokio::test]
async fn an_administrator_administers_nothing() {
    let rig = Rig::make().await;
    rig.allow("admin").await;
    drop(rig.world.admin.put(&format!("{ADMIN}/roles/admin/principals/trino"), &json!({})).await.expect(200));
    let (session, _) = rig.session("admin").await;
    for noun in ["principals", "keys", "roles", "grants", "policies", "audit", "warehouses", "jobs"] {
        drop(session.get(&format!("{ADMIN}/{noun}")).await.expect(403));
    }
    let release = json!({"warehouse": "lake", "namespace": ["pub"], "table": "cities"});
    drop(session.post(&format!("{ADMIN}/tables/release"), &release).await.expect(403));
    let role = format!("{ADMIN}/roles/analyst/impersonates/engineer");
    drop(session.put(&role, &json!({})).await.expect(403));
    // What both may do with data they may do.
    drop(session.get(OPEN).await.expect(200));
}

/// R38: what the actor may not, the session may not; what the subject may not, neither; lists show what both may know.
#[tokio::test]
async fn both_must_be_allowed() {
    let rig = Rig::make().await;
    let world = &rig.world;
    let (session, _) = rig.session("analyst").await;
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    drop(session.post(OPEN, &commit).await.expect(403));
    drop(session.post("/iceberg/v1/lake/namespaces", &json!({"namespace": ["mine"]})).await.expect(403));
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    world.grant("analyst", &["write"], &namespace).await;
    drop(session.post(OPEN, &commit).await.expect(200));
    world.create_table("pub", "extra").await;
    drop(
        world
            .admin
            .post(
                &format!("{ADMIN}/tables/release"),
                &json!({"warehouse": "lake", "namespace": ["pub"], "table": "extra"}),
            )
            .await
            .expect(200),
    );
    let listed = async |door: &Client| {
        let body = door.get(TABLES).await.expect(200).json();
        let names =
            body["identifiers"].as_array().unwrap().iter().map(|ident| ident["name"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(listed(&session).await, "cities extra people");
    let deny = async |role: &str, table: &str| {
        let on = json!({"warehouse": "lake", "namespace": ["pub"], "table": table});
        let body = json!({"role": role, "privileges": ["list"], "on": on, "effect": "deny"});
        drop(world.admin.post(&format!("{ADMIN}/grants"), &body).await.expect(201));
    };
    deny("trino", "extra").await;
    drop(world.analyst.get(&format!("{TABLES}/extra")).await.expect(200));
    drop(session.get(&format!("{TABLES}/extra")).await.expect(404));
    assert_eq!(listed(&session).await, "cities people");
    deny("analyst", "cities").await;
    drop(session.get(OPEN).await.expect(404));
    assert_eq!(listed(&session).await, "people");
    let sql = json!({"sql": "SELECT * FROM pub.extra"});
    assert!((400..500).contains(&session.post("/api/v1/query", &sql).await.status));
}

/// R38, A-077: who is restricted stays so through an engine that is not, at the doors that refuse and at the one that
/// enforces; where the engine is restricted itself, nothing is read for anybody.
#[tokio::test]
async fn a_restricted_subject_stays_restricted() {
    let rig = Rig::make().await;
    let (session, _) = rig.session("analyst").await;
    drop(rig.bearer(&rig.actor().await).get(RESTRICTED).await.expect(200));
    let told = session.get(RESTRICTED).await.expect(403);
    assert_eq!(told.error("message"), rig.world.analyst.get(RESTRICTED).await.expect(403).error("message"));
    let sql = json!({"sql": "SELECT * FROM pub.people"});
    let body = session.post("/api/v1/query", &sql).await.expect(200).json();
    let columns: Vec<&str> = body["columns"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(columns, ["id", "region"], "the hidden column is not there");
    assert_eq!(body["policies_applied"].as_array().unwrap().len(), 2);
    // One exemption of two is none.
    rig.world.grant("analyst", &["read_unrestricted"], &json!({"warehouse": "lake"})).await;
    drop(session.get(RESTRICTED).await.expect(200));
    let grants = rig.world.admin.get(&format!("{ADMIN}/grants?page_size=1000")).await.expect(200).json();
    let exemption = grants["grants"].as_array().unwrap().iter();
    let exemption = exemption.clone().find(|g| g["role"] == "trino" && g["privilege"] == "read_unrestricted").unwrap();
    let path = format!("{ADMIN}/grants/{}", exemption["id"].as_str().unwrap());
    drop(rig.world.admin.delete(&path).await.expect(204));
    drop(session.get(RESTRICTED).await.expect(403));
    let table = json!({"warehouse": "lake", "namespace": ["pub"], "name": "cities"});
    let policy = json!({"name": "no-engine", "table": table, "applies_to": ["trino"], "hide_column": "phone"});
    drop(rig.world.admin.post(&format!("{ADMIN}/policies"), &policy).await.expect(201));
    drop(rig.world.analyst.get(OPEN).await.expect(200));
    let told = session.get(OPEN).await.expect(403);
    assert_eq!(told.error("message"), "table `pub.cities` has a row filter or column mask for whoever acts for you");
    let sql = json!({"sql": "SELECT * FROM pub.cities"});
    // At this door, nothing that may not be read is told apart from what is not there.
    assert_eq!(session.post("/api/v1/query", &sql).await.expect(404).error("code"), "unknown_table");
}

/// R18, R38: the session ends at the next request after any of what it stands on: the right, the actor's key, the actor,
/// the subject, the role of either.
#[tokio::test]
async fn a_session_ends_with_what_it_stands_on() {
    let rig = Rig::make().await;
    let admin = &rig.world.admin;
    let (session, minted) = rig.session("analyst").await;
    let right = format!("{ADMIN}/roles/trino/impersonates/analyst");
    drop(session.get(OPEN).await.expect(200));
    drop(admin.delete(&right).await.expect(204));
    drop(session.get(OPEN).await.expect(401));
    drop(rig.renew(&rig.anonymous(), &minted).await.expect(401));
    drop(rig.ask(&unsigned("analyst"), &rig.actor().await, &[]).await.expect(400));
    drop(admin.delete(&right).await.expect(404));
    rig.allow("analyst").await;
    drop(session.get(OPEN).await.expect(200));
    for name in ["trino", "analyst"] {
        let path = format!("{ADMIN}/principals/{name}");
        drop(admin.patch(&path, &json!({"enabled": false})).await.expect(200));
        drop(session.get(OPEN).await.expect(401));
        drop(admin.patch(&path, &json!({"enabled": true})).await.expect(200));
        drop(session.get(OPEN).await.expect(200));
        let member = format!("{ADMIN}/roles/{name}/principals/{name}");
        drop(admin.delete(&member).await.expect(204));
        drop(session.get(OPEN).await.expect(401));
        drop(admin.put(&member, &json!({})).await.expect(200));
        drop(session.get(OPEN).await.expect(200));
    }
    drop(admin.delete(&format!("{ADMIN}/keys/{}", rig.trino.id)).await.expect(204));
    drop(session.get(OPEN).await.expect(401));
    drop(rig.renew(&rig.anonymous(), &minted).await.expect(401));
}

/// RFC 8693, R38: a session renews itself as Java does, and stays what it is; another's key renews it not.
#[tokio::test]
async fn renewal_keeps_the_actor() {
    let rig = Rig::make().await;
    let (session, minted) = rig.session("analyst").await;
    for door in [rig.anonymous(), session, rig.anonymous().with_key(&rig.trino)] {
        let renewed = rig.renew(&door, &minted).await.expect(200);
        let claims = URL_SAFE_NO_PAD.decode(token(&renewed).split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert!(claims["act"]["sub"].is_string());
        let again = rig.bearer(&token(&renewed));
        drop(again.get(OPEN).await.expect(200));
        drop(again.get(RESTRICTED).await.expect(403));
    }
    let analyst = rig.anonymous().with_key(&rig.world.analyst_key);
    drop(rig.renew(&analyst, &minted).await.expect(400));
}

/// A-050, R38: each record of a session has both: of the token, of its use, of reads, denials, queries and mutations; and
/// whoever may let act for others is on record for that.
#[tokio::test]
async fn every_record_names_both() {
    let rig = Rig::make().await;
    let (session, _) = rig.session("analyst").await;
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    rig.world.grant("analyst", &["write"], &namespace).await;
    drop(session.get(OPEN).await.expect(200));
    drop(session.get(RESTRICTED).await.expect(403));
    drop(session.post("/api/v1/query", &json!({"sql": "SELECT count(*) FROM pub.cities"})).await.expect(200));
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    drop(session.post(OPEN, &commit).await.expect(200));
    drop(rig.world.analyst.get(OPEN).await.expect(200));
    let records = rig.world.audit().await;
    for (action, decision) in [
        ("get_token", "allow"),
        ("authenticate", "allow"),
        ("load_table", "allow"),
        ("load_table", "deny"),
        ("query", "allow"),
        ("commit_table", "allow"),
    ] {
        let of = |record: &&Value| {
            let same = record["action"] == action && record["decision"] == decision;
            same && record["principal"] == "analyst" && record["actor"] == "trino" && record["actor_id"].is_string()
        };
        assert!(records.iter().any(|record| of(&record)), "no record of {action} {decision} with both");
    }
    // What the analyst did itself is on record apart.
    let own =
        records.iter().find(|r| r["action"] == "load_table" && r["principal"] == "analyst" && r["actor"].is_null());
    assert_eq!(own.expect("a record")["count"], 1);
    let trino = records.iter().find(|record| record["actor"] == "trino").unwrap()["actor_id"].as_str().unwrap();
    let filtered =
        rig.world.admin.get(&format!("{ADMIN}/audit?page_size=1000&actor_id={trino}")).await.expect(200).json();
    let filtered = filtered["records"].as_array().unwrap().clone();
    assert!(!filtered.is_empty() && filtered.iter().all(|record| record["actor"] == "trino"));
    let allowed = records.iter().find(|record| record["action"] == "allow_impersonation").unwrap();
    assert_eq!((&allowed["principal"], &allowed["object"]), (&json!("admin"), &json!("trino")));
    assert_eq!(allowed["detail"]["name"], "analyst");
    let roles = rig.world.admin.get(&format!("{ADMIN}/roles")).await.expect(200).json();
    let role = roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == "trino").unwrap().clone();
    assert_eq!(role["impersonates"], json!(["analyst"]));
}

/// R38, A-050: an exchange that is refused once its actor is known is in the trail of its tenant, with that actor.
#[tokio::test]
async fn refused_exchanges_name_their_actor() {
    let rig = Rig::make().await;
    let (_, session) = rig.session("analyst").await;
    let (subject, actor) = (unsigned("analyst"), rig.actor().await);
    drop(rig.ask(&subject, &session, &[]).await.expect(400));
    let analyst = &rig.world.analyst_key;
    let beside = [("client_id", analyst.id.as_str()), ("client_secret", analyst.secret.as_str())];
    drop(rig.ask(&subject, &actor, &beside).await.expect(400));
    drop(rig.ask(&subject, &actor, &[("scope", "admin:access")]).await.expect(400));
    let records = rig.world.audit().await;
    for (reason, principal, actor) in [
        ("chained_actor", "analyst", json!("trino")),
        ("foreign_actor", "trino", Value::Null),
        ("scope", "analyst", json!("trino")),
    ] {
        let of = |record: &&Value| record["reason"] == reason && record["action"] == "get_token";
        let record = records.iter().find(of).unwrap_or_else(|| panic!("no record of {reason}"));
        assert_eq!((&record["principal"], &record["actor"]), (&json!(principal), &actor), "{reason}");
        assert_eq!((&record["decision"], &record["count"]), (&json!("deny"), &json!(1)), "{reason}");
    }
}

/// R38, A-050: a job that a session has asked for names both.
#[tokio::test]
async fn a_job_names_who_acted() {
    let rig = Rig::make().await;
    rig.world.grant("analyst", &["drop"], &json!({"warehouse": "lake"})).await;
    let (session, _) = rig.session("analyst").await;
    drop(session.delete(&format!("{OPEN}?purgeRequested=true")).await.expect(204));
    let jobs = rig.world.admin.get(&format!("{ADMIN}/jobs")).await.expect(200).json();
    assert_eq!(
        (&jobs["jobs"][0]["asked_by"], &jobs["jobs"][0]["actor"]),
        (&json!("analyst"), &json!("trino")),
        "{jobs}"
    );
}

/// R29, A-061, R38: what was made for a session (an outcome under a key, a page, a plan) is not for its subject, nor the
/// other way round.
#[tokio::test]
async fn nothing_of_a_session_is_its_subjects() {
    let rig = Rig::make().await;
    let (session, _) = rig.session("analyst").await;
    let namespace = json!({"warehouse": "lake", "namespace": ["pub"]});
    rig.world.grant("analyst", &["write"], &namespace).await;
    let key = ("idempotency-key", "0198c2f0-0000-7000-8000-000000000001");
    let commit = json!({"requirements": [], "updates": [{"action": "set-properties", "updates": {"k": "v"}}]});
    let commit = async |door: &Client| {
        let headers = [key, ("content-type", "application/json")];
        door.send(reqwest::Method::POST, OPEN, &headers, Some(commit.to_string().into_bytes())).await
    };
    drop(commit(&session).await.expect(200));
    drop(commit(&session).await.expect(200));
    drop(commit(&rig.world.analyst).await.expect(422));
    let first = session.get(&format!("{TABLES}?pageSize=1")).await.expect(200).json();
    let next = format!("{TABLES}?pageSize=1&pageToken={}", first["next-page-token"].as_str().unwrap());
    drop(rig.world.analyst.get(&next).await.expect(400));
    drop(session.get(&next).await.expect(200));
    let planned = session.post(&format!("{OPEN}/plan"), &json!({})).await.expect(200).json();
    let plan = format!("{OPEN}/plan/{}", planned["plan-id"].as_str().unwrap());
    drop(rig.world.analyst.get(&plan).await.expect(404));
    drop(session.get(&plan).await.expect(200));
}

/// R38: a right goes with either role, and letting act for a role that is not there is no success.
#[tokio::test]
async fn the_right_goes_with_either_role() {
    let rig = Rig::make().await;
    let admin = &rig.world.admin;
    let path = format!("{ADMIN}/roles/trino/impersonates/analyst");
    assert_eq!(admin.put(&path, &json!({})).await.expect(200).json()["changed"], false);
    drop(admin.put(&format!("{ADMIN}/roles/trino/impersonates/nobody-knows"), &json!({})).await.expect(404));
    drop(rig.world.stranger.put(&path, &json!({})).await.expect(404));
    drop(rig.world.nobody.put(&path, &json!({})).await.expect(403));
    rig.allow("nobody").await;
    drop(admin.delete(&format!("{ADMIN}/roles/nobody")).await.expect(204));
    let records = rig.world.audit().await;
    let taken = records.iter().find(|record| record["action"] == "revoke_impersonation").expect("a record");
    assert_eq!((&taken["object"], &taken["detail"]["name"]), (&json!("trino"), &json!("nobody")));
    drop(admin.delete(&format!("{ADMIN}/roles/trino")).await.expect(204));
    drop(rig.ask(&unsigned("analyst"), &rig.actor().await, &[]).await.expect(400));
}

/// R36, R38: whoever owns what a session makes is whom it is for, whatever the request says; a view runs as nobody else.
#[tokio::test]
async fn what_a_session_makes_is_its_subjects() {
    let rig = Rig::make().await;
    rig.world.grant("analyst", &["create"], &json!({"warehouse": "lake"})).await;
    let (session, _) = rig.session("analyst").await;
    drop(session.post("/iceberg/v1/lake/namespaces", &json!({"namespace": ["mine"]})).await.expect(200));
    let schema: Value = serde_json::from_str(polder_testkit::SCHEMA).unwrap();
    let table = json!({"name": "t", "schema": schema, "properties": {"owner": "trino"}});
    let made = session.post("/iceberg/v1/lake/namespaces/mine/tables", &table).await.expect(200).json();
    assert_eq!(made["metadata"]["properties"]["owner"], "analyst");
    let view = |name: &str, owner: &str| {
        json!({"name": name, "schema": schema, "properties": {"trino.run-as-owner": owner}, "view-version": {
            "version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["mine"],
            "representations": [{"type": "sql", "sql": "select 1", "dialect": "trino"}],
        }})
    };
    let views = "/iceberg/v1/lake/namespaces/mine/views";
    for (owner, status) in [("trino", 400), ("engineer", 400), ("analyst", 200)] {
        drop(session.post(views, &view(owner, owner)).await.expect(status));
    }
}
