"""The shard map: the file that `shardctl map --export` writes and `shardctl map --serve` serves."""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MAJOR = "shardctl.map/1"
_KEY_TYPES = ("bigint", "int", "uuid", "text")
_MOST_BUCKETS = 1 << 16  # bucket and sequence share 22 bits of a row id; the sequence keeps at least 6
_FETCH_TIMEOUT_SECONDS = 5


class MapError(Exception):
    """A map that cannot be read, or that must not be followed."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a pooler; the fields are libpq's, and `hostaddr` is None where the name is to be resolved."""

    host: str
    hostaddr: str | None
    port: int
    dbname: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard and the poolers in front of it, in the order in which they are tried.

    `read` is empty where a shard has no replicas: reads go to `write`.
    """

    name: str
    ranges: tuple[tuple[int, int], ...]
    write: tuple[Endpoint, ...]
    read: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class ShardMap:
    """A whole, checked map: every bucket has exactly one owner."""

    cluster: str
    buckets: int
    key_type: str
    epoch: int
    shards: tuple[Shard, ...]
    owners: tuple[Shard, ...] = field(repr=False)  # by bucket


class MapSource:
    """Where maps come from: a file, or a URL that is asked for changes only."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._etag: str | None = None

    def read(self) -> ShardMap | None:
        """The map, or None where the server says that it hasn't changed since the last read."""
        try:
            if not self.location.startswith(("http://", "https://")):
                return parse_map(Path(self.location).read_text(encoding="utf-8"))
            headers = {"If-None-Match": self._etag} if self._etag else {}
            request = urllib.request.Request(self.location, headers=headers)
            with urllib.request.urlopen(request, timeout=_FETCH_TIMEOUT_SECONDS) as answer:
                shard_map = parse_map(answer.read().decode())
                self._etag = answer.headers["ETag"]  # only now: a broken map must be fetched again
                return shard_map
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 304 and self._etag:
                    return None
                raise MapError(f"could not read map from {self.location}: HTTP status {error.code}") from error
        except (OSError, ValueError, MapError) as error:
            raise MapError(f"could not read map from {self.location}: {error}") from error


def parse_map(text: str) -> ShardMap:
    """Reads and checks a map; raises MapError for anything that a router must not follow."""
    value = _typed(json.loads(text), dict, "map")
    if value.get("schema") != _MAJOR:
        raise MapError(f"schema {json.dumps(value.get('schema'))} is not {_MAJOR}")
    buckets = _integer(value.get("buckets"), "buckets", 1, _MOST_BUCKETS)
    if buckets & (buckets - 1):
        raise MapError(f"buckets {buckets} is not a power of two")
    key_type = _text(value.get("key_type"), "key_type")
    if key_type not in _KEY_TYPES:
        raise MapError(f'key_type "{key_type}" is not one of {", ".join(_KEY_TYPES)}')
    epoch = _text(value.get("epoch"), "epoch")
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", epoch):
        raise MapError(f'epoch "{epoch}" is not a decimal number')
    shards = tuple(_shard(shard, buckets) for shard in _typed(value.get("shards"), list, "shards"))
    if len({shard.name for shard in shards}) != len(shards):
        raise MapError("two shards have the same name")
    cluster = _text(value.get("cluster"), "cluster")
    return ShardMap(cluster, buckets, key_type, int(epoch), shards, _owners(shards, buckets))


def _shard(value: Any, buckets: int) -> Shard:
    shard = _typed(value, dict, "shard")
    name = _text(shard.get("name"), "shard name")
    ranges = []
    for bounds in _typed(shard.get("ranges"), list, f"ranges of {name}"):
        if len(_typed(bounds, list, f"range of {name}")) != 2:
            raise MapError(f"a range of {name} is not [first, last]")
        first = _integer(bounds[0], f"range of {name}", 0, buckets - 1)
        ranges.append((first, _integer(bounds[1], f"range of {name}", first, buckets - 1)))
    write, read = (
        tuple(_endpoint(endpoint) for endpoint in _typed(shard.get(access), list, f"{access} of {name}"))
        for access in ("write", "read")
    )
    if not write:
        raise MapError(f"shard {name} has no address to write to")
    return Shard(name, tuple(ranges), write, read)


def _endpoint(value: Any) -> Endpoint:
    endpoint = _typed(value, dict, "endpoint")
    hostaddr = endpoint.get("hostaddr")
    return Endpoint(
        host=_text(endpoint.get("host"), "host"),
        hostaddr=None if hostaddr is None else _text(hostaddr, "hostaddr"),
        port=_integer(endpoint.get("port"), "port", 1, 65535),
        dbname=_text(endpoint.get("dbname"), "dbname"),
    )


def _owners(shards: tuple[Shard, ...], buckets: int) -> tuple[Shard, ...]:
    owners: dict[int, Shard] = {}
    for shard in shards:
        for first, last in shard.ranges:
            for bucket in range(first, last + 1):
                if bucket in owners:
                    raise MapError(f"bucket {bucket} has two owners, {owners[bucket].name} and {shard.name}")
                owners[bucket] = shard
    for bucket in range(buckets):
        if bucket not in owners:
            raise MapError(f"bucket {bucket} has no owner")
    return tuple(owners[bucket] for bucket in range(buckets))


def _typed(value: Any, wanted: type, what: str) -> Any:
    if not isinstance(value, wanted):
        raise MapError(f"{what} is not {'an object' if wanted is dict else 'a list'}")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise MapError(f"{what} is not a string, or is empty")
    return value


def _integer(value: Any, what: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise MapError(f"{what} is not an integer from {least} to {most}")
    return value
