//! The self-test of a store's keys: they open what they are for, and nothing beside it. What the store must refuse it has
//! to refuse with 401 or 403; any other answer is no proof (A-086, R13).

use polder_types::{Error, Location, Micros, Result};

use super::{Provider, Vending, scope::Access, scope::Scope, session_policy, sts::Session};
use crate::{
    aws::{self, Client, Keys, Payload},
    ids::fresh_uuid,
};

/// The object that every try is about.
const BODY: &str = "proof";

/// What the self-test found out.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Keys open their table only.
    Narrow,
    /// They open more; what.
    Wide(&'static str),
}

/// What the store made of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    /// That nothing is there: an answer for somebody who may look.
    Absent,
    No,
}

/// What only the catalog writes.
const DOCUMENT: &str = "c.metadata.json";

/// Tries keys for a table that is made up, below `root`, beside another one whose name begins with its name.
///
/// # Errors
/// `Unavailable` if the store or the provider does not answer, and if keys do not open what they are for: nothing is
/// proved then.
pub(super) async fn prove(vending: &Vending, root: &Location, now: Micros) -> Result<Verdict> {
    let ground = root.join(&format!(".polder-proof-{}", fresh_uuid().simple()))?;
    let (own, beside) = (ground.join("t")?, ground.join("t1")?);
    let prover = Prover { vending, client: Client::new()?, own: key(&own), beside: key(&beside) };
    let verdict = prover.run(&own, now).await;
    prover.clean().await;
    verdict
}

struct Prover<'a> {
    vending: &'a Vending,
    client: Client,
    /// The prefix of the table that keys are made for, and of its neighbour; without a slash at the end.
    own: String,
    beside: String,
}

impl Prover<'_> {
    async fn run(&self, place: &Location, now: Micros) -> Result<Verdict> {
        let server = &self.vending.own;
        for directory in [&self.own, &self.beside] {
            self.must(server, "PUT", &format!("{directory}/a"), "the server cannot write its test objects").await?;
        }
        let reader = self.session(place, Access::Read, now).await?;
        self.must(&reader.keys, "GET", &format!("{}/a", self.own), "a reader's keys do not read").await?;
        if self.list(&reader.keys, &format!("{}/", self.own)).await? != Said::Yes {
            return Err(unproved("a reader's keys do not list".to_owned()));
        }
        for (method, key) in [("PUT", "b"), ("DELETE", "a")] {
            if self.ask(&reader.keys, method, &format!("{}/{key}", self.own), &[]).await? != Said::No {
                return Ok(Verdict::Wide("a reader's keys write"));
            }
        }
        let writer = self.session(place, Access::ReadWrite, now).await?;
        for method in ["PUT", "GET", "DELETE"] {
            self.must(&writer.keys, method, &format!("{}/b", self.own), "a writer's keys do not write").await?;
        }
        if self.ask(&writer.keys, "PUT", &format!("{}/{DOCUMENT}", self.own), &[]).await? != Said::No {
            return Ok(Verdict::Wide("a writer's keys write metadata files"));
        }
        for keys in [&reader.keys, &writer.keys] {
            if let Some(what) = self.beside(keys).await? {
                return Ok(Verdict::Wide(what));
            }
        }
        let Provider::Sts(sts) = self.vending.provider.as_ref();
        let policy = session_policy::of(&Scope::of(place, Access::ReadWrite)?, sts.partition())?;
        match sts.refuses(&writer.keys, "polder-proof", &policy).await? {
            true => Ok(Verdict::Narrow),
            false => Ok(Verdict::Wide("keys make further keys")),
        }
    }

    /// What keys can do beside their table, if anything.
    async fn beside(&self, keys: &Keys) -> Result<Option<&'static str>> {
        for (method, key) in [("GET", "a"), ("PUT", "b"), ("DELETE", "a")] {
            if self.ask(keys, method, &format!("{}/{key}", self.beside), &[]).await? != Said::No {
                return Ok(Some("keys read or write beside their table"));
            }
        }
        for prefix in [&format!("{}/", self.beside), &self.own, ""] {
            if self.list(keys, prefix).await? != Said::No {
                return Ok(Some("keys list beside their table"));
            }
        }
        Ok(None)
    }

    async fn session(&self, place: &Location, access: Access, now: Micros) -> Result<Session> {
        self.vending.provider.mint(&Scope::of(place, access)?, "polder-proof", now).await
    }

    async fn list(&self, keys: &Keys, prefix: &str) -> Result<Said> {
        self.ask(keys, "GET", "", &[("list-type", "2"), ("max-keys", "1"), ("prefix", prefix)]).await
    }

    async fn must(&self, keys: &Keys, method: &str, key: &str, or: &'static str) -> Result<()> {
        match self.ask(keys, method, key, &[]).await? {
            Said::Yes => Ok(()),
            Said::Absent | Said::No => Err(unproved(or.to_owned())),
        }
    }

    async fn ask(&self, keys: &Keys, method: &str, key: &str, query: &[(&str, &str)]) -> Result<Said> {
        let address = &self.vending.address;
        let target = address.target(key, query).ok_or_else(|| Error::internal("a bucket without an address"))?;
        let body = if method == "PUT" { BODY.to_owned() } else { String::new() };
        let mut request = aws::request(method, &address.write(&target), body)?;
        aws::sign(&mut request, keys, "s3", &address.region, Payload::Own);
        match self.client.send(request).await {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(Said::Yes),
            Ok(answer) if answer.status == 404 => Ok(Said::Absent),
            Ok(answer) if matches!(answer.status, 401 | 403) => Ok(Said::No),
            Ok(answer) => Err(unproved(format!("the store: HTTP {}", answer.status))),
            Err(why) => Err(unproved(format!("the store: {why}"))),
        }
    }

    /// Takes the objects away; what stays is a few bytes.
    async fn clean(&self) {
        let server = &self.vending.own;
        for directory in [&self.own, &self.beside] {
            for name in ["a", "b", DOCUMENT] {
                let gone = self.ask(server, "DELETE", &format!("{directory}/{name}"), &[]).await;
                if gone.is_err() {
                    tracing::warn!("an object of the self-test of credentials stays behind");
                }
            }
        }
    }
}

fn key(place: &Location) -> String {
    place.segments().join("/")
}

fn unproved(cause: String) -> Error {
    Error::unavailable("vending_unproved", "credentials cannot be handed out yet; try again").with_source(cause)
}
