//! What an answer says.

use crate::world::{World, hidden, visible};

#[tokio::test]
async fn smoke() {
    let world = World::restricted(&vec![visible("CANARY"), hidden("CANARY", 10..20)]).await;
    for sql in [
        "SELECT * FROM pub.emp",
        "EXPLAIN SELECT name, ssn FROM pub.emp WHERE salary > 150 ORDER BY id LIMIT 3",
        "SHOW TABLES",
        "DESCRIBE pub.emp",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM hr.salaries",
        "SELECT * FROM lake.pub.dim",
    ] {
        match world.ask(sql).await {
            Ok(answer) => println!("{}", serde_json::to_string_pretty(&answer).unwrap()),
            Err(error) => println!("{sql}: {error:?}"),
        }
    }
}
