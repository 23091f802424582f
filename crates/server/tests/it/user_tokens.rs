//! Tokens of a configured issuer, through the bound server: whom they mean, what they may do, and what is refused.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use polder_server::{
    config::{Config, UserKey},
    posture::{Environment, Posture},
};
use polder_testkit::{Client, TestServer, World};
use polder_types::Secret;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "a shared secret of more than 32 bytes";
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "polder-api";
const TABLE: &str = "/iceberg/v1/lake/namespaces/pub/tables/cities";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn with_key(key: UserKey) -> impl FnOnce(&mut Config) {
    |config| {
        config.posture = Posture::of(Environment::Prod, false);
        config.auth.user_key = Some(key);
        config.auth.issuer = Some(ISSUER.to_owned());
        config.auth.audience = Some(AUDIENCE.to_owned());
    }
}

async fn world() -> World {
    let server = TestServer::start_with(with_key(UserKey::Hs256(Secret::new(SECRET.to_owned())))).await;
    let world = World::make_on(server).await;
    link(&world.admin, "engineer", "idp|engineer").await;
    world
}

/// Says under which subject the issuer knows a principal.
async fn link(admin: &Client, name: &str, subject: &str) {
    let path = format!("/api/v1/admin/principals/{name}");
    drop(admin.patch(&path, &json!({"attributes": {"external_subject": subject}})).await.expect(200));
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "idp|engineer", "tenant": "acme", "iat": now(), "exp": now() + 600,
           "email": "eve@acme.example"})
}

fn changed(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    claims
}

fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    format!("Bearer {}", jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap())
}

fn holder(world: &World, changes: &[(&str, Value)]) -> Client {
    world.server.anonymous().with_authorization(&sign(&changed(changes)))
}

/// a token means a principal that exists; what it does is recorded under that principal's name.
#[tokio::test]
async fn a_token_means_an_existing_principal() {
    let world = world().await;
    let engineer = holder(&world, &[]);
    drop(engineer.get(TABLE).await.expect(200));
    drop(engineer.post("/iceberg/v1/lake/namespaces", &json!({"namespace": ["made"]})).await.expect(200));
    let audit = world.audit().await;
    let made = audit.iter().find(|record| record["action"] == "create_namespace" && record["object"] == "made");
    assert_eq!(made.expect("a record")["principal"], "engineer");
    let used = audit.iter().find(|record| record["detail"]["subject"] == "idp|engineer").expect("a record of the use");
    assert_eq!((&used["principal"], &used["action"]), (&json!("engineer"), &json!("authenticate")));
    assert_eq!(used["detail"]["display"], "eve@acme.example");
    let token = sign(&claims());
    assert!(!json!(audit).to_string().contains(&token[token.len() - 24..]));
    // API keys and tokens made from them work beside it.
    drop(world.engineer.get(TABLE).await.expect(200));
}

/// A-022, R5, R31: whatever is wrong with a token, the answer is the same, and says nothing.
#[tokio::test]
async fn every_refusal_is_the_same() {
    let world = world().await;
    let nobody = world.server.anonymous();
    let wanted = nobody.get(TABLE).await.expect(401);
    let wrong_key = EncodingKey::from_secret(b"another secret of more than 32 bytes!");
    let header = Header::new(Algorithm::HS256);
    let mut with_jku = header.clone();
    with_jku.jku = Some("http://127.0.0.1:1/jwks".to_owned());
    let encode = |header: &Header, key: &EncodingKey| {
        format!("Bearer {}", jsonwebtoken::encode(header, &claims(), key).unwrap())
    };
    let right_key = EncodingKey::from_secret(SECRET.as_bytes());
    let mut refused = vec![encode(&header, &wrong_key), encode(&with_jku, &right_key), "Bearer a.b.c".to_owned()];
    for changes in [
        vec![("iss", json!("https://evil.example"))],
        vec![("iss", json!("http://127.0.0.1:1"))],
        vec![("iss", Value::Null)],
        vec![("aud", json!("other"))],
        vec![("aud", json!([AUDIENCE]))],
        vec![("aud", Value::Null)],
        vec![("exp", Value::Null)],
        vec![("exp", json!(now() - 1))],
        vec![("nbf", json!(now() + 300))],
        vec![("sub", json!("engineer"))],
        vec![("sub", json!("idp|nobody"))],
        vec![("sub", Value::Null)],
        vec![("tenant", json!("umbra"))],
        vec![("tenant", json!("absent"))],
        vec![("tenant", json!("operator"))],
        vec![("tid", json!("umbra"))],
        vec![("tenant", Value::Null)],
        vec![("filler", json!("x".repeat(6_000)))],
    ] {
        refused.push(sign(&changed(&changes)));
    }
    for authorization in refused {
        let answer = nobody.with_authorization(&authorization).get(TABLE).await;
        assert_eq!((answer.status, answer.text()), (401, wanted.text()), "{authorization}");
        assert_eq!(answer.header("www-authenticate"), wanted.header("www-authenticate"));
    }
}

/// the scopes of a token narrow; they never add, and never administer unless that is configured.
#[tokio::test]
async fn scopes_narrow_and_never_add() {
    let world = world().await;
    link(&world.admin, "admin", "idp|admin").await;
    let query = holder(&world, &[("scope", json!("openid query"))]);
    assert_eq!(query.get(TABLE).await.expect(403).error("type"), "ForbiddenException");
    drop(query.post("/api/v1/query", &json!({"sql": "SELECT 1"})).await.expect(200));
    let admin = holder(&world, &[("sub", json!("idp|admin")), ("scope", json!("admin:* catalog"))]);
    assert_eq!(admin.get("/api/v1/admin/principals").await.expect(403).error("code"), "insufficient_scope");
}

/// a token for one workspace sees that warehouse and nothing else of the tenant.
#[tokio::test]
async fn a_workspace_confines() {
    let world = world().await;
    drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": "extra"})).await.expect(201));
    world.grant("engineer", &["list", "read", "create"], &json!({"warehouse": "extra"})).await;
    let confined = holder(&world, &[("workspace", json!("extra"))]);
    drop(confined.get("/iceberg/v1/extra/namespaces").await.expect(200));
    drop(confined.get("/iceberg/v1/namespaces").await.expect(200));
    let config = confined.get("/iceberg/v1/config").await.expect(200).json();
    assert_eq!(config["overrides"]["prefix"], "extra");
    let absent = confined.get("/iceberg/v1/nowhere/namespaces").await.expect(404).text();
    let hidden = confined.get("/iceberg/v1/lake/namespaces").await.expect(404).text();
    assert_eq!(hidden.replace("lake", "nowhere"), absent);
    drop(confined.get(TABLE).await.expect(404));
    drop(confined.get("/iceberg/v1/config?warehouse=lake").await.expect(404));
    for sql in ["SELECT * FROM lake.pub.cities", "SELECT count(*) FROM lake.pub.people"] {
        let answer = confined.post("/api/v1/query", &json!({"sql": sql})).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    let other = holder(&world, &[("workspace", json!("vault"))]);
    drop(other.get("/iceberg/v1/vault/namespaces").await.expect(404));
    drop(other.get(TABLE).await.expect(404));
}

/// R29, A-024: where the path names no warehouse the credential does, so a key that was used for one is no key for
/// the other.
#[tokio::test]
async fn a_key_of_one_workspace_is_none_of_another() {
    let world = world().await;
    drop(world.admin.post("/api/v1/admin/warehouses", &json!({"name": "extra"})).await.expect(201));
    world.grant("engineer", &["list", "read", "create"], &json!({"warehouse": "extra"})).await;
    let key = ("idempotency-key", "0198c2f0-0000-7000-8000-000000000001");
    let create = async |workspace: &str| {
        let body = json!({"namespace": ["made"]}).to_string().into_bytes();
        let holder = holder(&world, &[("workspace", json!(workspace))]);
        holder.send(Method::POST, "/iceberg/v1/namespaces", &[key], Some(body)).await
    };
    drop(create("lake").await.expect(200));
    drop(create("lake").await.expect(200));
    drop(create("extra").await.expect(422));
    drop(world.engineer.get("/iceberg/v1/extra/namespaces/made").await.expect(404));
}

/// R18: disabling, unlinking or deleting the principal holds for the next request; a subject of two is nobody's.
#[tokio::test]
async fn revocation_holds_at_once() {
    let world = world().await;
    let engineer = holder(&world, &[]);
    let path = "/api/v1/admin/principals/engineer";
    for change in [json!({"enabled": false}), json!({"attributes": {}})] {
        drop(engineer.get(TABLE).await.expect(200));
        drop(world.admin.patch(path, &change).await.expect(200));
        drop(engineer.get(TABLE).await.expect(401));
        let back = json!({"enabled": true, "attributes": {"external_subject": "idp|engineer"}});
        drop(world.admin.patch(path, &back).await.expect(200));
    }
    link(&world.admin, "analyst", "idp|engineer").await;
    drop(engineer.get(TABLE).await.expect(401));
    link(&world.admin, "analyst", "idp|analyst").await;
    drop(engineer.get(TABLE).await.expect(200));
    drop(world.admin.delete(path).await.expect(204));
    drop(engineer.get(TABLE).await.expect(401));
}

/// Groups are an attribute for row filters, and no role: a group that is named like one gives nothing.
#[tokio::test]
async fn groups_are_no_roles() {
    let world = world().await;
    link(&world.admin, "nobody", "idp|nobody").await;
    let hopeful = [("sub", json!("idp|nobody")), ("groups", json!(["engineer", "admin"]))];
    drop(holder(&world, &hopeful).get(TABLE).await.expect(404));
}

/// RS256 by a public key; the built-in issuer can be off, and then no token is issued or believed.
#[tokio::test]
async fn a_public_key_and_no_issuer_of_our_own() {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let key = UserKey::Public(pair.public_key_pem());
    let world = World::make_on(
        TestServer::start_with(|config| {
            with_key(key)(config);
            config.auth.builtin_issuer = false;
        })
        .await,
    )
    .await;
    link(&world.admin, "engineer", "idp|engineer").await;
    let sign = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims(), &sign).unwrap();
    let anonymous = world.server.anonymous();
    drop(anonymous.with_authorization(&format!("Bearer {token}")).get(TABLE).await.expect(200));
    let public_as_secret = EncodingKey::from_secret(pair.public_key_pem().as_bytes());
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &public_as_secret).unwrap();
    drop(anonymous.with_authorization(&format!("Bearer {confused}")).get(TABLE).await.expect(401));
    let form = [("grant_type", "client_credentials")];
    let refused = world.engineer.form("/iceberg/v1/oauth/tokens", &form).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text());
}
