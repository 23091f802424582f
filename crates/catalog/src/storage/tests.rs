use super::*;

fn place(text: &str) -> Location {
    Location::parse(text).unwrap()
}

fn profile(buckets: &[&str], tenants: &[(&str, &[&str])]) -> S3Profile {
    S3Profile {
        endpoint: Some("https://store.example:9000".to_owned()),
        region: "eu-north-1".to_owned(),
        path_style: true,
        access_key_id: "the-key-id".to_owned(),
        secret_access_key: Secret::new("the-secret".to_owned()),
        buckets: buckets.iter().map(|name| (*name).to_owned()).collect(),
        tenants: tenants
            .iter()
            .map(|(tenant, places)| (tenant.parse().unwrap(), places.iter().map(|text| place(text)).collect()))
            .collect(),
        vending: None,
        remote_signing: false,
    }
}

/// A-004, R7: a tenant may use what the operator's list opens to it, compared by segments, and nothing else: not its
/// neighbour's place, not a sibling with a longer name, not the rest of the bucket, whatever the scheme is called.
#[test]
fn a_place_is_open_to_the_tenant_that_the_operator_names() {
    let storage = Storage::new(vec![profile(
        &["lake", "ours"],
        &[("acme1", &["s3://lake/t1"]), ("acme10", &["s3a://lake/t10"])],
    )]);
    let storage = storage.unwrap();
    let (t1, t10) = ("acme1".parse().unwrap(), "acme10".parse().unwrap());
    for open in ["s3://lake/t1", "s3://lake/t1/a/b", "s3a://lake/t1/a", "s3n://lake/t1/"] {
        assert!(storage.allows(&t1, &place(open)), "{open}");
        assert!(!storage.allows(&t10, &place(open)), "{open}");
        assert!(!storage.allows(&"acme2".parse().unwrap(), &place(open)), "{open}");
    }
    for closed in [
        "s3://lake",
        "s3://lake/t10",
        "s3://lake/t1-a",
        "s3://lake/T1",
        "s3://Lake/t1",
        "s3://ours/t1",
        "s3://other/t1",
        "gs://lake/t1",
        "file:///lake/t1",
    ] {
        assert!(!storage.allows(&t1, &place(closed)), "{closed}");
    }
    assert!(storage.reaches(&place("s3://ours/x")) && !storage.reaches(&place("s3://other/x")));
    assert!(!storage.reaches(&place("gs://lake/x")));
}

/// lists that would let two tenants meet, or name what no profile holds, stop the start.
#[test]
fn contradicting_lists_are_refused() {
    for profiles in [
        vec![profile(&["lake"], &[]), profile(&["lake"], &[])],
        vec![profile(&["lake"], &[("acme1", &["s3://other/t1"])])],
        vec![profile(&["lake"], &[("acme1", &["file:///lake/t1"])])],
        vec![profile(&["lake"], &[("acme1", &["s3://lake/a"]), ("acme2", &["s3://lake/a/b"])])],
        vec![profile(&["lake"], &[("acme1", &["s3://lake"]), ("acme2", &["s3a://lake/a"])])],
    ] {
        let said = format!("{profiles:?}");
        assert_eq!(Storage::new(profiles).unwrap_err().code(), "storage", "{said}");
    }
}

/// R11, A-002: clients learn where the store is and never with which keys; nothing prints the secret.
#[test]
fn clients_get_no_key_and_nothing_prints_one() {
    let with = profile(&["lake"], &[]);
    assert!(!format!("{with:?}").contains("the-secret"));
    let storage = Storage::new(vec![with]).unwrap();
    let config = storage.client_config(&place("s3://lake/a"));
    let expected = [
        ("client.region", "eu-north-1"),
        ("s3.endpoint", "https://store.example:9000/"),
        ("s3.path-style-access", "true"),
    ];
    assert_eq!(*config, expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    assert!(storage.client_config(&place("file:///lake/a")).is_empty());
    let bucket = storage.bucket(&place("s3://lake/a")).unwrap();
    for text in [format!("{storage:?}"), format!("{bucket:?}")] {
        assert!(!text.contains("the-secret") && !text.contains("the-key-id"), "{text}");
    }
    let error = storage.bucket(&place("s3://other/a")).unwrap_err();
    assert_eq!(error.code(), "unsupported_storage");
}
