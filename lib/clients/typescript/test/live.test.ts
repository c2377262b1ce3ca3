/**
 * Against running shards. FLOTILLA_TEST_MAP names a map of at least two of them with key type bigint,
 * FLOTILLA_TEST_TABLE a fenced table (user_id bigint primary key, note text) on each; user, password and TLS come from
 * libpq's variables.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type pg from "pg";
import { allRows, isFenceRefusal, type Shard, ShardRouter, ShardUnreachable } from "../src/index.js";
import { pgPools } from "../src/pg.js";

function required(name: string): string {
  return process.env[name] || assert.fail(`${name} is not set`);
}
interface Document {
  epoch: string;
  shards: (Shard & { ranges: unknown; write: unknown[] })[];
}

const location = required("FLOTILLA_TEST_MAP");
const table = required("FLOTILLA_TEST_TABLE");
const rootCertificate = process.env["PGSSLROOTCERT"];
const pools = pgPools(rootCertificate ? { ssl: { ca: readFileSync(rootCertificate) } } : {});
const dir = mkdtempSync(join(tmpdir(), "router-test-"));
const router = await ShardRouter.open(location, pools.connect);
const insert = `insert into ${table} (user_id, note) values ($1, $2)`;
const truth = JSON.parse(await documentAt(location)) as Document;
const [first, second] = router.map.shards as [Shard, Shard];
let nextUser = BigInt(Date.now()) * 1000n;

after(async () => {
  rmSync(dir, { recursive: true });
  const rest = await router.executeOnAllShards(`delete from ${table} where note like 'typescript%'`);
  await pools.end();
  allRows(rest);
});

async function documentAt(place: string): Promise<string> {
  return place.startsWith("http") ? (await fetch(place)).text() : readFileSync(place, "utf8");
}

/** An unused user id that lives on a shard. */
function userOn(shard: Shard): bigint {
  do nextUser++; while (router.getShardForUserId(nextUser) !== shard);
  return nextUser;
}

function write(name: string, document: object): string {
  const path = join(dir, name);
  writeFileSync(`${path}.new`, JSON.stringify(document));
  renameSync(`${path}.new`, path);
  return path;
}

/** The map as it was before the first two shards exchanged their buckets. */
function staleDocument(): Document {
  const [one, two, ...others] = truth.shards as [Document["shards"][0], Document["shards"][0]];
  return {
    ...truth, epoch: String(BigInt(truth.epoch) - 1n),
    shards: [{ ...one, ranges: two.ranges }, { ...two, ranges: one.ranges }, ...others],
  };
}

async function shardsWith(user: bigint): Promise<string[]> {
  const found = await router.executeOnAllShards(`select user_id from ${table} where user_id = $1`, [user]);
  return found.flatMap(({ shard, rows, error }) => (error ? assert.fail(error) : rows.map(() => shard)));
}

test("a transaction commits on the user's shard and nowhere else", async () => {
  for (const shard of [first, second]) {
    const user = userOn(shard);
    const answer = await router.transaction(user, async (client) => {
      await client.query(insert, [user, "typescript"]);
      return (await client.query<{ user_id: string }>(`select user_id from ${table} where user_id = $1`, [user])).rows;
    });
    assert.deepEqual(answer, [{ user_id: String(user) }]);
    assert.deepEqual(await shardsWith(user), [shard.name]);
  }
});

test("a connection reads what was written, from the primary and from the read pool", async () => {
  const user = userOn(second);
  await router.transaction(user, (client) => client.query(insert, [user, "typescript"]));
  for (const access of ["write", "read"] as const) {
    const client = await router.getShardConnection(user, access);
    try {
      const { rows } = await client.query<{ one: number }>("select 1 as one");
      assert.deepEqual(rows, [{ one: 1 }]);
    } finally {
      client.release();
    }
  }
});

test("a misrouted INSERT brings the new map and is done once on the owner", async () => {
  const user = userOn(first);
  const path = write("insert.json", staleDocument());
  const stale = await ShardRouter.open(path, pools.connect);
  assert.equal(stale.getShardForUserId(user).name, second.name);
  write("insert.json", truth);
  let runs = 0;
  await stale.transaction(user, (client) => (runs++, client.query(insert, [user, "typescript"])));
  assert.equal(runs, 2);
  assert.equal(stale.map.epoch, truth.epoch);
  assert.deepEqual(await shardsWith(user), [first.name]);
});

test("a misrouted UPDATE, which would match no row, is refused and done on the owner", async () => {
  const user = userOn(first);
  await router.transaction(user, (client) => client.query(insert, [user, "typescript"]));
  const path = write("update.json", staleDocument());
  const stale = await ShardRouter.open(path, pools.connect);
  write("update.json", truth);
  const { rowCount } = await stale.transaction(user, (client) =>
    client.query(`update ${table} set note = 'typescript changed' where user_id = $1`, [user]));
  assert.equal(rowCount, 1);
});

test("a refusal that a new map does not cure is the caller's", async () => {
  const user = userOn(first);
  const stale = await ShardRouter.open(write("wrong.json", staleDocument()), pools.connect);
  let runs = 0;
  const refused = stale.transaction(user, (client) => (runs++, client.query(insert, [user, "typescript"])));
  await assert.rejects(refused, isFenceRefusal);
  assert.equal(runs, 2);
  assert.deepEqual(await shardsWith(user), []);
});

test("an error in the work rolls back and is not tried again", async () => {
  const user = userOn(first);
  let runs = 0;
  await assert.rejects(router.transaction(user, async (client) => {
    runs++;
    await client.query(insert, [user, "typescript"]);
    throw new Error("no");
  }), /^Error: no$/);
  assert.equal(runs, 1);
  assert.deepEqual(await shardsWith(user), []);
});

test("a failed statement that the work ignores is not taken for a commit", async () => {
  const user = userOn(first);
  await assert.rejects(router.transaction(user, async (client) => {
    await client.query(insert, [user, "typescript"]);
    await client.query("select 1/0").catch(() => undefined);
  }), /rolled back/);
  assert.deepEqual(await shardsWith(user), []);
});

test("a connection that dies between statements fails its transaction, not the process", async () => {
  const user = userOn(first);
  await assert.rejects(router.transaction(user, async (client) => {
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const other = await router.getShardConnection(user);
    await other.query("select pg_terminate_backend($1)", [rows[0]!.pid]).finally(() => other.release());
    await new Promise((resolve) => setTimeout(resolve, 200));
    await client.query(insert, [user, "typescript"]);
  }));
  assert.deepEqual(await shardsWith(user), []);
});

const nobody = { host: "127.0.0.1", hostaddr: null, port: 1, dbname: "none" };

test("the next pooler is tried, and the one that answered is kept", async () => {
  const shards = truth.shards.map((shard) => ({ ...shard, write: [nobody, ...shard.write] }));
  const tried: number[] = [];
  const behind = await ShardRouter.open<pg.PoolClient>(write("poolers.json", { ...truth, shards }), (endpoint) => {
    tried.push(endpoint.port);
    return pools.connect(endpoint);
  });
  for (let i = 0; i < 3; i++) (await behind.getShardConnection(userOn(first))).release();
  const live = first.write[0]!.port;
  assert.deepEqual(tried, [1, live, live, live]);
});

test("all shards answer side by side; a dead one is an error beside the others' rows", async () => {
  const one = "select 1 as one";
  assert.deepEqual(allRows(await router.executeOnAllShards(one)), router.map.shards.map(() => ({ one: 1 })));

  const [dead, ...others] = truth.shards;
  const shards = [{ ...dead, write: [nobody, nobody] }, ...others];
  const partial = await ShardRouter.open(write("dead.json", { ...truth, shards }), pools.connect);
  const results = await partial.executeOnAllShards(one);
  assert.deepEqual(results.map(({ shard }) => shard), router.map.shards.map(({ name }) => name));
  assert.ok(results[0]!.error instanceof ShardUnreachable && results[0]!.error.errors.length === 2);
  assert.equal(results[0]!.rows, null);
  assert.deepEqual(results[1]!.rows, [{ one: 1 }]);
  assert.throws(() => allRows(results), new RegExp(`1 of ${shards.length} shards failed`));
  await assert.rejects(partial.getShardConnection(userOn(first)), ShardUnreachable);
});
