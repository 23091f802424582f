use super::*;

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Every error at once, each with the name of its setting; unknown ones with a suggestion.
#[test]
fn all_errors_are_told_at_once() {
    let text = "listne = \"127.0.0.1:1\"\n[limits]\nconnections_max = 0\nshutdown_seconds = 4\n[extra]\nthing = 1\n";
    let errors = Config::parse(text, &variables(&[("POLDER_LISTEN", "nowhere"), ("POLDER_DATADIR", "x")])).unwrap_err();
    let all = errors.join("\n");
    for wanted in [
        "`listen` is an address",
        "`limits.connections_max` is a whole number from 1 to 1000000",
        "unknown setting `listne`; did you mean `listen`?",
        "unknown setting `POLDER_DATADIR`; did you mean `data_dir`?",
        "unknown setting `extra.thing`",
    ] {
        assert!(all.contains(wanted), "no `{wanted}` in\n{all}");
    }
}

/// Nothing but loopback can be served, whichever way it is asked for.
#[test]
fn other_than_loopback_is_refused() {
    for listen in ["0.0.0.0:8181", "[::]:8181", "192.168.1.4:80", "[::ffff:127.0.0.1]:80"] {
        let from_file = Config::parse(&format!("listen = \"{listen}\""), &[]);
        let from_variable = Config::parse("", &variables(&[("POLDER_LISTEN", listen)]));
        assert!(from_file.unwrap_err().join("").contains("loopback"), "{listen}");
        assert!(from_variable.is_err(), "{listen}");
    }
}

#[test]
fn variables_win_over_the_file() {
    let text = "listen = \"127.0.0.1:1\"\ndata_dir = \"/a\"\n[limits]\nconnections_max = 5\n";
    let over =
        variables(&[("POLDER_LISTEN", "[::1]:2"), ("POLDER_LIMITS_CONNECTIONS_MAX", "7"), ("POLDER_DATA_DIR", " ")]);
    let config = Config::parse(text, &over).unwrap();
    assert_eq!(config.listen, "[::1]:2".parse().unwrap());
    assert_eq!(config.limits.connections_max, 7);
    assert_eq!(config.data_dir, PathBuf::from("/a"), "a blank variable counts as unset");
    assert_eq!(config.root_key_file, PathBuf::from("/a/root.key"));
}

#[test]
fn a_file_that_is_not_toml_is_an_error() {
    assert!(Config::parse("listen = ", &[]).unwrap_err().join("").contains("not TOML"));
}
