use jsonwebtoken::{Algorithm, EncodingKey, Header};
use polder_types::Scope;
use serde_json::json;

use super::*;
use crate::config::UserKey;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: Micros = Micros(1_700_000_000_000_000);

fn identify(scopes_max: &str, change: &[(&str, Value)]) -> Option<Identity> {
    let mut config = Auth::builtin();
    config.user_key = Some(UserKey::Hs256(Secret::new(SECRET.to_owned())));
    config.scopes_max = scopes_max.parse().unwrap();
    let mut claims = json!({"iss": "i", "aud": "a", "sub": "ann", "tenant": "acme", "exp": NOW.seconds() + 60});
    for (name, value) in change {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    UserTokens::new(&config).unwrap().unwrap().identify(&Secret::new(token), NOW)
}

/// the tenant stands under any of its names; two that differ, none at all or a bad one are refused.
#[test]
fn the_tenant_has_aliases_that_must_agree() {
    for (change, tenant) in [
        (vec![], Some("acme")),
        (vec![("tid", json!("acme"))], Some("acme")),
        (vec![("tenant", Value::Null), ("tid", json!("acme"))], Some("acme")),
        (vec![("tenant", Value::Null), ("org_id", json!("other"))], Some("other")),
        (vec![("tid", json!("umbra"))], None),
        (vec![("org_id", json!("umbra"))], None),
        (vec![("tenant", Value::Null), ("tid", json!("acme")), ("org_id", json!("umbra"))], None),
        (vec![("tenant", Value::Null)], None),
        (vec![("tenant", json!("Acme"))], None),
        (vec![("tenant", json!(""))], None),
        (vec![("tenant", json!(["acme"]))], None),
        (vec![("tid", json!(7))], None),
    ] {
        let found = identify("catalog", &change).map(|identity| identity.tenant.to_string());
        assert_eq!(found.as_deref(), tenant, "{change:?}");
    }
}

/// scopes of a token only narrow what is configured, whichever of the two claims says them.
#[test]
fn scopes_only_narrow() {
    for (max, change, wanted) in [
        ("catalog", vec![], Some("catalog")),
        ("catalog", vec![("scope", json!("openid catalog profile"))], Some("catalog")),
        ("catalog", vec![("scp", json!(["query", "email"]))], Some("query")),
        ("catalog", vec![("scp", json!("query find"))], Some("find query")),
        ("catalog", vec![("scope", json!("admin:* catalog"))], Some("catalog")),
        ("catalog", vec![("scope", json!("openid"))], Some("")),
        ("catalog", vec![("scope", json!(""))], Some("")),
        ("query", vec![("scope", json!("catalog"))], Some("")),
        ("catalog admin:access", vec![("scope", json!("admin:access"))], Some("admin:access")),
        ("catalog", vec![("scope", json!("query")), ("scp", json!(["query"]))], Some("query")),
        ("catalog", vec![("scope", json!("query")), ("scp", json!(["catalog"]))], None),
        ("catalog", vec![("scope", json!(1))], None),
        ("catalog", vec![("scp", json!([1]))], None),
    ] {
        let found = identify(max, &change).map(|identity| identity.credential.assertion().unwrap().scopes.to_string());
        assert_eq!(found.as_deref(), wanted, "{max} {change:?}");
    }
    assert!(!identify("catalog", &[]).unwrap().credential.assertion().unwrap().scopes.allows(Scope::AdminAccess));
}

/// the user must be named by a plain text; workspace and groups must be what they are, if they are there.
#[test]
fn other_claims_are_typed() {
    for (change, good) in [
        (vec![("sub", Value::Null)], false),
        (vec![("sub", json!(""))], false),
        (vec![("sub", json!(7))], false),
        (vec![("sub", json!("a\nb"))], false),
        (vec![("sub", json!("x".repeat(256)))], false),
        (vec![("sub", json!("auth0|5f7c8ec7c33c6c004bbafe82"))], true),
        (vec![("workspace", json!("lake"))], true),
        (vec![("workspace", json!("../lake"))], false),
        (vec![("workspace", json!(""))], false),
        (vec![("workspace", json!(["lake"]))], false),
        (vec![("groups", json!(["/admins", "eu"]))], true),
        (vec![("groups", json!("eu"))], false),
        (vec![("groups", json!([1]))], false),
        (vec![("groups", json!(vec!["g"; 201]))], false),
        (vec![("email", json!("ann@acme.example"))], true),
        (vec![("email", json!("a\u{202e}b"))], true),
    ] {
        assert_eq!(identify("catalog", &change).is_some(), good, "{change:?}");
    }
    let display = |email| {
        identify("catalog", &[("email", json!(email))]).unwrap().credential.assertion().unwrap().display.clone()
    };
    assert_eq!(display("ann@acme.example").as_deref(), Some("ann@acme.example"));
    assert_eq!(display("a\u{202e}b"), None, "a name that deceives is not shown");
}
