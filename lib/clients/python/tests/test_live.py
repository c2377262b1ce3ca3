"""Against running shards.

FLOTILLA_TEST_MAP names a map of at least two of them with key type bigint, FLOTILLA_TEST_TABLE a fenced table
(user_id bigint primary key, note text) on each; user, password and TLS come from libpq's variables.
"""

import json
import os
import time
import unittest
import urllib.request
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flotilla_router import Endpoint, Shard, ShardRouter, ShardsFailed, ShardUnreachable, all_rows, is_fence_refusal
from flotilla_router.psycopg import psycopg_connect

NOBODY = {"host": "127.0.0.1", "hostaddr": None, "port": 1, "dbname": "none"}


def required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise AssertionError(f"{name} is not set")
    return value


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        location, cls.table = required("FLOTILLA_TEST_MAP"), required("FLOTILLA_TEST_TABLE")
        url = location if location.startswith("http") else Path(location).absolute().as_uri()
        with urllib.request.urlopen(url) as answer:
            cls.truth = json.load(answer)
        cls.connect = staticmethod(psycopg_connect())
        cls.router = ShardRouter(location, cls.connect)
        cls.first, cls.second, *_ = cls.router.map.shards
        cls.next_user = time.time_ns() // 1000
        cls.dir = cls.enterClassContext(TemporaryDirectory())

    @classmethod
    def tearDownClass(cls) -> None:
        all_rows(cls.router.execute_on_all_shards(f"delete from {cls.table} where note like 'python%'"))

    def user_on(self, shard: Shard) -> int:
        """An unused user id that lives on a shard."""
        while True:
            type(self).next_user += 1
            if self.router.get_shard_for_user_id(self.next_user) is shard:
                return self.next_user

    def insert(self, connection: Any, user: int) -> None:
        connection.execute(f"insert into {self.table} (user_id, note) values (%s, 'python')", (user,))

    def shards_with(self, user: int) -> list[str]:
        found = self.router.execute_on_all_shards(f"select 1 from {self.table} where user_id = %s", (user,))
        all_rows(found)
        return [result.shard for result in found if result.rows]

    def write(self, name: str, document: Any) -> str:
        path = Path(self.dir, name)
        path.with_suffix(".new").write_text(json.dumps(document))
        path.with_suffix(".new").rename(path)
        return str(path)

    def stale_document(self) -> Any:
        """The map as it was before the first two shards exchanged their buckets."""
        one, two, *others = self.truth["shards"]
        swapped = [{**one, "ranges": two["ranges"]}, {**two, "ranges": one["ranges"]}, *others]
        return {**self.truth, "epoch": str(int(self.truth["epoch"]) - 1), "shards": swapped}

    def test_a_transaction_commits_on_the_users_shard_and_nowhere_else(self) -> None:
        for shard in (self.first, self.second):
            user = self.user_on(shard)

            def work(connection: Any, user: int = user) -> Any:
                self.insert(connection, user)
                return connection.execute(f"select user_id from {self.table} where user_id = %s", (user,)).fetchall()

            self.assertEqual(self.router.transaction(user, work), [(user,)])
            self.assertEqual(self.shards_with(user), [shard.name])

    def test_a_connection_to_the_primary_and_to_the_read_pool(self) -> None:
        user = self.user_on(self.second)
        with self.router.get_shard_connection(user) as connection:
            self.insert(connection, user)
        self.assertEqual(self.shards_with(user), [self.second.name])
        with self.router.get_shard_connection(user, "read") as connection:
            self.assertEqual(connection.execute("select 1").fetchall(), [(1,)])
        self.assertTrue(connection.closed)

    def test_a_misrouted_insert_brings_the_new_map_and_is_done_once_on_the_owner(self) -> None:
        user, runs = self.user_on(self.first), []
        path = self.write("insert.json", self.stale_document())
        stale = ShardRouter(path, self.connect)
        self.assertEqual(stale.get_shard_for_user_id(user).name, self.second.name)
        self.write("insert.json", self.truth)
        stale.transaction(user, lambda connection: (runs.append(1), self.insert(connection, user)))
        self.assertEqual(len(runs), 2)
        self.assertEqual(str(stale.map.epoch), self.truth["epoch"])
        self.assertEqual(self.shards_with(user), [self.first.name])

    def test_a_misrouted_update_which_would_match_no_row_is_done_on_the_owner(self) -> None:
        user = self.user_on(self.first)
        self.router.transaction(user, lambda connection: self.insert(connection, user))
        path = self.write("update.json", self.stale_document())
        stale = ShardRouter(path, self.connect)
        self.write("update.json", self.truth)
        update = f"update {self.table} set note = 'python changed' where user_id = %s"
        self.assertEqual(stale.transaction(user, lambda connection: connection.execute(update, (user,)).rowcount), 1)

    def test_a_refusal_that_a_new_map_does_not_cure_is_the_callers(self) -> None:
        user, runs = self.user_on(self.first), []
        stale = ShardRouter(self.write("wrong.json", self.stale_document()), self.connect)
        with self.assertRaises(Exception) as caught:
            stale.transaction(user, lambda connection: (runs.append(1), self.insert(connection, user)))
        self.assertTrue(is_fence_refusal(caught.exception), caught.exception)
        self.assertEqual(len(runs), 2)
        self.assertEqual(self.shards_with(user), [])

    def test_an_error_in_the_work_rolls_back_and_is_not_tried_again(self) -> None:
        user, runs = self.user_on(self.first), []

        def work(connection: Any) -> None:
            runs.append(1)
            self.insert(connection, user)
            raise LookupError("no")

        self.assertRaises(LookupError, self.router.transaction, user, work)
        self.assertEqual(len(runs), 1)
        self.assertEqual(self.shards_with(user), [])

    def test_a_failed_statement_that_the_work_ignores_is_not_taken_for_a_commit(self) -> None:
        user = self.user_on(self.first)

        def work(connection: Any) -> None:
            self.insert(connection, user)
            with suppress(Exception):
                connection.execute("select 1/0")

        self.assertRaisesRegex(RuntimeError, "rolled back", self.router.transaction, user, work)
        self.assertEqual(self.shards_with(user), [])

    def test_the_next_pooler_is_tried_and_the_one_that_answered_is_kept(self) -> None:
        shards = [{**shard, "write": [NOBODY, *shard["write"]]} for shard in self.truth["shards"]]
        tried = []

        def connect(endpoint: Endpoint) -> Any:
            tried.append(endpoint.port)
            return self.connect(endpoint)

        behind = ShardRouter(self.write("poolers.json", {**self.truth, "shards": shards}), connect)
        for _ in range(3):
            with behind.get_shard_connection(self.user_on(self.first)):
                pass
        live = self.first.write[0].port
        self.assertEqual(tried, [1, live, live, live])

    def test_all_shards_answer_side_by_side_and_a_dead_one_is_an_error_beside_the_others_rows(self) -> None:
        names = [shard.name for shard in self.router.map.shards]
        self.assertEqual(all_rows(self.router.execute_on_all_shards("select 1")), [(1,)] * len(names))

        dead, *others = self.truth["shards"]
        shards = [{**dead, "write": [NOBODY, NOBODY]}, *others]
        partial = ShardRouter(self.write("dead.json", {**self.truth, "shards": shards}), self.connect)
        results = partial.execute_on_all_shards("select 1")
        self.assertEqual([result.shard for result in results], names)
        self.assertIsInstance(results[0].error, ShardUnreachable)
        self.assertEqual(len(results[0].error.errors), 2)
        self.assertIsNone(results[0].rows)
        self.assertEqual(results[1].rows, [(1,)])
        self.assertRaisesRegex(ShardsFailed, f"1 of {len(names)} shards failed", all_rows, results)
        with self.assertRaises(ShardUnreachable), partial.get_shard_connection(self.user_on(self.first)):
            pass
