//! Which metadata database: the SQLite file in the data directory, or PostgreSQL by its URL. Refuses a password in the
//! configuration file, which people copy and commit.

use polder_types::Secret;

use super::read::Reader;

/// Which metadata database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file in the data directory.
    Embedded,
    /// PostgreSQL, by its URL, which may hold a password.
    Postgres(Secret),
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        const URL: &str = "database.url";
        let in_file = reader.is_in_file(URL);
        let plain = reader.text(URL);
        let referred = reader.secret(URL);
        if plain.is_some() && referred.is_some() {
            reader.error("`database.url` is given twice: by itself and by reference");
        }
        match (plain, referred) {
            (Some(url), _) => {
                if in_file && holds_password(&url) {
                    reader.error("`database.url` holds a password: give `database.url_file`, or POLDER_DATABASE_URL");
                }
                Self::Postgres(Secret::new(url))
            }
            (None, Some(url)) => Self::Postgres(url),
            (None, None) => Self::Embedded,
        }
    }
}

/// True if a URL brings a password, before its host or as a parameter.
fn holds_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, parameters) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || parameters.contains("password=")
}
