"""The same rows as two readers give them: PyIceberg as Arrow, the gateway as JSON. Brings both to plain Python values of
the column's Arrow type, so that equal means equal in value, not in spelling."""

import base64
from datetime import date, datetime, time, timezone
from decimal import Context, Decimal

import pyarrow as pa
import pyarrow.compute as pc

WIDE = Context(prec=76)


def plain(value, kind: pa.DataType):
    """Returns a value of either reader as the plain Python value of its Arrow type."""
    if value is None:
        return None
    if pa.types.is_decimal(kind):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale), context=WIDE)
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_date(kind):
        return value if isinstance(value, date) else date.fromisoformat(value)
    if pa.types.is_time(kind):
        return value if isinstance(value, time) else time.fromisoformat(value)
    if pa.types.is_timestamp(kind):
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(timezone.utc) if kind.tz else moment.replace(tzinfo=None)
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return value
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return value if isinstance(value, bytes) else binary(value)
    raise AssertionError(f"no plain form for {kind}")


def binary(text: str) -> bytes:
    """Reads bytes as the gateway writes them: hexadecimal, else base64."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return base64.b64decode(text, validate=True)


def arrow_rows(table: pa.Table) -> list[tuple]:
    """Returns the rows of an Arrow table as plain values."""
    columns = [[plain(v, field.type) for v in table.column(field.name).to_pylist()] for field in table.schema]
    return list(zip(*columns))


def gateway_rows(answer, schema: pa.Schema) -> list[tuple]:
    """Returns the rows of a gateway answer as plain values of the schema that PyIceberg has for them."""
    assert answer.names == schema.names, f"columns differ: {answer.names} and {schema.names}"
    return [tuple(plain(v, field.type) for v, field in zip(row, schema, strict=True)) for row in answer.rows]


def quoted(*names: str) -> str:
    """Returns a dotted name with each part quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def assert_same_rows(door, table_name: str, arrow: pa.Table, order: list[str], rows_max: int = 200) -> None:
    """Asserts that the gateway reads the same first rows in a total order, and the same columns."""
    keys = ", ".join(quoted(key) for key in order)
    answer = door.query(f"SELECT * FROM {table_name} ORDER BY {keys} LIMIT {rows_max}")
    expected = arrow.sort_by([(key, "ascending") for key in order]).slice(0, rows_max)
    assert gateway_rows(answer, arrow.schema) == arrow_rows(expected)


def assert_same_figures(door, table_name: str, arrow: pa.Table) -> None:
    """Asserts that count, nulls, extremes, distinct values and sums of every column agree."""
    for field in arrow.schema:
        column, name = arrow.column(field.name), quoted(field.name)
        summed = pa.types.is_decimal(field.type) or pa.types.is_integer(field.type)
        total = f"sum({name})" if summed else "NULL"
        sql = f"SELECT count(*), count({name}), count(DISTINCT {name}), min({name}), max({name}), {total} FROM {table_name}"
        rows, values, distinct, least, most, sum_ = door.query(sql).one()
        extremes = pc.min_max(column).as_py()
        assert (rows, values, distinct) == (len(column), len(column) - column.null_count, pc.count_distinct(column).as_py()), name
        assert (plain(least, field.type), plain(most, field.type)) == (extremes["min"], extremes["max"]), name
        if summed:
            expected = pc.sum(column).as_py()
            assert sum_ is None if expected is None else Decimal(str(sum_)) == Decimal(expected), name
