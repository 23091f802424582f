use bb8::ManageConnection;
use sqlx::postgres::PgSslMode;
use tokio::net::TcpListener;

use super::*;

/// A peer that accepts and says nothing takes no reader for good: making a connection ends by itself.
#[tokio::test]
async fn a_silent_peer_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = PgConnectOptions::new().host("127.0.0.1").port(port).username("x").ssl_mode(PgSslMode::Disable);
    let connector = Connector(options.clone());
    let error = tokio::time::timeout(CONNECT_MAX * 4, connector.connect()).await.unwrap().map(drop).unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
    let error = Readers::new(options, 1, Duration::from_millis(100)).get().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), polder_types::ErrorKind::Unavailable);
}
