use polder_types::Location;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn policy(place: &str, access: Access) -> Result<Value> {
    let place = Location::parse(place)?;
    let text = of(&Scope::of(&place, access)?, "aws")?;
    assert!(text.len() < POLICY_CHARS_MAX);
    Ok(serde_json::from_str(&text).unwrap())
}

/// a reader's policy has no action that writes, both end at the table's slash, and no session makes another.
#[test]
fn a_policy_says_what_it_opens_and_nothing_else() {
    let read = policy("s3://lake/base/t1", Access::Read).unwrap();
    let list = json!({"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::lake",
        "Condition": {"StringLike": {"s3:prefix": "base/t1/*"}}});
    let never = json!({"Effect": "Deny", "Action": ["sts:*"], "Resource": "*"});
    let objects = "arn:aws:s3:::lake/base/t1/*";
    let expected = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": objects}, list, never]});
    assert_eq!(read, expected);
    let write = policy("s3://lake/base/t1", Access::ReadWrite).unwrap();
    let actions =
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
    assert_eq!(write["Statement"][0], json!({"Effect": "Allow", "Action": actions, "Resource": objects}));
    assert_eq!((&write["Statement"][1], &write["Statement"][2]), (&list, &never));
    let documents =
        json!({"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": format!("{objects}.metadata.json")});
    assert_eq!((&write["Statement"][3], write["Statement"].as_array().unwrap().len()), (&documents, 4));
    let scope = Scope::of(&Location::parse("s3://lake/t").unwrap(), Access::Read).unwrap();
    assert!(of(&scope, "aws-us-gov").unwrap().contains("arn:aws-us-gov:s3:::lake/t/*"));
}

/// R2, R3: a name that a policy language could read as something else gets no policy at all; roots neither.
#[test]
fn a_name_that_means_something_in_a_policy_gets_none() {
    for place in [
        "s3://lake/base/${aws:username}",
        "s3://lake/base/$t",
        "s3://lake/base/{t}",
        "s3://lake/base/t\"],\"Resource\":[\"x",
        "s3://lake/base/t'",
        "s3://lake/base/t<",
        "s3://lake/base/[a-z]",
        "s3://lake/base/données",
        "s3://lake",
        "s3://Lake/base/t",
        "s3://la_ke/base/t",
    ] {
        let refused = policy(place, Access::Read).unwrap_err();
        assert_eq!(refused.code(), "unsupported_location", "{place}");
    }
    // These the catalog's own parser refuses already.
    for place in ["s3://lake/base/*", "s3://lake/base/t?", "s3://lake/base/a%2a", "s3://lake/base/a\\b"] {
        assert!(Location::parse(place).is_err(), "{place}");
    }
}

/// R13: refused before STS packs it.
#[test]
fn a_policy_that_would_be_packed_is_refused() {
    let long = format!("s3://lake/{}", "a/".repeat(600));
    assert_eq!(policy(&long, Access::Read).unwrap_err().code(), "unsupported_location");
}

/// How a store reads a pattern: the languages of AWS, SeaweedFS and MinIO, each at its most generous.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('$') if pattern.starts_with("${") => true,
        Some('*') => {
            let rest = &pattern[1..];
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }
        Some('?') => text.chars().next().is_some_and(|c| matches(&pattern[1..], &text[c.len_utf8()..])),
        Some(c) => text.strip_prefix(c).is_some_and(|rest| matches(&pattern[c.len_utf8()..], rest)),
    }
}

proptest! {
    /// R2: whatever names a location is made of, its policy opens what lies below it and nothing else.
    #[test]
    fn names_never_widen_a_policy(
        names in prop::collection::vec("[a-c*?$\\{\\}\"'\\[\\]\\\\,: =.-]{1,6}", 1..4),
        key in "[a-c/.$*?-]{0,12}",
    ) {
        let Ok(place) = Location::parse(&format!("s3://lake/{}", names.join("/"))) else { return Ok(()) };
        let Ok(scope) = Scope::of(&place, Access::ReadWrite) else { return Ok(()) };
        let policy: Value = serde_json::from_str(&of(&scope, "aws").unwrap()).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        prop_assert_eq!(statements.len(), 4);
        let pattern = statements[0]["Resource"].as_str().unwrap();
        let prefixes = statements[1]["Condition"]["StringLike"]["s3:prefix"].as_str().unwrap();
        let own = place.segments().join("/");
        for key in [key.clone(), format!("{own}/{key}"), format!("{own}{key}"), own.clone()] {
            let below = key.starts_with(&format!("{own}/"));
            prop_assert_eq!(matches(pattern, &format!("arn:aws:s3:::lake/{key}")), below, "{} {}", pattern, key);
            prop_assert_eq!(matches(prefixes, &key), below);
            let other_bucket = format!("arn:aws:s3:::lake2/{key}");
            prop_assert!(!matches(pattern, &other_bucket));
        }
    }
}
