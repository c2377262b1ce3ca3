import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bucketOf, type Key, KeyError, type KeyType, parseRowId, rowHash } from "../src/index.js";

interface Vectors {
  schema: string;
  placements: { type: KeyType; key: string; row_hash: string; buckets: Record<string, number> }[];
  row_ids: { id: string; buckets: number; at: string; bucket: number; sequence: number; user_id: boolean }[];
  refused: { type: KeyType; key: string }[];
}

const vectors = JSON.parse(readFileSync(new URL("../../../vectors.json", import.meta.url), "utf8")) as Vectors;

test("keys hash and land as PostgreSQL places them", () => {
  assert.equal(vectors.schema, "flotilla.vectors/1");
  assert.ok(vectors.placements.length > 100);
  for (const { type, key, row_hash, buckets } of vectors.placements) {
    assert.equal(String(rowHash(type, key)), row_hash, `${type} ${key}`);
    for (const [count, bucket] of Object.entries(buckets)) assert.equal(bucketOf(type, key, Number(count)), bucket);
    if (type !== "bigint" && type !== "int") continue;
    assert.equal(String(rowHash(type, BigInt(key))), row_hash);
    if (Number.isSafeInteger(Number(key))) assert.equal(String(rowHash(type, Number(key))), row_hash);
  }
});

test("row ids come apart", () => {
  assert.ok(vectors.row_ids.some(({ user_id }) => user_id));
  for (const { id, buckets, at, bucket, sequence, user_id } of vectors.row_ids) {
    assert.deepEqual(parseRowId(id, buckets), { at: new Date(at), bucket, sequence });
    assert.equal(bucketOf("bigint", id, buckets) === bucket, user_id);
  }
  assert.throws(() => parseRowId("-1", 1024), KeyError);
});

test("what PostgreSQL refuses is refused", () => {
  for (const { type, key } of vectors.refused) assert.throws(() => rowHash(type, key), KeyError, `${type} "${key}"`);
});

test("values of another type, and numbers that JavaScript has rounded, are refused", () => {
  const values: [KeyType, unknown][] = [
    ["bigint", 2 ** 53], ["bigint", -(2 ** 53)], ["bigint", 1.5], ["bigint", NaN], ["bigint", Infinity],
    ["bigint", null], ["bigint", undefined], ["bigint", true], ["bigint", {}], ["bigint", [1]], ["bigint", 2n ** 63n],
    ["int", 2 ** 31], ["int", -(2 ** 31) - 1],
    ["uuid", 42], ["uuid", 42n], ["uuid", null],
    ["text", 42], ["text", 42n], ["text", null], ["text", undefined],
    ["text", "a\0b"], ["text", "\ud83d"], ["text", "\ude42\ud83d"],
  ];
  for (const [type, value] of values) assert.throws(() => rowHash(type, value as Key), KeyError, String(value));
});
