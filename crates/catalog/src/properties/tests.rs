//! Tests of refused properties.

use std::{collections::BTreeMap, sync::Arc};

use polder_types::{CredentialId, ErrorKind, PrincipalId, PrincipalKind, Scopes};

use super::*;

fn etl() -> Principal {
    Principal {
        tenant: "acme".parse().unwrap(),
        id: PrincipalId(uuid::Uuid::nil()),
        name: "etl".into(),
        kind: PrincipalKind::Service,
        credential: CredentialId::Key("pk_aaaaaaaaaaaaaaaaaaaa".parse().unwrap()),
        scopes: Scopes::data(),
        roles: Arc::new([]),
        attributes: Arc::default(),
        actor: None,
    }
}

fn governed(name: &str, text: &str) -> Result<String> {
    let mut properties = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    govern(&mut properties, &etl()).map(|()| properties.remove(name).unwrap())
}

/// R12: no property that chooses a FileIO, a class, an endpoint or a credential is stored.
#[test]
fn properties_that_redirect_file_access_are_refused() {
    for name in [
        "io-impl",
        "py-io-impl",
        "PY-IO-IMPL",
        "write.location-provider.impl",
        "encryption.kms-impl",
        "s3.endpoint",
        "s3.access-key-id",
        "gcs.oauth2.token",
        "adls.sas-token.x",
        "client.region",
        "fs.s3a.endpoint",
        "uri",
        "token",
        "rest.sigv4-enabled",
        "header.x",
        "my.endpoint",
        "metrics-reporter-impl",
    ] {
        let error = governed(name, "x").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "property_not_allowed"), "{name}");
    }
}

/// R36: an identity comes from the principal, never from the client.
#[test]
fn a_named_owner_becomes_the_caller() {
    assert_eq!(governed("owner", "root").unwrap(), "etl");
    assert_eq!(governed("Owner", "root").unwrap(), "etl");
    assert!(governed("trino.run-as-owner", "true").is_err());
}

/// what real clients send is stored as it is.
#[test]
fn properties_that_real_clients_send_are_kept() {
    for name in [
        "comment",
        "create_engine_version",
        "write.delete.mode",
        "write.parquet.compression-codec",
        "created-at",
        "schema.name-mapping.default",
        "write.wap.enabled",
        "write.metadata.previous-versions-max",
        "rig.k",
        "spark.query-column-names",
        "write.upsert.enabled",
        "write.object-storage.enabled",
    ] {
        assert_eq!(governed(name, "v").unwrap(), "v", "{name}");
    }
}

fn of_a_view(name: &str, text: &str) -> Result<String> {
    let mut properties = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    govern_view(&mut properties, &etl()).map(|()| properties.remove(name).unwrap())
}

/// R36: a view may run with the rights of the one who makes it and of nobody else, however the property is spelled.
#[test]
fn a_view_runs_as_nobody_else() {
    for name in ["trino.run-as-owner", "TRINO.Run-As-Owner", "x.run_as"] {
        assert_eq!(of_a_view(name, "etl").unwrap(), "etl");
        for other in ["admin", "ETL", "etl ", ""] {
            assert_eq!(of_a_view(name, other).unwrap_err().kind(), ErrorKind::Invalid, "{name}={other}");
        }
        assert!(governed(name, "etl").is_err(), "of a table it means nothing");
        assert!(check_view_identity([(name, "etl"), ("comment", "admin")], &etl()).is_ok());
        let error = check_view_identity([("comment", "x"), (name, "admin")], &etl()).unwrap_err();
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Forbidden, Subject::View));
        assert!(!error.message().contains("admin"), "it does not say whose");
    }
    assert!(of_a_view("s3.endpoint", "etl").is_err() && of_a_view("io-impl", "etl").is_err());
    assert_eq!(of_a_view("owner", "admin").unwrap(), "etl");
}

/// R12, R36: what somebody else wrote into a document is held to the same, and is not mended in silence.
#[test]
fn a_document_of_others_is_checked_as_if_it_were_set() {
    for good in [("comment", "x"), ("owner", "etl"), ("trino.run-as-owner", "etl")] {
        assert!(check_written([good], &etl()).is_ok(), "{good:?}");
    }
    for bad in [("owner", "admin"), ("trino.run-as-owner", "admin"), ("py-io-impl", "x"), ("token", "x")] {
        assert_eq!(check_written([("a", "b"), bad], &etl()).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
    }
}
