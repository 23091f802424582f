use super::{Environment::*, *};

/// six rows, all columns.
#[test]
fn six_rows_and_all_columns() {
    struct Row(Environment, bool, Posture, Columns);
    #[derive(Debug, PartialEq)]
    struct Columns {
        debug: bool,
        open_metrics: bool,
        issuer_and_audience: bool,
        tls: bool,
    }
    let dev = || Columns { debug: true, open_metrics: true, issuer_and_audience: false, tls: false };
    let private = || Columns { debug: false, open_metrics: true, issuer_and_audience: true, tls: true };
    let public = || Columns { debug: false, open_metrics: false, issuer_and_audience: true, tls: true };
    for Row(environment, reachable, posture, columns) in [
        Row(Dev, false, Posture::Dev, dev()),
        Row(Dev, true, Posture::Public, public()),
        Row(Staging, false, Posture::Private, private()),
        Row(Staging, true, Posture::Public, public()),
        Row(Prod, false, Posture::Private, private()),
        Row(Prod, true, Posture::Public, public()),
    ] {
        let found = Posture::of(environment, reachable);
        assert_eq!(found, posture, "{environment:?} {reachable}");
        let found = Columns {
            debug: found.allows_debug(),
            open_metrics: found.opens_metrics(),
            issuer_and_audience: found.requires_issuer_and_audience(),
            tls: found.requires_tls(),
        };
        assert_eq!(found, columns, "{environment:?} {reachable}");
    }
}

/// The three words, in lower case, and nothing that merely looks like one.
#[test]
fn environments_are_three_words() {
    for (text, environment) in [("dev", Dev), ("staging", Staging), ("prod", Prod)] {
        assert_eq!(text.parse(), Ok(environment));
    }
    for text in ["", " ", "Dev", "DEV", "production", "development", "test", "dev ", "prod\n", "0"] {
        assert!(text.parse::<Environment>().is_err(), "{text:?}");
    }
}
