"""Where our answers are not what the official document says, each for a reason that `docs/iceberg-divergences.md` gives.

Whatever is not here must be as documented."""

ERROR = {"description": "an error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/IcebergErrorResponse"}}}}

# What HTTP itself says of a request, before it is one of the document's operations.
HTTP_STATUSES = {
    405: "the path has no such method",
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "the body is not JSON",
    429: "too many requests",
}
# Statuses of single operations.
STATUSES = {
    ("createNamespace", 404): "the warehouse, or the parent, is not there",
}


def status(operation, code: int) -> dict | None:
    """Returns how an answer looks whose status the document does not name for the operation, if we give it on purpose."""
    if code in HTTP_STATUSES or (operation.name, code) in STATUSES or (code == 422 and _takes_keys(operation)):
        return ERROR
    return None


def _takes_keys(operation) -> bool:
    """422 is the answer to an idempotency key that comes again with another request."""
    return any(parameter.name == "Idempotency-Key" for parameter in operation.parameters)


def amend(document: dict) -> dict:
    """Mends the document where its own reference implementation is read by every client and written by none otherwise."""
    schemas = document["components"]["schemas"]
    # A whole number is a value of four kinds at once; `variant` is a primitive type and a type of its own.
    for name in ("PrimitiveTypeValue", "Type"):
        schemas[name]["anyOf"] = schemas[name].pop("oneOf")
    # Java writes null where a table of format version 3 has no snapshot (-1 before that), and so do we.
    schemas["TableMetadata"]["properties"]["current-snapshot-id"]["nullable"] = True
    return document


def schema(operation, documented: dict) -> dict:
    """Returns the schema of an answer. The document's errors of views lack the `error` around them that its clients read."""
    if documented == {"$ref": "#/components/schemas/ErrorModel"}:
        return {"$ref": "#/components/schemas/IcebergErrorResponse"}
    return documented
