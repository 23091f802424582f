"""A fresh deployment without the demo: one tenant, one warehouse of its own, one principal that may do everything with its
tables and nothing else, and one for whom it may act. With authentication, without debug; on SQLite or PostgreSQL, on files or S3."""

from pathlib import Path

from cloud import admin_door
from s3 import REGION, ROLE, Weed, free_ports
from server import Polder

TENANT, WAREHOUSE, ENGINE = "fleet", "lake", "engine"
# Somebody for whom the engine may act.
USER = "ann"
BUCKET = "polder-managed"
# Keys for single tables from the store's STS, and signatures.
VENDING = f"""
vending = {{ provider = "sts", role_arn = "{ROLE}", duration_seconds = 900 }}
remote_signing = true
"""
PRIVILEGES = ["list", "read", "write", "create", "drop", "read_unrestricted"]


class Deployment(Polder):
    """A running server of its own in a folder that is there."""

    def __init__(self, folder: Path, database=None, store: Weed | None = None, storage: str = ""):
        """`storage`: more lines for the store's configuration."""
        self._cwd, self._log = folder, folder / "polder.log"
        self.warehouse = WAREHOUSE
        self.client_keys: dict[str, str] = {}
        self.store_endpoint: str | None = None
        address = f"127.0.0.1:{free_ports(1)[0]}"
        try:
            self._settle(address, database, store, storage)
        except BaseException:
            if hasattr(self, "_process"):
                self.stop()
            raise

    def _settle(self, address: str, database, store: Weed | None, storage: str) -> None:
        config, environment = configuration(address, database, store), {}
        if store:
            config += s3_configuration(store, storage)
            environment["CONFORMANCE_S3_SECRET"] = store.keys["server"][1]
            key, secret = store.keys["client"]
            self.client_keys = {"s3.access-key-id": key, "s3.secret-access-key": secret}
            self.store_endpoint = store.endpoint
        operator = self._found(config, address, **environment)
        self.ready = {"principals": {"operator": {"credential": operator}}}
        made = admin_door(self, "operator", "admin:tenants").post("tenants", id=TENANT, admin="admin")
        self.ready["principals"]["admin"] = {"credential": made["key"]["credential"]}
        self.admin = admin_door(self, "admin")
        self.add_principal(ENGINE)
        self.add_principal(USER)
        self.admin.put(f"roles/{ENGINE}/impersonates/{USER}")
        self.add_warehouse(WAREHOUSE, default=True)

    def add_warehouse(self, name: str, **members) -> None:
        """Makes a warehouse in which the engine and its user may do everything with tables."""
        self.admin.post("warehouses", name=name, **members)
        for role in (ENGINE, USER):
            self.admin.post("grants", role=role, privileges=PRIVILEGES, on={"warehouse": name})

    def add_principal(self, name: str, scopes: str = "catalog") -> None:
        """Makes a principal with a role of its own, a key and no grant."""
        self.admin.post("principals", name=name, kind="service")
        self.admin.post("roles", name=name)
        self.admin.put(f"roles/{name}/principals/{name}")
        key = self.admin.post("keys", principal=name, scopes=scopes)
        self.ready["principals"][name] = {"credential": key["credential"]}


def configuration(address: str, database, store: Weed | None) -> str:
    base = f'managed_base = "s3://{BUCKET}/base"\n' if store else ""
    url = f'[database]\nurl = "{database.url}"\n' if database else ""
    return f"""
environment = "dev"
api_public = false
debug = false
listen = "{address}"
data_dir = "data"
root_key_file = "root.key"
{base}
{url}"""


def s3_configuration(store: Weed, more: str) -> str:
    return f"""
[[storage.s3]]
endpoint = "{store.endpoint}"
region = "{REGION}"
path_style = true
access_key_id = "{store.keys["server"][0]}"
secret_access_key_env = "CONFORMANCE_S3_SECRET"
buckets = ["{BUCKET}"]
{more}
"""
def s3_configuration(store: Weed, more: str) -> str:
    return f"""
[[storage.s3]]
endpoint = "{store.endpoint}"
region = "{REGION}"
path_style = true
access_key_id = "{store.keys["server"][0]}"
secret_access_key_env = "CONFORMANCE_S3_SECRET"
buckets = ["{BUCKET}"]
{more}
"""
