#![allow(clippy::disallowed_methods, reason = "tests")]

use polder_policy::PolicySnapshot;
use polder_store::{RootKey, Stamp, Store, StoreOptions};
use serde_json::{Value, json};

use super::*;
use crate::clock::Arrival;

struct Fixture {
    store: Store,
    issuer: TokenIssuer,
    principal: Principal,
    arrival: Arrival,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn make() -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let root_key = RootKey::create(&directory.path().join("root.key")).unwrap();
        let arrival = Arrival::now();
        let options = StoreOptions::new(directory.path().join("polder.db"), root_key);
        let store = Store::open(options, arrival.now).await.unwrap();
        let stamp = Stamp::new(arrival.request_id, arrival.now);
        let founded = store.bootstrap(&"operator".parse().unwrap(), "root", &stamp).await.unwrap().unwrap();
        let snapshot = store.policy_snapshot(&founded.tenant).await.unwrap().unwrap();
        let principal = PolicySnapshot::authenticate(&snapshot, &founded.key.key.id, None, arrival.now).unwrap();
        let issuer = TokenIssuer::new(store.signing_key(), &crate::config::Auth::builtin()).unwrap();
        Self { store, issuer, principal, arrival, _directory: directory }
    }

    fn issue(&self, key_end: Option<Micros>) -> Issued {
        let Self { principal, arrival, .. } = self;
        self.issuer.issue(principal, principal.scopes, key_end, arrival.request_id, arrival.now).unwrap()
    }

    fn claims(&self) -> Value {
        let token = self.issue(None).token;
        let payload = token.expose().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// Signs with the real key whatever header and claims are given, as texts.
    fn forge(&self, header: &str, claims: &str) -> Secret {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let key = EncodingKey::from_secret(self.store.signing_key().bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        Secret::new(format!("{message}.{signature}"))
    }

    fn header(&self) -> String {
        let segment = self.issuer.header_segment.trim_end_matches('.');
        String::from_utf8(URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
    }
}

/// What is issued verifies, and says whole seconds; the forger of these tests can do it too.
#[tokio::test]
async fn what_is_issued_verifies() {
    let fixture = Fixture::make().await;
    let issued = fixture.issue(None);
    assert_eq!(issued.expires_in, 3_600);
    let identity = fixture.issuer.verify(&issued.token).unwrap();
    assert_eq!(identity.credential, fixture.principal.credential);
    assert_eq!(identity.subject, Some(fixture.principal.id));
    assert_eq!(identity.scopes, Some(fixture.principal.scopes));
    assert_eq!(identity.expires_at.unwrap().seconds() - fixture.arrival.now.seconds(), 3_600);
    let claims = fixture.claims();
    assert!(claims["exp"].is_i64() && claims["iat"].is_i64());
    let own = fixture.forge(&fixture.header(), &claims.to_string());
    assert!(fixture.issuer.verify(&own).is_some());
}

/// R38, RFC 8693 §4.1: a token says who acts, and is a credential of its own kind then; without it the claim is not there, as
/// nodes of the version before want it.
#[tokio::test]
async fn a_token_says_who_acts() {
    let fixture = Fixture::make().await;
    let mut claims = fixture.claims();
    assert!(claims.get("act").is_none());
    claims["act"] = json!({"sub": fixture.principal.id});
    let identity = fixture.issuer.verify(&fixture.forge(&fixture.header(), &claims.to_string())).unwrap();
    let CredentialId::Impersonated(of) = identity.credential else { panic!("{claims}") };
    assert_eq!((of.actor, of.subject), (fixture.principal.id, fixture.principal.id));
    assert_eq!(Some(&of.key), fixture.principal.credential.key());
}

/// A token never outlives its key.
#[tokio::test]
async fn a_token_ends_with_its_key() {
    let fixture = Fixture::make().await;
    let end = fixture.arrival.now.plus_seconds(60);
    let issued = fixture.issue(Some(end));
    assert!(issued.expires_in <= 60);
    assert!(fixture.issuer.verify(&issued.token).unwrap().expires_at.unwrap() <= end);
}

/// R31: every other header is refused although the signature is right: algorithms, key ids, key locations.
#[tokio::test]
async fn other_headers_are_refused() {
    let fixture = Fixture::make().await;
    let claims = fixture.claims().to_string();
    let kid = fixture.store.signing_key().id().to_owned();
    for header in [
        json!({"typ": "JWT", "alg": "none"}),
        json!({"typ": "JWT", "alg": "none", "kid": kid}),
        json!({"typ": "JWT", "alg": "HS384", "kid": kid}),
        json!({"typ": "JWT", "alg": "RS256", "kid": kid}),
        json!({"typ": "JWT", "alg": "HS256"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "../../etc/passwd"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": "x' OR '1'='1"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": kid, "jku": "https://example.com/k"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": kid, "x5u": "https://example.com/k"}),
        json!({"typ": "JWT", "alg": "HS256", "kid": kid, "jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"typ": "JWT", "alg": "HS256", "kid": kid, "crit": ["exp"]}),
    ] {
        assert!(fixture.issuer.verify(&fixture.forge(&header.to_string(), &claims)).is_none(), "{header}");
    }
}

/// R31: claims that are missing, wrong, twice, of another type or not known are refused although the signature is right.
#[tokio::test]
async fn other_claims_are_refused() {
    let fixture = Fixture::make().await;
    let good = fixture.claims();
    let (header, exp) = (fixture.header(), good["exp"].as_i64().unwrap());
    let mut bad: Vec<String> = Vec::new();
    for name in good.as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        bad.push(without.to_string());
        let twice = good.to_string().replacen('{', &format!("{{\"{name}\":{},", good[name]), 1);
        bad.push(twice);
    }
    for (name, value) in [
        ("iss", json!("other")),
        ("aud", json!("other")),
        ("aud", json!(["polder", "other"])),
        ("aud", json!(["polder"])),
        ("sub", json!("root")),
        ("tenant", json!("../x")),
        ("key", json!("none")),
        ("scope", json!("everything")),
        ("exp", json!(exp as f64 + 0.5)),
        ("exp", json!(exp.to_string())),
        ("exp", json!(0)),
        ("nbf", json!(exp)),
        ("act", json!({"sub": "x"})),
        ("act", json!({})),
        ("act", json!([])),
        ("act", json!(good["sub"])),
        ("act", json!({"sub": good["sub"], "key": good["key"]})),
        ("act", json!({"sub": good["sub"], "act": {"sub": good["sub"]}})),
    ] {
        let mut changed = good.clone();
        changed[name] = value;
        bad.push(changed.to_string());
    }
    for claims in bad {
        assert!(fixture.issuer.verify(&fixture.forge(&header, &claims)).is_none(), "{claims}");
    }
}

/// R31: a changed signature, no signature, another key's, and what is huge or no token at all.
#[tokio::test]
async fn other_signatures_are_refused() {
    let fixture = Fixture::make().await;
    let other = Fixture::make().await;
    let token = fixture.issue(None).token.expose().to_owned();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let same_header = format!("{}x", fixture.issuer.header_segment);
    for forged in [
        format!("{message}."),
        message.to_owned(),
        format!("{message}.{flipped}{}", &signature[1..]),
        format!("{token}."),
        format!("{token}{}", "A".repeat(10_000)),
        other.issue(None).token.expose().to_owned(),
        same_header,
        String::new(),
        "..".to_owned(),
    ] {
        assert!(fixture.issuer.verify(&Secret::new(forged.clone())).is_none(), "{forged}");
    }
}
