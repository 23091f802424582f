use super::*;

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const DEV: [(&str, &str); 2] = [("POLDER_ENVIRONMENT", "dev"), ("POLDER_API_PUBLIC", "false")];

fn parse(text: &str, list: &[(&str, &str)]) -> Result<Config, String> {
    let look_up = |name: &str| (name == "THE_SECRET").then(|| "s3cret\n".to_owned());
    Config::parse(text, &variables(list), &look_up).map_err(|errors| errors.join("\n"))
}

fn in_dev(text: &str, list: &[(&str, &str)]) -> Result<Config, String> {
    parse(text, &[&DEV, list].concat())
}

/// Every error at once, each with the name of its setting; unknown ones with a suggestion.
#[test]
fn all_errors_are_told_at_once() {
    let text = "listne = \"127.0.0.1:1\"\n[limits]\nconnections_max = 0\nshutdown_seconds = 4\n[extra]\nthing = 1\n";
    let all = parse(text, &[("POLDER_LISTEN", "nowhere"), ("POLDER_DATADIR", "x")]).unwrap_err();
    for wanted in [
        "`environment` (POLDER_ENVIRONMENT) is missing",
        "`api_public` (POLDER_API_PUBLIC) is missing",
        "`listen` is an address",
        "`limits.connections_max` is a whole number from 1 to 1000000",
        "unknown setting `listne`; did you mean `listen`?",
        "unknown setting `POLDER_DATADIR`; did you mean `data_dir`?",
        "unknown setting `extra.thing`",
    ] {
        assert!(all.contains(wanted), "no `{wanted}` in\n{all}");
    }
}

/// each of both is required; missing, blank or invalid stops the start and names the variable.
#[test]
fn where_it_runs_must_be_said() {
    let (environment, public) = (("POLDER_ENVIRONMENT", "dev"), ("POLDER_API_PUBLIC", "false"));
    assert!(parse("", &[environment, public]).is_ok());
    for (list, variable) in [
        (vec![public], "POLDER_ENVIRONMENT"),
        (vec![environment], "POLDER_API_PUBLIC"),
        (vec![("POLDER_ENVIRONMENT", ""), public], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_ENVIRONMENT", " \t"), public], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_ENVIRONMENT", "Dev"), public], "POLDER_ENVIRONMENT"),
        (vec![("POLDER_ENVIRONMENT", "production"), public], "POLDER_ENVIRONMENT"),
        (vec![environment, ("POLDER_API_PUBLIC", "")], "POLDER_API_PUBLIC"),
        (vec![environment, ("POLDER_API_PUBLIC", "no")], "POLDER_API_PUBLIC"),
        (vec![environment, ("POLDER_API_PUBLIC", "0")], "POLDER_API_PUBLIC"),
        (vec![environment, ("POLDER_API_PUBLIC", "FALSE")], "POLDER_API_PUBLIC"),
    ] {
        let said = parse("", &list).unwrap_err();
        assert!(said.contains(variable) && said.lines().count() == 1, "{list:?}: {said}");
    }
    assert!(parse("environment = \"dev\"\napi_public = false\n", &[]).is_ok());
    assert!(parse("environment = \"\"\napi_public = 0\n", &[]).unwrap_err().lines().count() == 2);
}

/// The word of the environment alone never makes a public deployment less careful.
#[test]
fn variables_choose_the_posture() {
    let file = "environment = \"dev\"\napi_public = false\n";
    assert_eq!(parse(file, &[]).unwrap().posture, Posture::Dev);
    assert_eq!(
        parse(file, &[("POLDER_API_PUBLIC", "true"), PROD[2], PROD[3]]).map(|config| config.posture).ok(),
        Some(Posture::Public)
    );
}

/// An address that others can reach needs TLS, own or of a proxy in front, outside development.
#[test]
fn other_hosts_need_tls() {
    let tls = "[server.tls]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n";
    let proxy = "[server]\nbehind_proxy = true\n";
    for (environment, public) in [("dev", "true"), ("staging", "false"), ("prod", "false"), ("prod", "true")] {
        for listen in ["0.0.0.0:8181", "[::]:8181", "192.168.1.4:80", "[::ffff:127.0.0.1]:80"] {
            let list = [
                ("POLDER_ENVIRONMENT", environment),
                ("POLDER_API_PUBLIC", public),
                ("POLDER_LISTEN", listen),
                PROD[2],
                PROD[3],
            ];
            let plain = parse("", &list).unwrap_err();
            assert!(plain.contains("`listen`") && plain.contains("server.tls"), "{plain}");
            assert!(parse(tls, &list).is_ok() && parse(proxy, &list).is_ok(), "{environment} {listen}");
            assert!(parse("[server]\nbehind_proxy = false\n", &list).is_err());
        }
    }
    assert!(in_dev("", &[("POLDER_LISTEN", "0.0.0.0:8181")]).is_ok());
    assert!(in_dev("[server.tls]\ncert_file = \"c.pem\"\n", &[]).unwrap_err().contains("go together"));
    assert!(in_dev("[server]\nbehind_proxy = \"yes\"\n", &[]).unwrap_err().contains("`server.behind_proxy` is true"));
}

#[test]
fn variables_win_over_the_file() {
    let text = "listen = \"127.0.0.1:1\"\ndata_dir = \"/a\"\n[limits]\nconnections_max = 5\n";
    let over = [("POLDER_LISTEN", "[::1]:2"), ("POLDER_LIMITS_CONNECTIONS_MAX", "7"), ("POLDER_DATA_DIR", " ")];
    let config = in_dev(text, &over).unwrap();
    assert_eq!(config.listener.address, "[::1]:2".parse().unwrap());
    assert_eq!(config.limits.connections_max, 7);
    assert_eq!(config.data_dir, PathBuf::from("/a"), "a blank variable counts as unset");
    assert_eq!(config.root_key_file, PathBuf::from("/a/root.key"));
}

#[test]
fn a_file_that_is_not_toml_is_an_error() {
    assert!(in_dev("listen = ", &[]).unwrap_err().contains("not TOML"));
}

/// Secrets come by reference, from one place; blank ones are none.
#[test]
fn secrets_come_by_reference() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file\n\n").unwrap();
    let path = file.path().display().to_string();
    let look_up = |name: &str| match name {
        "THE_SECRET" => Some("from a variable\n".to_owned()),
        "BLANK" => Some(" ".to_owned()),
        _ => None,
    };
    let read = |text: &str| {
        let mut reader = Reader::new(text, &[], &look_up);
        let secret = reader.secret("a.key").map(|secret| secret.expose().to_owned());
        (secret, reader.finish().join("\n"))
    };
    assert_eq!(read(""), (None, String::new()));
    assert_eq!(read(&format!("a.key_file = \"{path}\"")), (Some("from a file".to_owned()), String::new()));
    assert_eq!(read("a.key_env = \"THE_SECRET\""), (Some("from a variable".to_owned()), String::new()));
    for (text, wanted) in [
        (format!("a.key_file = \"{path}\"\na.key_env = \"THE_SECRET\""), "contradict"),
        ("a.key_file = \"/no/such/file\"".to_owned(), "cannot read"),
        ("a.key_env = \"BLANK\"".to_owned(), "empty or not set"),
        ("a.key_env = \"UNSET\"".to_owned(), "empty or not set"),
        ("a.key_env = \"POLDER_KEY\"".to_owned(), "does not begin with POLDER_"),
        ("a.key = \"literal\"".to_owned(), "unknown setting `a.key`"),
    ] {
        let (secret, errors) = read(&text);
        assert!(secret.is_none() && errors.contains(wanted), "{text}: {errors}");
        assert!(!errors.contains("literal") && !errors.contains("from a"), "{errors}");
    }
}

/// The database's URL comes by reference: with a password it is not taken from the file, and no error repeats it.
#[test]
fn the_password_of_the_database_is_not_in_the_file() {
    for text in ["postgres://polder:hunter2@db/polder", "postgres://db/polder?user=polder&password=hunter2"] {
        let refused = in_dev(&format!("[database]\nurl = \"{text}\""), &[]).unwrap_err();
        assert!(refused.contains("`database.url_file`") && !refused.contains("hunter2"), "{refused}");
        let config = in_dev("", &[("POLDER_DATABASE_URL", text)]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let Database::Postgres(url) = config.database else { panic!("not a URL") };
        assert_eq!(url.expose(), text);
    }
    let named = |config: Config| match config.database {
        Database::Embedded => None,
        Database::Postgres(url) => Some(url.expose().to_owned()),
    };
    let without = "postgres://polder@db/polder";
    assert_eq!(named(in_dev(&format!("[database]\nurl = \"{without}\""), &[]).unwrap()).as_deref(), Some(without));
    assert_eq!(named(in_dev("database.url_env = \"THE_SECRET\"", &[]).unwrap()).as_deref(), Some("s3cret"));
    assert!(in_dev("database.url_env = \"THE_SECRET\"\ndatabase.url = \"postgres://db\"", &[]).is_err());
    assert!(named(in_dev("", &[]).unwrap()).is_none());
}

const PROD: [(&str, &str); 4] = [
    ("POLDER_ENVIRONMENT", "prod"),
    ("POLDER_API_PUBLIC", "false"),
    ("POLDER_AUTH_ISSUER", "https://id.example"),
    ("POLDER_AUTH_AUDIENCE", "polder-api"),
];

/// debug is for development alone, and for loopback unless it is said twice.
#[test]
fn debug_is_for_development_alone() {
    assert!(in_dev("", &[("POLDER_DEBUG", "true")]).unwrap().auth.debug);
    assert!(!in_dev("", &[("POLDER_DEBUG", "false")]).unwrap().auth.debug);
    assert!(!in_dev("", &[("POLDER_DEBUG", " ")]).unwrap().auth.debug);
    assert!(in_dev("", &[("POLDER_DEBUG", "1")]).unwrap_err().contains("POLDER_DEBUG"));
    for (environment, public) in
        [("dev", "true"), ("staging", "false"), ("staging", "true"), ("prod", "false"), ("prod", "true")]
    {
        let list = [("POLDER_ENVIRONMENT", environment), ("POLDER_API_PUBLIC", public), PROD[2], PROD[3]];
        assert!(parse("", &list).is_ok());
        let debug = [&list[..], &[("POLDER_DEBUG", "true"), ("POLDER_DEBUG_ANY_ADDRESS", "true")]].concat();
        assert!(parse("", &debug).unwrap_err().contains("POLDER_DEBUG"), "{environment} {public}");
    }
    let open = [("POLDER_DEBUG", "true"), ("POLDER_LISTEN", "0.0.0.0:8181")];
    assert!(in_dev("", &open).unwrap_err().contains("debug_any_address"));
    assert!(in_dev("debug_any_address = true\n", &open).is_ok());
    let proxied = [("POLDER_DEBUG", "true"), ("POLDER_SERVER_BEHIND_PROXY", "true")];
    assert!(in_dev("", &proxied).unwrap_err().contains("debug_any_address"), "whoever the proxy lets in");
    assert!(in_dev("debug_any_address = true\n", &proxied).is_ok());
}

/// outside development issuer and audience are required; blank is the same as missing.
#[test]
fn issuer_and_audience_are_required_outside_development() {
    for (environment, public) in
        [("dev", "true"), ("staging", "false"), ("staging", "true"), ("prod", "false"), ("prod", "true")]
    {
        let place = [("POLDER_ENVIRONMENT", environment), ("POLDER_API_PUBLIC", public)];
        assert!(parse("", &[&place[..], &PROD[2..]].concat()).is_ok());
        for list in [
            vec![],
            vec![PROD[2]],
            vec![PROD[3]],
            vec![PROD[2], ("POLDER_AUTH_AUDIENCE", "")],
            vec![("POLDER_AUTH_ISSUER", " \t "), PROD[3]],
        ] {
            let said = parse("", &[&place[..], &list].concat()).unwrap_err();
            assert!(said.contains("POLDER_AUTH_ISSUER") || said.contains("POLDER_AUTH_AUDIENCE"), "{list:?}: {said}");
        }
    }
    assert!(in_dev("", &[]).is_ok());
}

/// A-014, R28: somebody must be able to enter, by keys that do not contradict each other and that can be used.
#[test]
fn key_material_is_required_and_single() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "0123456789abcdef0123456789abcdef\n").unwrap();
    let short = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(short.path(), "0123456789abcdef0123456789abcde\n\n\n").unwrap();
    let (secret, short) = (secret.path().display().to_string(), short.path().display().to_string());
    let off = "[auth]\nbuiltin_issuer = false\n";
    assert!(in_dev(off, &[]).unwrap_err().contains("nobody could enter"));
    assert!(in_dev(off, &[("POLDER_DEBUG", "true")]).is_ok(), "debug headers are a way to enter");
    assert!(in_dev(&format!("{off}hs256_secret_file = \"{secret}\"\n"), &[]).is_ok());
    assert!(in_dev(&format!("{off}hs256_secret_file = \"{short}\"\n"), &[]).unwrap_err().contains("32 bytes"));
    assert!(in_dev(&format!("{off}issuer = \"x\"\n"), &[("POLDER_DEBUG", "true")]).unwrap_err().contains("of no use"));
    let both = format!("{off}hs256_secret_file = \"{secret}\"\npublic_key_file = \"{secret}\"\n");
    assert!(in_dev(&both, &[]).unwrap_err().contains("contradict"));
    let jwks = format!("{off}jwks_url = \"https://id.example/keys\"\nhs256_secret_file = \"{secret}\"\n");
    assert!(in_dev(&jwks, &[]).unwrap_err().contains("not supported yet"));
    assert!(
        in_dev("[auth]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"\n", &[])
            .unwrap_err()
            .contains("unknown setting")
    );
    assert!(in_dev("[auth]\nprovider = \"none\"\n", &[]).unwrap_err().contains("unknown setting"));
    let public = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(public.path(), format!("\n-----BEGIN PUBLIC KEY-----\n{}\n", "A".repeat(64))).unwrap();
    let public = in_dev(&format!("{off}hs256_secret_file = \"{}\"\n", public.path().display()), &[]).unwrap_err();
    assert!(public.contains("public_key_file") && !public.contains("BEGIN") && !public.contains("AAA"), "{public}");
    let debug = format!("{:?}", in_dev(&format!("[auth]\nhs256_secret_file = \"{secret}\"\n"), &[]).unwrap());
    assert!(!debug.contains("0123456789"), "{debug}");
}

/// R20: the operations listener is inside, or asks for a token.
#[test]
fn operations_are_inside_or_guarded() {
    let token = [("POLDER_OPERATIONS_TOKEN_ENV", "THE_LONG_SECRET")];
    let look_up = |name: &str| (name == "THE_LONG_SECRET").then(|| "a token of the operations".to_owned());
    let parse = |list: &[(&str, &str)]| {
        Config::parse("", &variables(&[&DEV, list].concat()), &look_up).map_err(|errors| errors.join("\n"))
    };
    assert!(parse(&[]).unwrap().operations.listen.is_none());
    assert!(parse(&[("POLDER_OPERATIONS_LISTEN", "127.0.0.1:9090")]).is_ok());
    assert!(parse(&[("POLDER_OPERATIONS_LISTEN", "0.0.0.0:9090")]).unwrap_err().contains("operations.token_file"));
    assert!(parse(&[("POLDER_OPERATIONS_LISTEN", "0.0.0.0:9090"), token[0]]).is_ok());
    assert!(parse(&token).unwrap_err().contains("of no use"));
    assert!(parse(&[("POLDER_OPERATIONS_LISTEN", "127.0.0.1:9090"), token[0]]).is_ok());
}

/// R20: the token of the operations listener crosses a network in TLS, or inside behind the proxy of the doors.
#[test]
fn the_token_of_the_operations_does_not_travel_in_clear() {
    let look_up = |name: &str| (name == "THE_LONG_SECRET").then(|| "a token of the operations".to_owned());
    let token = ("POLDER_OPERATIONS_TOKEN_ENV", "THE_LONG_SECRET");
    let tls = "[server.tls]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n";
    for (environment, public) in [("dev", "true"), ("staging", "false"), ("prod", "false"), ("prod", "true")] {
        let parse = |text: &str, listen: &str| {
            let place = [("POLDER_ENVIRONMENT", environment), ("POLDER_API_PUBLIC", public), PROD[2], PROD[3]];
            let list = [&place[..], &[token, ("POLDER_OPERATIONS_LISTEN", listen)]].concat();
            Config::parse(text, &variables(&list), &look_up).map_err(|errors| errors.join("\n"))
        };
        for listen in ["10.0.0.5:9090", "[::]:9090"] {
            let plain = parse("", listen).unwrap_err();
            assert!(plain.contains("`operations.listen`") && plain.contains("server.tls"), "{plain}");
            assert!(parse(tls, listen).is_ok() && parse("[server]\nbehind_proxy = true\n", listen).is_ok());
        }
        assert!(parse("", "[::1]:9090").is_ok());
    }
}

/// The documented file is read, says every default, and leaves open only what has none.
#[test]
fn the_documented_file_is_the_defaults() {
    let text = include_str!("../../../../docs/polder.toml");
    let (documented, default) = (in_dev(text, &[]).unwrap(), in_dev("", &[]).unwrap());
    assert_eq!(format!("{documented:?}"), format!("{default:?}"));
    assert!(parse(text, &[]).unwrap_err().contains("POLDER_ENVIRONMENT"));
}
