"""Where our answers are not what the official document says, each with the reason that `docs/iceberg-divergences.md` gives in the same
words: `test_divergences.py` compares them.

Whatever is not here must be as documented."""

ERROR = {"description": "an error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/IcebergErrorResponse"}}}}
OAUTH_ERROR = {"$ref": "#/components/responses/OAuthErrorResponse"}
NO_BODY = {"description": "an answer without a body"}

# Operations that are not there at all.
UNSERVED = {
    "listFunctions": "functions are not advertised until they can be made (A-076)",
    "loadFunction": "functions are not advertised until they can be made (A-076)",
}

NOT_KEPT = (
    "it has to be a key (400), but nothing is kept: the request changes nothing that a second one could double, so it is carried out "
    "again, and with another body it is another request, never 422"
)
# Parameters that are not used as they are declared: `(operation, parameter)`.
PARAMETERS = {
    ("planTableScan", "Idempotency-Key"): NOT_KEPT,
    ("fetchScanTasks", "Idempotency-Key"): NOT_KEPT,
    ("cancelPlanning", "Idempotency-Key"): NOT_KEPT,
    ("cancelPlanning", "X-Iceberg-Access-Delegation"): "not looked at: the answer has no body that could hold access",
}
# Parameters that are used although the operation does not declare them.
MORE_PARAMETERS = {
    ("createView", "Idempotency-Key"): "taken and kept, as `registerView` and every other mutation does",
}

ANY, KEEPING = "any", "any that keeps an `Idempotency-Key`"
# Statuses that an operation does not name: `(operation, status)`.
STATUSES = {
    (ANY, 405): "HTTP's own: the path has no such method",
    (ANY, 408): "HTTP's own: the body did not arrive in time",
    (ANY, 413): "HTTP's own: the body is too large, or what would have to be kept of it",
    (ANY, 431): "HTTP's own, without a body: the head is too large",
    (KEEPING, 422): "the key comes again with another request",
    ("createNamespace", 404): "the warehouse, or the parent, is not there",
    ("signRequest", 404): "the warehouse or the table is not there, or the caller may not know that it is; as every other operation of a table says it",
    ("viewExists", 403): "the scopes of the credential do not reach the catalog; as every other operation says it",
}

# Parts of the document that are read otherwise than they are written, and how: done by `amend` and `schema`.
READINGS = {
    "errors of views (`ErrorModel` without `error` around it)": 'as everywhere else: `{"error": {…}}`, which is what clients parse',
    "`PrimitiveTypeValue` and `Type` (`oneOf`)": "`anyOf`: 12 is an int, a long, a float and a double; `variant` is a primitive type and one of its own",
    "`current-snapshot-id` (an integer)": "may be null in format version 3, as Java writes it",
}


def status(operation, code: int) -> dict | None:
    """Returns how an answer looks whose status the document does not name for the operation, if we give it on purpose."""
    named = {(ANY, code), (operation.name, code)} | ({(KEEPING, code)} if keeps_keys(operation) else set())
    if not named & STATUSES.keys():
        return None
    if code == 431:
        return NO_BODY
    return OAUTH_ERROR if operation.name == "getToken" else ERROR


def keeps_keys(operation) -> bool:
    """True if a request that comes again with its idempotency key is answered as it was."""
    key = (operation.name, "Idempotency-Key")
    declared = any(parameter.name == "Idempotency-Key" for parameter in operation.parameters)
    return (declared and key not in PARAMETERS) or key in MORE_PARAMETERS


def amend(document: dict) -> dict:
    """Mends the document where its own reference implementation is read by every client and written by none otherwise."""
    schemas = document["components"]["schemas"]
    for name in ("PrimitiveTypeValue", "Type"):
        schemas[name]["anyOf"] = schemas[name].pop("oneOf")
    # -1 before format version 3.
    schemas["TableMetadata"]["properties"]["current-snapshot-id"]["nullable"] = True
    return document


def schema(operation, documented: dict) -> dict:
    """Returns the schema of an answer. The document's errors of views lack the `error` around them that its clients read."""
    if documented == {"$ref": "#/components/schemas/ErrorModel"}:
        return {"$ref": "#/components/schemas/IcebergErrorResponse"}
    return documented
