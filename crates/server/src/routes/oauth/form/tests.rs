use super::*;

const KEY: &str = "pk_abcdefghijklmnopqrst";

fn code(body: &str) -> String {
    match Form::parse(body.as_bytes()) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

/// F17: duplicates are refused, unknown parameters are not, those that would change the meaning are.
#[test]
fn forms_are_strict_where_it_matters() {
    for (body, wanted) in [
        ("grant_type=client_credentials", "ok"),
        ("grant_type=client_credentials&whatever=1", "ok"),
        ("", "invalid_request"),
        ("grant_type=client_credentials&scope=a&scope=b", "invalid_request"),
        ("grant_type=password&username=x", "unsupported_grant_type"),
        ("grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "invalid_request"),
        ("grant_type=client_credentials&actor_token=x", "invalid_request"),
        (
            "grant_type=client_credentials&actor_token_type=urn:ietf:params:oauth:token-type:access_token",
            "invalid_request",
        ),
        ("grant_type=client_credentials&audience=x", "invalid_request"),
        ("grant_type=client_credentials&resource=x", "invalid_request"),
        ("{\"grant_type\": \"client_credentials\"}", "invalid_request"),
    ] {
        assert_eq!(code(body), wanted, "{body}");
    }
}

/// R38: an unsigned subject and its actor belong together, and neither goes with anything else.
#[test]
fn an_actor_and_its_subject_belong_together() {
    let exchange = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=s&subject_token_type";
    let (access, jwt) = ("urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt");
    for (body, wanted) in [
        (format!("{exchange}={jwt}&actor_token=a&actor_token_type={access}"), "ok"),
        (format!("{exchange}={access}"), "ok"),
        (format!("{exchange}={jwt}"), "invalid_request"),
        (format!("{exchange}={jwt}&actor_token=a"), "invalid_request"),
        (format!("{exchange}={jwt}&actor_token_type={access}"), "invalid_request"),
        (format!("{exchange}={jwt}&actor_token=a&actor_token_type={jwt}"), "invalid_request"),
        (format!("{exchange}={access}&actor_token=a&actor_token_type={access}"), "invalid_request"),
        (format!("{exchange}={access}&actor_token_type={access}"), "invalid_request"),
        (
            format!("{exchange}=urn:ietf:params:oauth:token-type:id_token&actor_token=a&actor_token_type={access}"),
            "invalid_request",
        ),
        (format!("{exchange}={jwt}&actor_token=a&actor_token=b&actor_token_type={access}"), "invalid_request"),
    ] {
        assert_eq!(code(&body), wanted, "{body}");
    }
}

/// One credential, from wherever it comes; two that differ are an error.
#[test]
fn credentials_must_agree() {
    let secret = || Secret::new("s".to_owned());
    let form = |fields: &str| Form::parse(format!("grant_type=client_credentials{fields}").as_bytes()).unwrap();
    let basic = || Some((KEY.parse().unwrap(), secret()));
    assert!(form("").credential(None).unwrap().is_none());
    assert!(form("").credential(basic()).unwrap().is_some());
    assert!(form(&format!("&client_id={KEY}&client_secret=s")).credential(basic()).unwrap().is_some());
    assert!(form(&format!("&client_id={KEY}&client_secret=other")).credential(basic()).is_err());
    assert!(form("&client_id=pk_bbbbbbbbbbbbbbbbbbbb").credential(basic()).is_err());
    assert!(form("&client_id=nobody&client_secret=s").credential(None).is_err());
    assert!(form("&client_secret=s").credential(None).is_err(), "a secret that names no key");
}
