use jsonwebtoken::EncodingKey;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: Micros = Micros(1_700_000_000_000_000);

/// A signer and the verifier of its tokens.
struct Pair {
    name: &'static str,
    algorithm: Algorithm,
    sign: EncodingKey,
    verifier: Verifier,
    public: String,
}

fn verifier(key: &UserKey) -> Verifier {
    Verifier::new(key, Some("https://id.example".to_owned()), Some("polder-api".to_owned())).unwrap()
}

fn hs256() -> Pair {
    let verifier = verifier(&UserKey::Hs256(Secret::new(SECRET.to_owned())));
    let sign = EncodingKey::from_secret(SECRET.as_bytes());
    Pair { name: "HS256", algorithm: Algorithm::HS256, sign, verifier, public: String::new() }
}

fn es256() -> Pair {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let sign = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let public = pair.public_key_pem();
    Pair {
        name: "ES256",
        algorithm: Algorithm::ES256,
        sign,
        verifier: verifier(&UserKey::Public(public.clone())),
        public,
    }
}

fn rs256() -> Pair {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let sign = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let public = pair.public_key_pem();
    Pair {
        name: "RS256",
        algorithm: Algorithm::RS256,
        sign,
        verifier: verifier(&UserKey::Public(public.clone())),
        public,
    }
}

fn claims() -> Value {
    let now = NOW.seconds();
    json!({"iss": "https://id.example", "aud": "polder-api", "sub": "ann", "tenant": "acme",
           "iat": now, "nbf": now, "exp": now + 300})
}

impl Pair {
    fn header(&self) -> Value {
        json!({"alg": self.name, "typ": "JWT", "kid": "key-1"})
    }

    /// Signs whatever is given, as texts, with the right key.
    fn forge(&self, header: &str, claims: &str) -> Secret {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.sign, self.algorithm).unwrap();
        Secret::new(format!("{message}.{signature}"))
    }

    fn token(&self, claims: &Value) -> Secret {
        self.forge(&self.header().to_string(), &claims.to_string())
    }

    fn accepts(&self, token: &Secret) -> bool {
        self.verifier.verify(token, NOW).is_some()
    }
}

/// A-020: good tokens of the three algorithms verify, each by its own key only.
#[test]
fn each_key_verifies_its_own_tokens() {
    let pairs = [hs256(), rs256(), es256()];
    for signer in &pairs {
        let token = signer.token(&claims());
        for checker in &pairs {
            assert_eq!(checker.accepts(&token), checker.name == signer.name, "{} by {}", signer.name, checker.name);
        }
        let found = signer.verifier.verify(&token, NOW).unwrap();
        assert_eq!(found.text("sub"), Some("ann"));
        assert_eq!(found.expires_at(), Some(NOW.plus_seconds(300)));
    }
}

/// A-020, R31: the algorithm is pinned to the key: no `none`, no other hash, and no public key used as a secret.
#[test]
fn the_algorithm_is_the_keys() {
    for pair in [hs256(), rs256(), es256()] {
        for algorithm in [
            "none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA",
        ] {
            let header = json!({"alg": algorithm, "typ": "JWT"}).to_string();
            let right = algorithm == pair.name;
            assert_eq!(pair.accepts(&pair.forge(&header, &claims().to_string())), right, "{} {algorithm}", pair.name);
            let unsigned =
                format!("{}.{}.", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims().to_string()));
            assert!(!pair.accepts(&Secret::new(unsigned)));
        }
        if pair.public.is_empty() {
            continue;
        }
        for secret in [pair.public.as_bytes(), pair.public.trim().as_bytes()] {
            let confused =
                Pair { name: "HS256", algorithm: Algorithm::HS256, sign: EncodingKey::from_secret(secret), ..es256() };
            for header in [json!({"alg": "HS256", "typ": "JWT"}), pair.header()] {
                assert!(!pair.accepts(&confused.forge(&header.to_string(), &claims().to_string())));
            }
        }
    }
}

/// R31: headers that would have us look something up are refused although the signature is right.
#[test]
fn headers_that_lead_elsewhere_are_refused() {
    let pair = hs256();
    for header in [json!({"alg": "HS256"}), json!({"alg": "HS256", "typ": "at+jwt", "kid": "a/b+c=", "x5t": "abc-_"})] {
        assert!(pair.accepts(&pair.forge(&header.to_string(), &claims().to_string())), "{header}");
    }
    let mut bad: Vec<String> = [
        json!({"typ": "JWT"}),
        json!({"alg": 256}),
        json!({"alg": "HS256", "typ": "JWE"}),
        json!({"alg": "HS256", "kid": "../../etc/passwd"}),
        json!({"alg": "HS256", "kid": "/dev/null"}),
        json!({"alg": "HS256", "kid": "x' OR '1'='1"}),
        json!({"alg": "HS256", "kid": "https://evil.example/key"}),
        json!({"alg": "HS256", "kid": 7}),
        json!({"alg": "HS256", "kid": "k".repeat(300)}),
        json!({"alg": "HS256", "jku": "https://evil.example/jwks"}),
        json!({"alg": "HS256", "x5u": "https://evil.example/cert"}),
        json!({"alg": "HS256", "x5c": ["AAAA"]}),
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": "HS256", "b64": false}),
        json!({"alg": "HS256", "zip": "DEF"}),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    bad.extend([
        "[]".to_owned(),
        "{".to_owned(),
        r#"{"alg":"none","alg":"HS256"}"#.to_owned(),
        "{\"alg\":\"HS256\"}x".to_owned(),
    ]);
    for header in bad {
        assert!(!pair.accepts(&pair.forge(&header, &claims().to_string())), "{header}");
    }
}

/// A-022, R31: claims that are missing, wrong, twice, in a list, of another type or out of time are refused.
#[test]
fn claims_must_be_there_and_right() {
    let pair = hs256();
    let (good, now) = (claims(), NOW.seconds());
    let mut bad: Vec<String> = Vec::new();
    for name in ["iss", "aud", "exp"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        bad.push(without.to_string());
    }
    for name in good.as_object().unwrap().keys() {
        bad.push(good.to_string().replacen('{', &format!("{{\"{name}\":{},", good[name]), 1));
    }
    for (name, value) in [
        ("iss", json!("https://id.example/")),
        ("iss", json!("https://ID.example")),
        ("iss", json!(["https://id.example"])),
        ("iss", json!(null)),
        ("aud", json!("polder-api2")),
        ("aud", json!("")),
        ("aud", json!(["polder-api"])),
        ("aud", json!(["other", "polder-api"])),
        ("aud", json!(null)),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now as f64 + 300.5)),
        ("exp", json!((now + 300).to_string())),
        ("exp", json!(null)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now + 31)),
        ("nbf", json!("soon")),
        ("iat", json!(now + 31)),
        ("iat", json!(null)),
    ] {
        let mut changed = good.clone();
        changed[name] = value;
        bad.push(changed.to_string());
    }
    bad.extend([
        "[]".to_owned(),
        "null".to_owned(),
        format!("{good}{good}"),
        format!("{}1{}", "[".repeat(200), "]".repeat(200)),
    ]);
    for claims in bad {
        assert!(!pair.accepts(&pair.forge(&pair.header().to_string(), &claims)), "{claims}");
    }
    let mut plain = good;
    plain.as_object_mut().unwrap().remove("nbf");
    plain.as_object_mut().unwrap().remove("iat");
    assert!(pair.accepts(&pair.token(&plain)));
    plain["nbf"] = json!(now + 30);
    assert!(pair.accepts(&pair.token(&plain)), "clocks differ a little");
}

/// R31: what is huge, cut, padded or signed by somebody else.
#[test]
fn other_texts_are_refused() {
    let pair = hs256();
    let token = pair.token(&claims()).expose().to_owned();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut large = claims();
    large["filler"] = json!("x".repeat(8_000));
    for text in [
        String::new(),
        "..".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{token}="),
        format!("{token}."),
        format!("{message}.{}", &signature[..signature.len() - 2]),
        format!("{message}.{signature}.{signature}"),
        pair.token(&large).expose().to_owned(),
        Pair { sign: EncodingKey::from_secret(b"another secret of thirty-two byte"), ..hs256() }
            .token(&claims())
            .expose()
            .to_owned(),
    ] {
        assert!(!pair.accepts(&Secret::new(text.clone())), "{text}");
    }
}

/// Keys of other kinds, private ones, and such as are too short stop the start; the message holds nothing of them.
#[test]
fn keys_of_other_kinds_are_refused() {
    let private = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().public_key_pem();
    for pem in [
        private,
        p384,
        String::new(),
        "canary".to_owned(),
        "-----BEGIN PUBLIC KEY-----\ncanary\n-----END PUBLIC KEY-----".to_owned(),
    ] {
        let error = Verifier::new(&UserKey::Public(pem.clone()), None, None).err().expect("refused");
        assert!(!error.to_string().contains("canary") && error.to_string().contains("auth.public_key_file"), "{error}");
    }
}

/// In development issuer and audience may be left open; the token must name some all the same.
#[test]
fn unset_names_must_still_be_said() {
    let key = UserKey::Hs256(Secret::new(SECRET.to_owned()));
    let pair = Pair { verifier: Verifier::new(&key, None, None).unwrap(), ..hs256() };
    assert!(pair.accepts(&pair.token(&claims())));
    for name in ["iss", "aud"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        assert!(!pair.accepts(&pair.token(&without)));
        without[name] = json!("");
        assert!(!pair.accepts(&pair.token(&without)));
    }
}
