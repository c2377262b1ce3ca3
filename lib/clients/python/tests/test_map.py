"""Maps: what is read, what is refused, and when one is fetched again."""

import json
import unittest
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from flotilla_router import InvalidKey, MapError, MapSource, ShardRouter, parse_map


def address(dbname: str) -> dict[str, Any]:
    return {"host": "pool-a", "hostaddr": "127.0.0.31", "port": 15632, "dbname": dbname}


def shard(name: str, *ranges: Any) -> dict[str, Any]:
    return {"name": name, "ranges": ranges, "write": [address(name)], "read": [address(f"{name}_ro")]}


def document(**changes: Any) -> str:
    shards = [shard("s0", [0, 511]), shard("s1", [512, 1000], [1001, 1023])]
    whole = {"schema": "shardctl.map/1", "cluster": "demo", "buckets": 1024, "key_type": "bigint", "epoch": "1"}
    return json.dumps({**whole, "shards": shards, **changes})


def never_connects(endpoint: object) -> Any:
    raise AssertionError(f"no connection is needed here, least of all to {endpoint}")


class ParseTest(unittest.TestCase):
    def test_a_whole_map_is_read(self) -> None:
        shard_map = parse_map(document())
        self.assertEqual(
            (shard_map.cluster, shard_map.buckets, shard_map.key_type, shard_map.epoch), ("demo", 1024, "bigint", 1)
        )
        owners = [shard_map.owners[bucket].name for bucket in (0, 511, 512, 1023)]
        self.assertEqual(owners, ["s0", "s0", "s1", "s1"])
        self.assertEqual(shard_map.shards[1].read[0].dbname, "s1_ro")

    def test_unknown_keys_and_empty_shards_are_taken(self) -> None:
        empty = {**shard("s2"), "read": [], "write": [{**address("s2"), "hostaddr": None, "weight": 3}]}
        shard_map = parse_map(document(colour="blue", shards=[shard("s0", [0, 1023]), empty]))
        self.assertIsNone(shard_map.shards[1].write[0].hostaddr)

    def test_what_must_not_be_followed_is_refused(self) -> None:
        whole = shard("s0", [0, 1023])
        for message, changes in [
            (r'schema "shardctl.map/2" is not shardctl.map/1', {"schema": "shardctl.map/2"}),
            (r"schema .* is not", {"schema": "shardctl.map/10"}),
            (r"schema null is not", {"schema": None}),
            (r"bucket 512 has no owner", {"shards": [shard("s0", [0, 511]), shard("s1", [513, 1023])]}),
            (r"bucket 1023 has no owner", {"shards": [shard("s0", [0, 1022])]}),
            (r"bucket 0 has no owner", {"shards": []}),
            (r"bucket 511 has two owners, s0 and s1", {"shards": [shard("s0", [0, 511]), shard("s1", [511, 1023])]}),
            (r"bucket 7 has two owners, s0 and s0", {"shards": [shard("s0", [0, 1023], [7, 7])]}),
            (r"is not an integer from 0 to 1023", {"shards": [shard("s0", [0, 1024])]}),
            (r"is not an integer from 5 to 1023", {"shards": [shard("s0", [5, 4])]}),
            (r"is not an integer from 0 to 1023", {"shards": [shard("s0", [0.5, 1023])]}),
            (r"is not \[first, last\]", {"shards": [shard("s0", [0, 1, 2])]}),
            (r"same name", {"shards": [shard("s0", [0, 511]), shard("s0", [512, 1023])]}),
            (r"buckets 1000 is not a power of two", {"buckets": 1000}),
            (r"buckets is not an integer", {"buckets": 0}),
            (r"buckets is not an integer", {"buckets": "1024"}),
            (r'key_type "varchar" is not one of', {"key_type": "varchar"}),
            (r"epoch is not a string", {"epoch": 1}),
            (r'epoch "1; drop table" is not a decimal number', {"epoch": "1; drop table"}),
            (r"shards is not a list", {"shards": {}}),
            (r"no address to write to", {"shards": [{**whole, "write": []}]}),
            (r"port is not an integer from 1 to 65535", {"shards": [{**whole, "read": [{**address("x"), "port": 0}]}]}),
            (r"host is not a string", {"shards": [{**whole, "read": [{**address("x"), "host": ""}]}]}),
        ]:
            with self.subTest(message):
                self.assertRaisesRegex(MapError, message, parse_map, document(**changes))

    def test_a_missing_and_a_broken_file_are_refused_with_their_name(self) -> None:
        self.assertRaisesRegex(MapError, "from /nonexistent/map.json", MapSource("/nonexistent/map.json").read)
        self.assertRaisesRegex(MapError, __file__, MapSource(__file__).read)


class Served:
    """A server of maps that notes the If-None-Match headers it got."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.say(200, document())

    def say(self, status: int, body: str = "", etag: str | None = None) -> None:
        """Sets the answer to the next requests."""
        self.answer = status, body, etag


@contextmanager
def served() -> Any:
    maps = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            maps.asked.append(self.headers["If-None-Match"])
            status, body, etag = maps.answer
            self.send_response(status)
            if etag:
                self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/map", maps
        finally:
            server.shutdown()


class ServedTest(unittest.TestCase):
    def test_a_served_map_is_fetched_again_only_when_it_has_changed(self) -> None:
        with served() as (url, maps):
            maps.say(200, document(), '"one"')
            router = ShardRouter(url, never_connects)
            self.assertEqual(router.map.epoch, 1)

            maps.say(304)
            router.refresh()
            self.assertEqual(router.map.epoch, 1)

            maps.say(200, document()[:50], '"broken"')
            self.assertRaises(MapError, router.refresh)
            self.assertEqual(router.map.epoch, 1)

            moved = [shard("s0", [0, 510]), shard("s1", [511, 1023])]
            maps.say(200, document(epoch="10", shards=moved), '"two"')
            router.refresh()
            self.assertEqual(router.map.owners[511].name, "s1")

            maps.say(200, document(epoch="9"), '"old"')
            router.refresh()
            self.assertEqual(router.map.epoch, 10)

            maps.say(200, document(epoch="11", cluster="other"), '"other"')
            self.assertRaisesRegex(MapError, "another cluster", router.refresh)
            maps.say(503)
            self.assertRaisesRegex(MapError, "HTTP status 503", router.refresh)
            self.assertEqual(router.map.cluster, "demo")
            self.assertEqual(maps.asked, [None, '"one"', '"one"', '"one"', '"two"', '"old"', '"other"'])

    def test_users_and_row_ids_are_routed_by_the_maps_own_key_type(self) -> None:
        with served() as (url, _):
            router = ShardRouter(url, never_connects)
            self.assertEqual(router.get_shard_for_user_id(0).name, "s0")  # bucket 432
            self.assertEqual(router.get_shard_for_user_id("1").name, "s1")  # bucket 952
            self.assertEqual(router.get_shard_for_user_id(42).name, "s1")  # bucket 610
            self.assertEqual(router.get_shard_for_row_id(4194303).name, "s1")  # bucket 1023
            self.assertRaisesRegex(InvalidKey, "invalid bigint key 'alice'", router.get_shard_for_user_id, "alice")
