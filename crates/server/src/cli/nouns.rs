//! The administration nouns: each verb is one request to `/api/v1/admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::client::{Client, ClientError};

const BASE: &str = "/api/v1/admin";

type Answer = Result<Value, ClientError>;

/// Paging of a list.
#[derive(Args, Debug)]
pub(crate) struct Page {
    /// Most rows of one page
    #[arg(long)]
    page_size: Option<u32>,
    /// Token that the previous page ended with
    #[arg(long)]
    page_token: Option<String>,
}

impl Page {
    fn path(&self, noun: &str) -> String {
        self.path_with(noun, "", None)
    }

    /// As [`Page::path`], with a further parameter if it has a value.
    fn path_with(&self, noun: &str, name: &str, value: Option<&str>) -> String {
        let mut query = Vec::new();
        query.extend(value.map(|value| format!("{name}={}", encode(value))));
        query.extend(self.page_size.map(|size| format!("page_size={size}")));
        query.extend(self.page_token.as_deref().map(|token| format!("page_token={}", encode(token))));
        if query.is_empty() { format!("{BASE}/{noun}") } else { format!("{BASE}/{noun}?{}", query.join("&")) }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An object of those members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    Value::Object(
        members
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)))
            .collect::<Map<_, _>>(),
    )
}

/// `name=value` pairs; a value that reads as a whole number or a truth value is one, a comma makes a list.
fn attributes(pairs: &[String]) -> Result<Option<Value>, ClientError> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut members = Map::new();
    for pair in pairs {
        let (name, text) = pair
            .split_once('=')
            .ok_or_else(|| ClientError::Usage(format!("`{pair}` is not of the form name=value")))?;
        let value = match text {
            "true" => json!(true),
            "false" => json!(false),
            _ if text.parse::<i64>().is_ok() => json!(text.parse::<i64>().unwrap_or_default()),
            _ if text.contains(',') => json!(text.split(',').collect::<Vec<_>>()),
            _ => json!(text),
        };
        members.insert(name.to_owned(), value);
    }
    Ok(Some(Value::Object(members)))
}

/// `polder tenant`
#[derive(Subcommand, Debug)]
pub(crate) enum Tenant {
    /// Makes a tenant with its first administrator; prints the administrator's key once
    Create {
        /// 3 to 63 of a-z, 0-9 and -
        id: String,
        /// Name of the first administrator
        #[arg(long, default_value = "admin")]
        admin: String,
    },
    /// Lists the tenants
    List(Page),
}

impl Tenant {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        match self {
            Self::Create { id, admin } => {
                client.post(&format!("{BASE}/tenants"), &json!({"id": id, "admin": admin})).await
            }
            Self::List(page) => client.get(&page.path("tenants")).await,
        }
    }
}

/// `polder warehouse`
#[derive(Subcommand, Debug)]
pub(crate) enum Warehouse {
    /// Makes a warehouse
    Create {
        /// 3 to 63 of a-z, 0-9 and -
        name: String,
        /// Where its tables live (default: a place of its own below the server's managed root)
        #[arg(long)]
        root: Option<String>,
        /// A further location that tables may live in; repeatable
        #[arg(long = "allowed-location")]
        allowed_locations: Vec<String>,
        /// The one that paths without a warehouse mean
        #[arg(long)]
        default: bool,
    },
    /// Lists the warehouses
    List(Page),
    /// Shows one
    Show {
        /// Its name
        name: String,
    },
    /// Deletes an empty one
    Delete {
        /// Its name
        name: String,
    },
}

impl Warehouse {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        match self {
            Self::Create { name, root, allowed_locations, default } => {
                let allowed = (!allowed_locations.is_empty()).then(|| json!(allowed_locations));
                let body = object([
                    ("name", Some(json!(name))),
                    ("root", root.as_ref().map(|root| json!(root))),
                    ("allowed_locations", allowed),
                    ("default", default.then(|| json!(true))),
                ]);
                client.post(&format!("{BASE}/warehouses"), &body).await
            }
            Self::List(page) => client.get(&page.path("warehouses")).await,
            Self::Show { name } => client.get(&format!("{BASE}/warehouses/{}", encode(name))).await,
            Self::Delete { name } => client.delete(&format!("{BASE}/warehouses/{}", encode(name))).await,
        }
    }
}

/// `polder principal`
#[derive(Subcommand, Debug)]
pub(crate) enum Principal {
    /// Makes a principal
    Create {
        /// Its name, unique in the tenant
        name: String,
        /// user or service
        #[arg(long, default_value = "user")]
        kind: String,
        /// Attribute for row filters and masks, name=value; repeatable
        #[arg(long = "attribute")]
        attributes: Vec<String>,
    },
    /// Lists the principals
    List(Page),
    /// Shows one with its roles
    Show {
        /// Its name
        name: String,
    },
    /// Disables it: its keys and tokens stop working
    Disable {
        /// Its name
        name: String,
    },
    /// Enables it again
    Enable {
        /// Its name
        name: String,
    },
    /// Replaces its attributes
    SetAttributes {
        /// Its name
        name: String,
        /// name=value; repeatable
        #[arg(long = "attribute")]
        attributes: Vec<String>,
    },
    /// Deletes it with its keys
    Delete {
        /// Its name
        name: String,
    },
}

impl Principal {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let path = |name: &str| format!("{BASE}/principals/{}", encode(name));
        match self {
            Self::Create { name, kind, attributes: pairs } => {
                let body = object([
                    ("name", Some(json!(name))),
                    ("kind", Some(json!(kind))),
                    ("attributes", attributes(pairs)?),
                ]);
                client.post(&format!("{BASE}/principals"), &body).await
            }
            Self::List(page) => client.get(&page.path("principals")).await,
            Self::Show { name } => client.get(&path(name)).await,
            Self::Disable { name } => client.patch(&path(name), &json!({"enabled": false})).await,
            Self::Enable { name } => client.patch(&path(name), &json!({"enabled": true})).await,
            Self::SetAttributes { name, attributes: pairs } => {
                let attributes = attributes(pairs)?.unwrap_or_else(|| json!({}));
                client.patch(&path(name), &json!({"attributes": attributes})).await
            }
            Self::Delete { name } => client.delete(&path(name)).await,
        }
    }
}

/// `polder key`
#[derive(Subcommand, Debug)]
pub(crate) enum Key {
    /// Makes a key; its secret is shown this once
    Create {
        /// Whose it is
        #[arg(long)]
        principal: String,
        /// Scopes, separated by spaces
        #[arg(long, default_value = "catalog")]
        scopes: String,
        /// Seconds until it ends (default: never)
        #[arg(long)]
        expires_in: Option<u64>,
    },
    /// Lists the keys, never their secrets
    List(Page),
    /// Revokes a key and every token made from it
    Revoke {
        /// Its id, `pk_…`
        id: String,
    },
}

impl Key {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        match self {
            Self::Create { principal, scopes, expires_in } => {
                let body = object([
                    ("principal", Some(json!(principal))),
                    ("scopes", Some(json!(scopes))),
                    ("expires_in_seconds", expires_in.map(|seconds| json!(seconds))),
                ]);
                client.post(&format!("{BASE}/keys"), &body).await
            }
            Self::List(page) => client.get(&page.path("keys")).await,
            Self::Revoke { id } => client.delete(&format!("{BASE}/keys/{}", encode(id))).await,
        }
    }
}

/// `polder role`
#[derive(Subcommand, Debug)]
pub(crate) enum Role {
    /// Makes a role
    Create {
        /// Its name
        name: String,
    },
    /// Lists the roles
    List(Page),
    /// Deletes a role with its grants
    Delete {
        /// Its name
        name: String,
    },
    /// Gives a role to a principal
    Assign {
        /// The role
        role: String,
        /// The principal
        principal: String,
    },
    /// Takes a role from a principal
    Unassign {
        /// The role
        role: String,
        /// The principal
        principal: String,
    },
    /// Lets the holders of a role act for the holders of another, as an engine does for its users
    AllowImpersonation {
        /// The role of who acts
        role: String,
        /// The role of those for whom
        #[arg(long = "of")]
        of: String,
    },
    /// Takes that back; sessions end at their next request
    RevokeImpersonation {
        /// The role of who acts
        role: String,
        /// The role of those for whom
        #[arg(long = "of")]
        of: String,
    },
}

impl Role {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let member =
            |role: &str, principal: &str| format!("{BASE}/roles/{}/principals/{}", encode(role), encode(principal));
        let impersonation = |role: &str, of: &str| format!("{BASE}/roles/{}/impersonates/{}", encode(role), encode(of));
        match self {
            Self::Create { name } => client.post(&format!("{BASE}/roles"), &json!({"name": name})).await,
            Self::List(page) => client.get(&page.path("roles")).await,
            Self::Delete { name } => client.delete(&format!("{BASE}/roles/{}", encode(name))).await,
            Self::Assign { role, principal } => client.put(&member(role, principal), &json!({})).await,
            Self::Unassign { role, principal } => client.delete(&member(role, principal)).await,
            Self::AllowImpersonation { role, of } => client.put(&impersonation(role, of), &json!({})).await,
            Self::RevokeImpersonation { role, of } => client.delete(&impersonation(role, of)).await,
        }
    }
}

/// `polder grant`
#[derive(Subcommand, Debug)]
pub(crate) enum Grant {
    /// Allows or denies privileges on an object and everything below it
    Create {
        /// The role
        #[arg(long)]
        role: String,
        /// A privilege; repeatable
        #[arg(long = "privilege", required = true)]
        privileges: Vec<String>,
        /// The warehouse (without it: the whole tenant)
        #[arg(long)]
        warehouse: Option<String>,
        /// The namespace, levels joined by dots
        #[arg(long, requires = "warehouse")]
        namespace: Option<String>,
        /// The table
        #[arg(long, requires = "namespace")]
        table: Option<String>,
        /// Deny instead of allow
        #[arg(long)]
        deny: bool,
    },
    /// Lists the grants
    List(Page),
    /// Removes a grant
    Delete {
        /// Its id
        id: String,
    },
}

impl Grant {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        match self {
            Self::Create { role, privileges, warehouse, namespace, table, deny } => {
                let on = object([
                    ("warehouse", warehouse.as_ref().map(|name| json!(name))),
                    ("namespace", namespace.as_ref().map(|name| json!(levels(name)))),
                    ("table", table.as_ref().map(|name| json!(name))),
                ]);
                let effect = if *deny { "deny" } else { "allow" };
                let body = json!({"role": role, "privileges": privileges, "on": on, "effect": effect});
                client.post(&format!("{BASE}/grants"), &body).await
            }
            Self::List(page) => client.get(&page.path("grants")).await,
            Self::Delete { id } => client.delete(&format!("{BASE}/grants/{}", encode(id))).await,
        }
    }
}

fn levels(namespace: &str) -> Vec<&str> {
    namespace.split('.').collect()
}

/// `polder policy`
#[derive(Subcommand, Debug)]
pub(crate) enum Policy {
    /// Makes a policy from a JSON or TOML file
    Create {
        /// The file
        #[arg(long)]
        file: PathBuf,
    },
    /// Lists the policies
    List(Page),
    /// Shows one as it was written
    Show {
        /// Its name
        name: String,
    },
    /// Deletes one
    Delete {
        /// Its name
        name: String,
    },
}

impl Policy {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let path = |name: &str| format!("{BASE}/policies/{}", encode(name));
        match self {
            Self::Create { file } => client.post(&format!("{BASE}/policies"), &read_policy(file)?).await,
            Self::List(page) => client.get(&page.path("policies")).await,
            Self::Show { name } => client.get(&path(name)).await,
            Self::Delete { name } => client.delete(&path(name)).await,
        }
    }
}

fn read_policy(file: &PathBuf) -> Answer {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ClientError::Usage(format!("cannot read `{}`: {error}", file.display())))?;
    let parsed = if file.extension().is_some_and(|ending| ending == "toml") {
        toml::from_str(&text).map_err(|error| error.to_string())
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    parsed.map_err(|error| ClientError::Usage(format!("`{}` is not a policy file: {error}", file.display())))
}

/// `polder table`
#[derive(Subcommand, Debug)]
pub(crate) enum Table {
    /// Releases a table that was created in a restricted namespace, so that restricted principals see it
    Release {
        /// The warehouse
        #[arg(long)]
        warehouse: String,
        /// The namespace, levels joined by dots
        #[arg(long)]
        namespace: String,
        /// The table
        name: String,
    },
}

impl Table {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let Self::Release { warehouse, namespace, name } = self;
        let body = json!({"warehouse": warehouse, "namespace": levels(namespace), "table": name});
        client.post(&format!("{BASE}/tables/release"), &body).await
    }
}

/// `polder job`
#[derive(Subcommand, Debug)]
pub(crate) enum Job {
    /// Lists durable jobs (purges of dropped tables), newest first
    List(Page),
}

impl Job {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let Self::List(page) = self;
        client.get(&page.path("jobs")).await
    }
}

/// `polder report`
#[derive(Subcommand, Debug)]
pub(crate) enum Report {
    /// Lists what clients reported of their scans and commits, newest first
    List {
        #[command(flatten)]
        page: Page,
        /// Only of the table with this id (not its `table-uuid`: the id that reports and audit records give)
        #[arg(long)]
        table_id: Option<String>,
    },
}

impl Report {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let Self::List { page, table_id } = self;
        client.get(&page.path_with("reports", "table_id", table_id.as_deref())).await
    }
}

/// `polder audit`
#[derive(Subcommand, Debug)]
pub(crate) enum Audit {
    /// Lists records, newest first
    List {
        #[command(flatten)]
        page: Page,
        /// Only what this principal (by id) did for others
        #[arg(long)]
        actor_id: Option<String>,
    },
}

impl Audit {
    pub(crate) async fn run(&self, client: &Client) -> Answer {
        let Self::List { page, actor_id } = self;
        client.get(&page.path_with("audit", "actor_id", actor_id.as_deref())).await
    }
}
