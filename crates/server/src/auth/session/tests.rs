use super::*;

fn session() -> Session {
    let key = "pk_abcdefghijklmnopqrst".parse().unwrap();
    let (tenant, credential) = ("acme".parse().unwrap(), polder_types::CredentialId::Key(key));
    let identity = Identity { tenant, credential, scopes: None, expires_at: None, subject: None };
    Session::new(identity)
}

/// the first use is a record of its own, and then one every five minutes, for one caller only.
#[test]
fn records_are_due_every_five_minutes() {
    let session = session();
    let start = Micros(1_700_000_000_000_000);
    for (seconds, due) in [(0, true), (0, false), (299, false), (300, true), (301, false), (599, false), (900, true)] {
        assert_eq!(session.record_is_due(start.plus_seconds(seconds)), due, "after {seconds} s");
    }
}
