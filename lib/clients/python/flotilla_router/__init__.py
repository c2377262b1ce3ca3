"""Reference router for sharded PostgreSQL; the connections by psycopg 3 are in `flotilla_router.psycopg`."""

from .map import Endpoint, MapError, MapSource, Shard, ShardMap, parse_map
from .placement import InvalidKey, Key, RowId, bucket_of, parse_row_id, row_hash
from .router import (
    FENCE_SQLSTATE_CLASS,
    Access,
    Connect,
    ShardResult,
    ShardRouter,
    ShardsFailed,
    ShardUnreachable,
    all_rows,
    is_fence_refusal,
)

__all__ = [
    "FENCE_SQLSTATE_CLASS",
    "Access",
    "Connect",
    "Endpoint",
    "InvalidKey",
    "Key",
    "MapError",
    "MapSource",
    "RowId",
    "Shard",
    "ShardMap",
    "ShardResult",
    "ShardRouter",
    "ShardUnreachable",
    "ShardsFailed",
    "all_rows",
    "bucket_of",
    "is_fence_refusal",
    "parse_map",
    "parse_row_id",
    "row_hash",
]
