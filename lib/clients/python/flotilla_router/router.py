"""The router: which shard a user is on, a connection to it, and statements over all shards."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .map import Endpoint, MapError, MapSource, Shard, ShardMap
from .placement import Key, bucket_of, parse_row_id

FENCE_SQLSTATE_CLASS = "FL"
"""SQLSTATE class of the fence, which refuses rows that a shard does not own; FL001 is "not the owner"."""

T = TypeVar("T")
Access = Literal["write", "read"]
Connection = Any
"""A psycopg 3 connection, outside any transaction."""
Connect = Callable[[Endpoint], AbstractContextManager[Connection]]
"""Opens, or takes from a pool, a connection to one pooler; leaving the context closes it or gives it back."""


@dataclass(frozen=True, slots=True)
class ShardResult:
    """One shard's answer: its rows (empty for a statement that returns none), or the error why there are none."""

    shard: str
    rows: list[Any] | None
    error: Exception | None


class ShardUnreachable(ConnectionError):
    """None of a shard's poolers gave a connection; `errors` holds one error for each."""

    def __init__(self, shard: str, errors: Sequence[Exception]) -> None:
        super().__init__(f"no pooler of shard {shard} gave a connection: {'; '.join(map(str, errors))}")
        self.errors = errors


class ShardsFailed(Exception):
    """Some shards failed, so that the rows would be incomplete; `errors` maps their names to why."""

    def __init__(self, results: Sequence[ShardResult]) -> None:
        self.errors = {result.shard: result.error for result in results if result.error}
        super().__init__(f"{len(self.errors)} of {len(results)} shards failed: {self.errors}")


def is_fence_refusal(error: object) -> bool:
    """Whether the fence refused a statement: nothing was written, and a newer map may tell where it belongs."""
    return (getattr(error, "sqlstate", None) or "").startswith(FENCE_SQLSTATE_CLASS)


def all_rows(results: Sequence[ShardResult]) -> list[Any]:
    """The rows of all shards together; raises ShardsFailed if any shard's are missing."""
    if any(result.error for result in results):
        raise ShardsFailed(results)
    return [row for result in results for row in result.rows or ()]


class ShardRouter:
    """Routes by a shard map, from a file or an http(s) URL; may be shared by threads.

    The map is a hint: the shards' fence has the last word, and its refusal brings a new map.
    """

    def __init__(self, location: str, connect: Connect) -> None:
        self._source = MapSource(location)
        shard_map = self._source.read()
        if shard_map is None:
            raise MapError(f"no map at {location}")
        self._map = shard_map
        self._connect = connect
        self._refreshing = threading.Lock()
        # The endpoint that answered last, so that a dead pooler costs its timeout once and not for every connection.
        self._answered: dict[tuple[Endpoint, ...], int] = {}

    @property
    def map(self) -> ShardMap:
        """The map in use."""
        return self._map

    def get_shard_for_user_id(self, user_id: Key) -> Shard:
        """The shard that holds a user; raises InvalidKey if the id isn't of the cluster's key type."""
        return _owner(self._map, user_id)

    def get_shard_for_row_id(self, row_id: int | str) -> Shard:
        """The shard that holds the row of an id made by `flotilla.next_id()`."""
        shard_map = self._map
        return shard_map.owners[parse_row_id(row_id, shard_map.buckets).bucket]

    def get_shard_connection(self, user_id: Key, access: Access = "write") -> AbstractContextManager[Connection]:
        """A connection to the user's shard, to be used in a `with` statement, which gives it back."""
        return self._connection(self.get_shard_for_user_id(user_id), access)

    def transaction(self, user_id: Key, work: Callable[[Connection], T]) -> T:
        """Runs `work(connection)` in one transaction on the user's shard.

        If the fence refuses it, the map is read again and `work` runs once more, in a new transaction: what it does
        outside the database must bear being done twice.
        """
        try:
            return self._transaction(self._map, user_id, work)
        except Exception as error:
            if not is_fence_refusal(error):
                raise
            self.refresh()
            return self._transaction(self._map, user_id, work)

    def execute_on_all_shards(
        self, sql: str, params: Sequence[Any] | None = None, access: Access = "write"
    ) -> list[ShardResult]:
        """Runs one statement on every shard at once. A failed shard's error stands in its place; see `all_rows`."""

        def execute(connection: Connection) -> list[Any]:
            cursor = connection.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []

        def one(shard: Shard) -> ShardResult:
            try:
                return ShardResult(shard.name, self._transaction_on(shard, access, shard_map.epoch, execute), None)
            except Exception as error:
                return ShardResult(shard.name, None, error)

        shard_map = self._map
        with ThreadPoolExecutor(max_workers=len(shard_map.shards)) as pool:
            results = list(pool.map(one, shard_map.shards))
        # No retry here, since other shards may have committed; but the next call should know better.
        if any(is_fence_refusal(result.error) for result in results):
            with suppress(MapError):  # the refusal, which the caller gets, matters more
                self.refresh()
        return results

    def refresh(self) -> None:
        """Reads the map again, also after changes that the fence doesn't notice, as of an address."""
        with self._refreshing:
            new, old = self._source.read(), self._map
            if new is None:
                return
            if (new.cluster, new.buckets, new.key_type) != (old.cluster, old.buckets, old.key_type):
                raise MapError(f"{self._source.location} is a map of another cluster")
            if new.epoch >= old.epoch:  # else an older copy: ownership never goes back
                self._map = new
                self._answered = {}

    @contextmanager
    def _connection(self, shard: Shard, access: Access) -> Iterator[Connection]:
        endpoints = shard.read if access == "read" and shard.read else shard.write
        start = self._answered.get(endpoints, 0)
        errors: list[Exception] = []
        with ExitStack() as stack:
            for step in range(len(endpoints)):
                at = (start + step) % len(endpoints)
                try:
                    connection = stack.enter_context(self._connect(endpoints[at]))
                except Exception as error:
                    errors.append(error)
                    continue
                self._answered[endpoints] = at
                break
            else:
                raise ShardUnreachable(shard.name, errors)
            yield connection

    def _transaction(self, shard_map: ShardMap, user_id: Key, work: Callable[[Connection], T]) -> T:
        # Shard and epoch from one map, which another thread may replace meanwhile.
        return self._transaction_on(_owner(shard_map, user_id), "write", shard_map.epoch, work)

    def _transaction_on(self, shard: Shard, access: Access, epoch: int, work: Callable[[Connection], T]) -> T:
        with self._connection(shard, access) as connection, connection.transaction():
            # The epoch lets the shard refuse an UPDATE or DELETE by a stale map, which would otherwise match no row.
            connection.execute(f"SET LOCAL flotilla.epoch = '{epoch}'")
            value = work(connection)
            if connection.info.transaction_status.name == "INERROR":
                raise RuntimeError("transaction was rolled back: its work ignored a failed statement")
            return value


def _owner(shard_map: ShardMap, user_id: Key) -> Shard:
    return shard_map.owners[bucket_of(shard_map.key_type, user_id, shard_map.buckets)]
