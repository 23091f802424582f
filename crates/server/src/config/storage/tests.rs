use crate::config::Config;

fn parse(text: &str) -> Result<Config, String> {
    let variables =
        [("POLDER_ENVIRONMENT".to_owned(), "dev".to_owned()), ("POLDER_API_PUBLIC".to_owned(), "false".to_owned())];
    Config::parse(text, &variables, &|_| None).map_err(|errors| errors.join("\n"))
}

/// A configuration with one store; its secret is in a file.
fn with(lines: &str) -> Result<Config, String> {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "s3cret-value\n").unwrap();
    let written: Vec<&str> =
        lines.lines().map(|line| line.split_once('=').map_or(line, |(name, _)| name.trim())).collect();
    let usual = [
        ("region", "\"us-east-1\"".to_owned()),
        ("access_key_id", "\"key\"".to_owned()),
        ("secret_access_key_file", format!("\"{}\"", file.display())),
        ("buckets", "[\"lake\", \"ours\"]".to_owned()),
    ];
    let usual: String = usual
        .iter()
        .filter(|(name, _)| !written.contains(name))
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    let (top, rest): (Vec<&str>, Vec<&str>) = lines.lines().partition(|line| line.starts_with("managed_base"));
    parse(&format!("{}\n[[storage.s3]]\n{usual}{}\n", top.join("\n"), rest.join("\n")))
}

#[test]
fn a_store_is_read_with_its_secret_by_reference() {
    let config =
        with("endpoint = \"http://127.0.0.1:8333/\"\npath_style = true\ntenants = { acme = [\"s3://lake/acme\"] }");
    let config = config.unwrap();
    let [profile] = config.storage.s3.as_slice() else { panic!("one profile") };
    assert_eq!(profile.endpoint.as_deref(), Some("http://127.0.0.1:8333"));
    assert!(profile.path_style);
    assert_eq!(profile.secret_access_key.expose(), "s3cret-value");
    assert_eq!(profile.tenants.len(), 1);
    assert!(!format!("{config:?}").contains("s3cret-value"));
    assert!(with("managed_base = \"s3://ours/managed\"").unwrap().storage.managed_base.is_some());
}

/// R11: without a key of its own the server uses none, and a secret is never written into the file.
#[test]
fn a_store_without_keys_is_refused() {
    for (lines, wanted) in [
        ("access_key_id = \"\"", "needs `region` and `access_key_id`"),
        ("secret_access_key_file = \"/nowhere/secret\"", "is empty or cannot be read"),
        ("secret_access_key_env = \"NOT_SET_ANYWHERE\"", "needs `secret_access_key_file`, or"),
        ("secret_access_key = \"s3cret\"", "unknown field `secret_access_key`"),
        ("secret_acces_key_file = \"x\"", "unknown field `secret_acces_key_file`"),
        ("buckets = []", "`storage.s3[0].buckets`"),
        ("buckets = [\"lake\", \"../x\"]", "`storage.s3[0].buckets`"),
        ("buckets = [\"lake\", \"lake\"]", "bucket `lake` is named twice"),
    ] {
        let said = with(lines).unwrap_err();
        assert!(said.contains(wanted), "{lines}: {said}");
        assert!(!said.contains("s3cret\""), "{said}");
    }
    let said = parse("[storage]\ns3 = 3\n").unwrap_err();
    assert!(said.contains("`storage.s3`"), "{said}");
}

/// Plain HTTP leaves the host only if the operator says so.
#[test]
fn plain_http_stays_on_the_host() {
    for endpoint in ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000", "https://s3.example"] {
        assert!(with(&format!("endpoint = \"{endpoint}\"")).is_ok(), "{endpoint}");
    }
    for endpoint in [
        "http://s3.example",
        "http://127.0.0.1.example:9000",
        "http://localhost.example",
        "http://10.0.0.1",
        "http://127.0.0.1@s3.example",
        "https://user:pass@s3.example",
        "https://s3.example/path",
        "https://s3.example?x",
        "ftp://127.0.0.1",
        "s3.example",
        "https://",
    ] {
        assert!(with(&format!("endpoint = \"{endpoint}\"")).unwrap_err().contains("endpoint"), "{endpoint}");
    }
    assert!(with("endpoint = \"http://s3.example\"\nallow_http = true").is_ok());
}

/// the places of tenants are apart from each other and from the managed base, and in known buckets.
#[test]
fn places_that_meet_are_refused() {
    for lines in [
        "tenants = { acme = [\"s3://lake/a\"], umbra = [\"s3://lake/a/b\"] }",
        "tenants = { acme = [\"s3://other/a\"] }",
        "tenants = { acme = [\"file:///srv\"] }",
        "tenants = { acme = [\"lake/a\"] }",
        "tenants = { \"No Tenant\" = [\"s3://lake/a\"] }",
        "managed_base = \"s3://ours/managed\"\ntenants = { acme = [\"s3://ours\"] }",
        "managed_base = \"s3://ours/managed\"\ntenants = { acme = [\"s3a://ours/managed/tenant=acme\"] }",
        "managed_base = \"s3://other/managed\"",
        "managed_base = \"gs://lake/managed\"",
    ] {
        assert!(with(lines).is_err(), "{lines}");
    }
    assert!(with("tenants = { acme = [\"s3://lake/a\"], umbra = [\"s3://lake/a1\"] }").is_ok());
}

/// A-080, R28: how keys for tables are made; an unknown provider, a role that is none, or a life out of bounds stops the
/// start.
#[test]
fn a_provider_of_keys_is_read_or_refused() {
    let vending = |table: &str| with(&format!("vending = {{ {table} }}"));
    let role = "provider = \"sts\", role_arn = \"arn:aws:iam::123456789012:role/vend\"";
    let config = vending(&format!("{role}, external_id = \"x\", duration_seconds = 1800")).unwrap();
    let found = config.storage.s3[0].vending.clone().unwrap();
    assert_eq!((found.role_arn.as_str(), found.duration_seconds), ("arn:aws:iam::123456789012:role/vend", 1_800));
    assert_eq!((found.endpoint, found.external_id.as_deref()), (None, Some("x")));
    assert!(!config.storage.s3[0].remote_signing);
    let usual = vending(role).unwrap().storage.s3[0].vending.clone().unwrap();
    assert_eq!(usual.duration_seconds, 900);
    assert!(with("remote_signing = true").unwrap().storage.s3[0].remote_signing);
    for (table, wanted) in [
        ("provider = \"gcs\", role_arn = \"x\"".to_owned(), "unknown variant `gcs`"),
        ("role_arn = \"arn:aws:iam::1:role/x\"".to_owned(), "provider"),
        ("provider = \"sts\"".to_owned(), "role_arn"),
        ("provider = \"sts\", role_arn = \"vend\"".to_owned(), "role_arn"),
        ("provider = \"sts\", role_arn = \"arn:aws*:iam::1:role/x\"".to_owned(), "role_arn"),
        (format!("{role}, duration_seconds = 899"), "duration_seconds"),
        (format!("{role}, duration_seconds = 3601"), "duration_seconds"),
        (format!("{role}, endpoint = \"http://sts.example\""), "vending.endpoint"),
        (format!("{role}, secret = \"x\""), "unknown field `secret`"),
    ] {
        let said = vending(&table).unwrap_err();
        assert!(said.contains(wanted), "{table}: {said}");
    }
}
