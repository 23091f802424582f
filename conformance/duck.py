"""DuckDB as a client: its Iceberg extension from the pinned wheels, attached through client credentials. Judges nothing."""

import site
from pathlib import Path

import duckdb


def extension(name: str) -> Path:
    """Returns the file of an extension that was installed as a wheel."""
    for folder in site.getsitepackages():
        found = sorted(Path(folder, f"duckdb_extension_{name}", "extensions").glob(f"*/{name}.duckdb_extension"))
        if found:
            return found[-1]
    raise AssertionError(f"the wheel duckdb-extension-{name} is not installed")


def literal(text: str) -> str:
    """Returns a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def connect(polder, who: str) -> duckdb.DuckDBPyConnection:
    """Attaches the warehouse as `lake`, as one of the principals. Nothing is downloaded."""
    connection = duckdb.connect(
        config={
            "allow_unsigned_extensions": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    for name in ("avro", "httpfs", "iceberg"):
        connection.execute(f"LOAD {literal(str(extension(name)))}")
    client_id, secret = polder.credential(who).split(":", 1)
    connection.execute(
        f"CREATE SECRET polder (TYPE iceberg, CLIENT_ID {literal(client_id)}, CLIENT_SECRET {literal(secret)}, "
        f"OAUTH2_SERVER_URI {literal(polder.iceberg_uri + '/v1/oauth/tokens')}, OAUTH2_SCOPE 'catalog')"
    )
    if keys := polder.client_keys:
        # Keys of the client's own. Without delegation DuckDB takes nothing from the catalog's `config`, so it is told
        # where the store is too.
        endpoint = polder.store_endpoint.removeprefix("http://")
        connection.execute(
            f"CREATE SECRET store (TYPE s3, KEY_ID {literal(keys['s3.access-key-id'])}, "
            f"SECRET {literal(keys['s3.secret-access-key'])}, ENDPOINT {literal(endpoint)}, REGION 'us-east-1', "
            f"URL_STYLE 'path', USE_SSL false)"
        )
    connection.execute(
        f"ATTACH {literal(polder.warehouse)} AS lake (TYPE iceberg, ENDPOINT {literal(polder.iceberg_uri)}, "
        f"SECRET polder, ACCESS_DELEGATION_MODE 'none')"
    )
    return connection
