"""The demo's people, tables and policies once more, in a deployment on PostgreSQL with its warehouses in S3. The store's keys
are static, and the clients are given their own: the server hands out none."""

from s3 import REGION, Weed, free_ports
from server import Polder

TENANT, OTHER_TENANT = "acme", "umbra"
WAREHOUSE = "cloud"
BASE = "s3://polder-managed/base"


def move_to_cloud(polder: Polder, store: Weed, database) -> None:
    """Reads the demo, founds the deployment and fills it through its doors."""
    tables = polder.catalog("engineer")
    copies = {name[-1]: tables.load_table(name).scan().to_arrow() for name in tables.list_tables(polder.namespace)}
    policies = admin_door(polder, "admin").get("policies")["policies"]
    assert copies and policies, "the demo is empty"
    address = f"127.0.0.1:{free_ports(1)[0]}"
    config, secret = configuration(address, store, database)
    operator = polder.move(config, address, CONFORMANCE_S3_SECRET=secret)
    key, secret = store.keys["client"]
    polder.client_keys = {"s3.access-key-id": key, "s3.secret-access-key": secret}
    polder.store_endpoint, polder.warehouse = store.endpoint, WAREHOUSE
    polder.ready["principals"] = {"operator": {"credential": operator, "tenant": "operator"}}
    settle(polder)
    engineer = polder.catalog("engineer")
    engineer.create_namespace(polder.namespace)
    for name, rows in copies.items():
        table = engineer.create_table((polder.namespace, name), schema=rows.schema)
        table.append(rows)
        assert table.location().startswith(f"{BASE}/tenant={TENANT}/workspace={WAREHOUSE}/"), table.location()
    govern(admin_door(polder, "admin"), polder, policies)


def configuration(address: str, store: Weed, database) -> tuple[str, str]:
    """Returns the configuration and the secret that it names."""
    key, secret = store.keys["server"]
    config = f"""
environment = "dev"
api_public = false
listen = "{address}"
data_dir = "cloud"
root_key_file = "cloud.key"
managed_base = "{BASE}"

[database]
url = "{database.url}"

[[storage.s3]]
endpoint = "{store.endpoint}"
region = "{REGION}"
path_style = true
access_key_id = "{key}"
secret_access_key_env = "CONFORMANCE_S3_SECRET"
buckets = ["polder-managed"]
"""
    return config, secret


class AdminDoor:
    """The administration API as one principal; everything asked for must be done."""

    def __init__(self, polder: Polder, who: str, scope: str):
        self._door, self._url = polder.door(who, scope), f"{polder.base_url}/api/v1/admin"

    def get(self, path: str) -> dict:
        return self._done("GET", path)

    def post(self, path: str, **body) -> dict:
        return self._done("POST", path, json=body)

    def put(self, path: str) -> None:
        self._done("PUT", path, json={})

    def _done(self, method: str, path: str, **arguments) -> dict:
        answer = self._door.request(method, f"{self._url}/{path}", **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}


def admin_door(polder: Polder, who: str, scope: str = "catalog admin:warehouses admin:access admin:policies") -> AdminDoor:
    return AdminDoor(polder, who, scope)


def settle(polder: Polder) -> None:
    """Makes the two tenants, their warehouses and the demo's people."""
    principals = polder.ready["principals"]
    operator = admin_door(polder, "operator", "admin:tenants")
    for tenant, administrator in [(TENANT, "admin"), (OTHER_TENANT, "stranger")]:
        made = operator.post("tenants", id=tenant, admin=administrator)
        principals[administrator] = {"credential": made["key"]["credential"], "tenant": tenant}
    admin_door(polder, "stranger").post("warehouses", name="vault", default=True)
    admin = admin_door(polder, "admin")
    admin.post("warehouses", name=WAREHOUSE, default=True)
    for name, kind, attributes in [("engineer", "service", {}), ("analyst", "user", {"segment": "BUILDING"})]:
        admin.post("principals", name=name, kind=kind, attributes=attributes)
        admin.post("roles", name=name)
        admin.put(f"roles/{name}/principals/{name}")
        key = admin.post("keys", principal=name, scopes="catalog")
        principals[name] = {"credential": key["credential"], "tenant": TENANT}
    whole = ["list", "read", "write", "create", "drop", "read_unrestricted"]
    admin.post("grants", role="engineer", privileges=whole, on={"warehouse": WAREHOUSE})


def govern(admin: AdminDoor, polder: Polder, policies: list[dict]) -> None:
    """Gives the analyst the grant and the tables the policies of the demo."""
    place = {"warehouse": WAREHOUSE, "namespace": [polder.namespace]}
    admin.post("grants", role="analyst", privileges=["list", "read"], on=place)
    for policy in policies:
        spec = {key: value for key, value in policy.items() if key not in ("id", "kind", "created_at")}
        spec["table"]["warehouse"] = WAREHOUSE
        admin.post("policies", **spec)
