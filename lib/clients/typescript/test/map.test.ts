import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type Endpoint, MapError, MapSource, parseMap, ShardRouter, type ShardClient } from "../src/index.js";

const address = (dbname: string) => ({ host: "pool-a", hostaddr: "127.0.0.31", port: 15632, dbname });
const shard = (name: string, ...ranges: unknown[]) =>
  ({ name, ranges, write: [address(name)], read: [address(`${name}_ro`)] });
const document = (changes: object = {}) => JSON.stringify({
  schema: "shardctl.map/1", cluster: "demo", buckets: 1024, key_type: "bigint", epoch: "1",
  shards: [shard("s0", [0, 511]), shard("s1", [512, 1000], [1001, 1023])], ...changes,
});
const neverConnects = async (_: Endpoint): Promise<ShardClient> => assert.fail("no connection is needed here");

test("a whole map is read", () => {
  const map = parseMap(document());
  assert.deepEqual([map.cluster, map.buckets, map.keyType, map.epoch], ["demo", 1024, "bigint", "1"]);
  assert.deepEqual([map.owners[0], map.owners[511], map.owners[512], map.owners[1023]], [0, 0, 1, 1]);
  assert.deepEqual(map.shards[1]!.read, [address("s1_ro")]);
});

test("within the major, unknown keys are ignored; a shard may own nothing and have no replicas", () => {
  const empty = { ...shard("s2"), read: [], write: [{ ...address("s2"), hostaddr: null, weight: 3 }] };
  const map = parseMap(document({ colour: "blue", shards: [shard("s0", [0, 1023]), empty] }));
  assert.equal(map.shards[1]!.write[0]!.hostaddr, null);
});

const whole = shard("s0", [0, 1023]);
const broken: [RegExp, object][] = [
  [/schema "shardctl.map\/2" is not shardctl.map\/1/, { schema: "shardctl.map/2" }],
  [/schema .* is not/, { schema: "shardctl.map/10" }],
  [/schema undefined is not|schema null is not/, { schema: undefined }],
  [/bucket 512 has no owner/, { shards: [shard("s0", [0, 511]), shard("s1", [513, 1023])] }],
  [/bucket 1023 has no owner/, { shards: [shard("s0", [0, 1022])] }],
  [/bucket 0 has no owner/, { shards: [] }],
  [/bucket 511 has two owners, s0 and s1/, { shards: [shard("s0", [0, 511]), shard("s1", [511, 1023])] }],
  [/bucket 7 has two owners, s0 and s0/, { shards: [shard("s0", [0, 1023], [7, 7])] }],
  [/is not an integer from 0 to 1023/, { shards: [shard("s0", [0, 1024])] }],
  [/is not an integer from 5 to 1023/, { shards: [shard("s0", [5, 4])] }],
  [/is not an integer from 0 to 1023/, { shards: [shard("s0", [0.5, 1023])] }],
  [/is not \[first, last\]/, { shards: [shard("s0", [0, 1, 2])] }],
  [/same name/, { shards: [shard("s0", [0, 511]), shard("s0", [512, 1023])] }],
  [/buckets 1000 is not a power of two/, { buckets: 1000 }],
  [/buckets is not an integer/, { buckets: 0 }],
  [/buckets is not an integer/, { buckets: "1024" }],
  [/key_type "varchar" is not one of/, { key_type: "varchar" }],
  [/epoch is not a string/, { epoch: 1 }],
  [/epoch "1; drop table" is not a decimal number/, { epoch: "1; drop table" }],
  [/shards is not a list/, { shards: {} }],
  [/no address to write to/, { shards: [{ ...whole, write: [] }] }],
  [/port is not an integer from 1 to 65535/, { shards: [{ ...whole, read: [{ ...address("x"), port: 0 }] }] }],
  [/host is not a string/, { shards: [{ ...whole, read: [{ ...address("x"), host: "" }] }] }],
];
for (const [message, changes] of broken) {
  test(`a map is refused: ${message.source}`, () => {
    assert.throws(() => parseMap(document(changes)), { name: "MapError", message });
  });
}

test("a missing and a broken file are refused with their name", async () => {
  await assert.rejects(new MapSource("/nonexistent/map.json").read(), /from \/nonexistent\/map.json/);
  await assert.rejects(new MapSource(new URL(import.meta.url).pathname).read(), MapError);
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
type Use = (url: string, say: (answer: Answer) => void, asked: (string | undefined)[]) => Promise<void>;

/** Serves maps: `say` sets the answer to the next requests, `asked` holds the If-None-Match headers that came. */
async function served(use: Use): Promise<void> {
  let answer: Answer = () => assert.fail("nothing to say");
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers["if-none-match"]);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/map`, (next) => (answer = next), asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a served map is fetched again only when it has changed", async () => {
  await served(async (url, say, asked) => {
    const map = (etag: string, changes = {}): Answer =>
      (_, response) => response.writeHead(200, { etag }).end(document(changes));
    say(map('"one"'));
    const router = await ShardRouter.open(url, neverConnects);
    assert.equal(router.map.epoch, "1");

    say((_, response) => response.writeHead(304).end());
    await router.refresh();
    assert.equal(router.map.epoch, "1");

    say((_, response) => response.writeHead(200, { etag: '"broken"' }).end(document().slice(0, 50)));
    await assert.rejects(router.refresh(), MapError);
    assert.equal(router.map.epoch, "1");

    say(map('"two"', { epoch: "10", shards: [shard("s0", [0, 510]), shard("s1", [511, 1023])] }));
    await Promise.all([router.refresh(), router.refresh(), router.refresh()]);
    assert.equal(router.map.owners[511], 1);

    say(map('"old"', { epoch: "9" }));
    await router.refresh();
    assert.equal(router.map.epoch, "10");

    say(map('"other"', { epoch: "11", cluster: "other" }));
    await assert.rejects(router.refresh(), /another cluster/);
    say((_, response) => response.writeHead(503).end());
    await assert.rejects(router.refresh(), /HTTP status 503/);
    assert.equal(router.map.cluster, "demo");
    assert.deepEqual(asked, [undefined, '"one"', '"one"', '"one"', '"two"', '"old"', '"other"']);
  });
});

test("users and row ids are routed by the map's own key type", async () => {
  await served(async (url, say) => {
    say((_, response) => response.end(document()));
    const router = await ShardRouter.open(url, neverConnects);
    assert.equal(router.getShardForUserId(0).name, "s0"); // bucket 432
    assert.equal(router.getShardForUserId("1").name, "s1"); // bucket 952
    assert.equal(router.getShardForUserId(42n).name, "s1"); // bucket 610
    assert.equal(router.getShardForRowId(4194303).name, "s1"); // bucket 1023
    assert.throws(() => router.getShardForUserId("alice"), /invalid bigint key "alice"/);
    assert.throws(() => router.getShardForUserId(2 ** 53), /beyond 2\^53/);
  });
});
