//! `/iceberg/v1/oauth/tokens`.

use polder_testkit::{Answer, Client, Credential, World};
use serde_json::{Value, json};

const TOKENS: &str = "/iceberg/v1/oauth/tokens";
const CONFIG: &str = "/iceberg/v1/config";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn by_form(door: &Client, key: &Credential, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("grant_type", "client_credentials"), ("client_id", &key.id), ("client_secret", &key.secret)];
    fields.extend(more);
    door.form(TOKENS, &fields).await
}

fn token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn bearer(door: &Client, token: &str) -> Client {
    door.with_authorization(&format!("Bearer {token}"))
}

fn refused(answer: Answer, status: u16, error: &str) {
    let answer = answer.expect(status);
    assert_eq!(answer.json()["error"], error, "{}", answer.text());
    assert!(answer.json()["error_description"].is_string());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
}

/// A token for a key, by form (PyIceberg, Java, Trino) and by Basic (DuckDB); it opens the door, and says an hour.
#[tokio::test]
async fn client_credentials_by_form_and_by_basic() {
    let world = World::make().await;
    let (anonymous, key) = (world.server.anonymous(), &world.engineer_key);
    let form = by_form(&anonymous, key, &[("scope", "catalog")]).await.expect(200);
    let basic = anonymous.with_key(key).form(TOKENS, &[("grant_type", "client_credentials")]).await.expect(200);
    let both = by_form(&anonymous.with_key(key), key, &[]).await.expect(200);
    for answer in [&form, &basic, &both] {
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(3600)));
        assert_eq!((&body["issued_token_type"], &body["scope"]), (&json!(ACCESS_TOKEN), &json!("catalog")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let config = bearer(&anonymous, &token(answer)).get(CONFIG).await.expect(200).json();
        assert_eq!(config["overrides"]["prefix"], "lake");
    }
    assert_ne!(token(&form), token(&basic));
}

/// S-020: the key itself works as Bearer and as Basic, and where a client knows nothing but the secret.
#[tokio::test]
async fn the_key_itself_opens_the_doors() {
    let world = World::make().await;
    let (anonymous, key) = (world.server.anonymous(), &world.engineer_key);
    drop(bearer(&anonymous, &key.secret).get(CONFIG).await.expect(200));
    drop(anonymous.with_authorization(&key.basic().replace("Basic", "bAsIc")).get(CONFIG).await.expect(200));
    let fields = [("grant_type", "client_credentials"), ("client_secret", key.secret.as_str())];
    drop(anonymous.form(TOKENS, &fields).await.expect(200));
}

/// Requests that are wrong get the words of RFC 6749, and never more than the key holds.
#[tokio::test]
async fn wrong_requests_get_the_words_of_the_rfc() {
    let world = World::make().await;
    let (anonymous, key) = (world.server.anonymous(), &world.engineer_key);
    refused(by_form(&anonymous, key, &[("scope", "everything")]).await, 400, "invalid_scope");
    refused(by_form(&anonymous, key, &[("scope", "admin:*")]).await, 400, "invalid_scope");
    refused(by_form(&anonymous, key, &[("client_id", &key.id)]).await, 400, "invalid_request");
    refused(by_form(&anonymous, key, &[("actor_token", "x")]).await, 400, "invalid_request");
    let other = anonymous.with_key(&world.analyst_key);
    refused(by_form(&other, key, &[]).await, 400, "invalid_request");
    refused(anonymous.form(TOKENS, &[("grant_type", "password")]).await, 400, "unsupported_grant_type");
    refused(anonymous.form(TOKENS, &[("scope", "catalog")]).await, 400, "invalid_request");
    refused(anonymous.form(TOKENS, &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
    let forged = Credential { secret: key.secret.replace(&key.secret[40..44], "zzzz"), ..key.clone() };
    refused(by_form(&anonymous, &forged, &[]).await, 401, "invalid_client");
    let swapped = Credential { id: world.analyst_key.id.clone(), ..key.clone() };
    refused(by_form(&anonymous, &swapped, &[]).await, 401, "invalid_client");
    refused(anonymous.with_authorization("Basic !!!").form(TOKENS, &[]).await, 401, "invalid_client");
    let huge = "x".repeat(17 * 1024);
    refused(by_form(&anonymous, key, &[("padding", &huge)]).await, 413, "invalid_request");
}

/// PyIceberg renews by form beside a Bearer that has ended: the header is left alone.
#[tokio::test]
async fn another_bearer_beside_the_form_is_ignored() {
    let world = World::make().await;
    for stale in ["Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer x", "Negotiate abc"] {
        let door = world.server.anonymous().with_authorization(stale);
        drop(by_form(&door, &world.engineer_key, &[("scope", "catalog")]).await.expect(200));
    }
}

/// RFC 8693: a token that has not ended renews itself, with the same scopes or less; Java sends it as Bearer too.
#[tokio::test]
async fn a_token_renews_itself() {
    let world = World::make().await;
    let anonymous = world.server.anonymous();
    let first = token(&by_form(&anonymous, &world.engineer_key, &[("scope", "query")]).await.expect(200));
    let fields = [("grant_type", EXCHANGE), ("subject_token", &first), ("subject_token_type", ACCESS_TOKEN)];
    for door in [anonymous.clone(), bearer(&anonymous, &first), anonymous.with_key(&world.engineer_key)] {
        let renewed = door.form(TOKENS, &fields).await.expect(200).json();
        assert_eq!(renewed["scope"], "query", "a renewal is not a raise");
    }
    let mut more = fields.to_vec();
    more.push(("scope", "catalog"));
    refused(anonymous.form(TOKENS, &more).await, 400, "invalid_scope");
}

/// RFC 8693, R38: nothing but an own token is a subject; another key's credentials do not help.
#[tokio::test]
async fn no_other_subject_is_exchanged() {
    let world = World::make().await;
    let anonymous = world.server.anonymous();
    let own = token(&by_form(&anonymous, &world.engineer_key, &[]).await.expect(200));
    let exchange = |subject: &str, kind: &str| {
        [
            ("grant_type", EXCHANGE.to_owned()),
            ("subject_token", subject.to_owned()),
            ("subject_token_type", kind.to_owned()),
        ]
    };
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    for (door, subject, kind, error) in [
        (&anonymous, unsigned, ACCESS_TOKEN, "invalid_grant"),
        (&anonymous, "x", ACCESS_TOKEN, "invalid_grant"),
        (&anonymous, &own, "urn:ietf:params:oauth:token-type:jwt", "invalid_request"),
        (&anonymous.with_key(&world.analyst_key), &own, ACCESS_TOKEN, "invalid_grant"),
    ] {
        let fields = exchange(subject, kind);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        refused(door.form(TOKENS, &fields).await, 400, error);
    }
    refused(anonymous.form(TOKENS, &[("grant_type", EXCHANGE)]).await, 400, "invalid_request");
}

/// S-020, design-trust §5: a revoked key ends at once, itself, its tokens and their renewal.
#[tokio::test]
async fn revocation_ends_a_key_and_its_tokens() {
    let world = World::make().await;
    let (client, key) = world.person("leaver", "catalog").await;
    world.grant("leaver", &["list"], &json!({"warehouse": "lake"})).await;
    let anonymous = world.server.anonymous();
    let minted = token(&by_form(&anonymous, &key, &[]).await.expect(200));
    drop(client.get(CONFIG).await.expect(200));
    drop(bearer(&anonymous, &minted).get(CONFIG).await.expect(200));
    drop(world.admin.delete(&format!("/api/v1/admin/keys/{}", key.id)).await.expect(204));
    drop(client.get(CONFIG).await.expect(401));
    drop(bearer(&anonymous, &minted).get(CONFIG).await.expect(401));
    refused(by_form(&anonymous, &key, &[]).await, 401, "invalid_client");
    let fields = [("grant_type", EXCHANGE), ("subject_token", minted.as_str()), ("subject_token_type", ACCESS_TOKEN)];
    refused(anonymous.form(TOKENS, &fields).await, 401, "invalid_client");
}

/// A disabled principal's keys and tokens stop working, and work again once it is enabled.
#[tokio::test]
async fn a_disabled_principal_is_out() {
    let world = World::make().await;
    let anonymous = world.server.anonymous();
    let minted = token(&by_form(&anonymous, &world.engineer_key, &[]).await.expect(200));
    let door = bearer(&anonymous, &minted);
    drop(door.get(CONFIG).await.expect(200));
    let path = "/api/v1/admin/principals/engineer";
    drop(world.admin.patch(path, &json!({"enabled": false})).await.expect(200));
    drop(door.get(CONFIG).await.expect(401));
    drop(world.engineer.get(CONFIG).await.expect(401));
    drop(world.admin.patch(path, &json!({"enabled": true})).await.expect(200));
    drop(door.get(CONFIG).await.expect(200));
}

/// S-030: a token cut to `query` opens no Iceberg door and no administration.
#[tokio::test]
async fn a_narrow_token_opens_its_door_only() {
    let world = World::make().await;
    let anonymous = world.server.anonymous();
    let narrow = token(&by_form(&anonymous, &world.engineer_key, &[("scope", "query")]).await.expect(200));
    let door = bearer(&anonymous, &narrow);
    let refused = door.get(CONFIG).await.expect(403);
    assert_eq!(refused.error("message"), "the credential's scopes do not allow this");
    drop(door.get("/api/v1/admin/tenants").await.expect(403));
}

/// F11, A-120: tokens outlive a restart of the server, and so do keys.
#[tokio::test]
async fn tokens_outlive_a_restart() {
    let world = World::make().await;
    let minted = token(&by_form(&world.server.anonymous(), &world.engineer_key, &[]).await.expect(200));
    let directory = world.server.stop().await;
    let address = "127.0.0.1:0".parse().unwrap();
    let again = polder_server::serve::start_embedded(directory.path(), address).await.unwrap();
    let door = Client::anonymous(&format!("http://{}", again.address()));
    let config: Value = bearer(&door, &minted).get(CONFIG).await.expect(200).json();
    assert_eq!(config["overrides"]["prefix"], "lake");
    drop(door.with_key(&world.engineer_key).get(CONFIG).await.expect(200));
    again.shutdown().await;
}
