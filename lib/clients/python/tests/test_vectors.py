"""Keys and row ids against the vectors that all routers share."""

import json
import unittest
from datetime import datetime
from pathlib import Path
from uuid import UUID

from flotilla_router import InvalidKey, RowId, bucket_of, parse_row_id, row_hash

VECTORS = json.loads((Path(__file__).parents[2] / "vectors.json").read_text(encoding="utf-8"))


class VectorsTest(unittest.TestCase):
    def test_keys_hash_and_land_as_postgresql_places_them(self) -> None:
        self.assertEqual(VECTORS["schema"], "flotilla.vectors/1")
        self.assertGreater(len(VECTORS["placements"]), 100)
        native = {"bigint": int, "int": int, "uuid": UUID, "text": str}
        for vector in VECTORS["placements"]:
            key_type, text = vector["type"], vector["key"]
            for key in (text, native[key_type](text)):
                with self.subTest(type=key_type, key=key):
                    self.assertEqual(str(row_hash(key_type, key)), vector["row_hash"])
                    for buckets, bucket in vector["buckets"].items():
                        self.assertEqual(bucket_of(key_type, key, int(buckets)), bucket)

    def test_row_ids_come_apart(self) -> None:
        self.assertTrue(any(vector["user_id"] for vector in VECTORS["row_ids"]))
        for vector in VECTORS["row_ids"]:
            buckets = vector["buckets"]
            parts = RowId(datetime.fromisoformat(vector["at"]), vector["bucket"], vector["sequence"])
            for row_id in (vector["id"], int(vector["id"])):
                with self.subTest(id=row_id, buckets=buckets):
                    self.assertEqual(parse_row_id(row_id, buckets), parts)
                    self.assertEqual(bucket_of("bigint", row_id, buckets) == parts.bucket, vector["user_id"])
        self.assertRaises(InvalidKey, parse_row_id, -1, 1024)

    def test_what_postgresql_refuses_is_refused(self) -> None:
        for vector in VECTORS["refused"]:
            with self.subTest(**vector):
                self.assertRaises(InvalidKey, row_hash, vector["type"], vector["key"])

    def test_values_of_another_type_are_refused(self) -> None:
        for key_type, key in [
            ("bigint", 1.0), ("bigint", float("nan")), ("bigint", None), ("bigint", True), ("bigint", b"1"),
            ("bigint", [1]), ("bigint", 2**63), ("bigint", -(2**63) - 1), ("bigint", UUID(int=1)), ("bigint", "1\n"),
            ("int", 2**31), ("int", -(2**31) - 1),
            ("uuid", 42), ("uuid", None), ("uuid", b"\0" * 16),
            ("text", 42), ("text", None), ("text", b"a"), ("text", "a\0b"), ("text", "\ud83d"), ("text", UUID(int=1)),
            ("varchar", "a"),
        ]:  # fmt: skip
            with self.subTest(type=key_type, key=key):
                self.assertRaises(InvalidKey, row_hash, key_type, key)
