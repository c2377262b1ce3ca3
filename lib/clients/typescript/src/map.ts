/** The shard map: the file that `shardctl map --export` writes and `shardctl map --serve` serves. */

import { readFile } from "node:fs/promises";
import type { KeyType } from "./placement.js";

/** One address of a pooler. */
export interface Endpoint {
  /** The name that TLS verifies, or a Unix-socket directory. */
  readonly host: string;
  /** The address to dial instead of resolving the name. */
  readonly hostaddr: string | null;
  readonly port: number;
  readonly dbname: string;
}

/** One shard and the poolers in front of it, in the order in which they are tried. */
export interface Shard {
  readonly name: string;
  readonly ranges: readonly (readonly [first: number, last: number])[];
  readonly write: readonly Endpoint[];
  /** Empty where a shard has no replicas: reads go to `write`. */
  readonly read: readonly Endpoint[];
}

/** A whole, checked map: every bucket has exactly one owner. */
export interface ShardMap {
  readonly cluster: string;
  readonly buckets: number;
  readonly keyType: KeyType;
  /** A decimal string; higher is newer. */
  readonly epoch: string;
  readonly shards: readonly Shard[];
  /** Bucket → index into `shards`. */
  readonly owners: readonly number[];
}

/** A map that cannot be read, or that must not be followed. */
export class MapError extends Error {
  override readonly name = "MapError";
}

const MAJOR = "shardctl.map/1";
const KEY_TYPES: readonly string[] = ["bigint", "int", "uuid", "text"];
/** Bucket and sequence share 22 bits of a row id; the sequence keeps at least 6 of them. */
const MOST_BUCKETS = 2 ** 16;
const FETCH_TIMEOUT_MS = 5000;

/** Where maps come from: a file, or a URL that is asked for changes only. */
export class MapSource {
  readonly location: string;
  #etag: string | null = null;

  constructor(location: string) {
    this.location = location;
  }

  /** The map, or undefined where the server says that it hasn't changed since the last read. */
  async read(): Promise<ShardMap | undefined> {
    try {
      if (!/^https?:/.test(this.location)) return parseMap(await readFile(this.location, "utf8"));
      const answer = await fetch(this.location, {
        headers: this.#etag === null ? {} : { "if-none-match": this.#etag },
        signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      });
      const text = await answer.text();
      if (answer.status === 304 && this.#etag !== null) return undefined;
      if (answer.status !== 200) throw new MapError(`HTTP status ${answer.status}`);
      const map = parseMap(text);
      this.#etag = answer.headers.get("etag"); // only now: a broken map must be fetched again
      return map;
    } catch (cause) {
      // fetch says only "fetch failed"; the reason is one level down.
      const { message, cause: inner } = cause as Error;
      const reason = inner instanceof Error ? inner.message : message;
      throw new MapError(`could not read map from ${this.location}: ${reason}`, { cause });
    }
  }
}

/** Reads and checks a map; throws a MapError for anything that a router must not follow. */
export function parseMap(text: string): ShardMap {
  const map = object(JSON.parse(text), "map");
  if (map["schema"] !== MAJOR) throw new MapError(`schema ${JSON.stringify(map["schema"])} is not ${MAJOR}`);
  const buckets = integer(map["buckets"], "buckets", 1, MOST_BUCKETS);
  if ((buckets & (buckets - 1)) !== 0) throw new MapError(`buckets ${buckets} is not a power of two`);
  const keyType = string(map["key_type"], "key_type");
  if (!KEY_TYPES.includes(keyType)) throw new MapError(`key_type "${keyType}" is not one of ${KEY_TYPES.join(", ")}`);
  const epoch = string(map["epoch"], "epoch");
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(epoch)) throw new MapError(`epoch "${epoch}" is not a decimal number`);
  const shards = list(map["shards"], "shards").map((shard) => parseShard(shard, buckets));
  const names = new Set(shards.map((shard) => shard.name));
  if (names.size !== shards.length) throw new MapError("two shards have the same name");
  return {
    cluster: string(map["cluster"], "cluster"), buckets, keyType: keyType as KeyType, epoch, shards,
    owners: ownersOf(shards, buckets),
  };
}

function parseShard(value: unknown, buckets: number): Shard {
  const shard = object(value, "shard");
  const name = string(shard["name"], "shard name");
  const ranges = list(shard["ranges"], `ranges of ${name}`).map((range): [number, number] => {
    const [first, last, ...rest] = list(range, `range of ${name}`);
    if (rest.length > 0) throw new MapError(`a range of ${name} is not [first, last]`);
    const from = integer(first, `range of ${name}`, 0, buckets - 1);
    return [from, integer(last, `range of ${name}`, from, buckets - 1)];
  });
  const write = list(shard["write"], `write of ${name}`).map(parseEndpoint);
  if (write.length === 0) throw new MapError(`shard ${name} has no address to write to`);
  return { name, ranges, write, read: list(shard["read"], `read of ${name}`).map(parseEndpoint) };
}

function parseEndpoint(value: unknown): Endpoint {
  const endpoint = object(value, "endpoint");
  const hostaddr = endpoint["hostaddr"] ?? null;
  return {
    host: string(endpoint["host"], "host"),
    hostaddr: hostaddr === null ? null : string(hostaddr, "hostaddr"),
    port: integer(endpoint["port"], "port", 1, 65535),
    dbname: string(endpoint["dbname"], "dbname"),
  };
}

function ownersOf(shards: readonly Shard[], buckets: number): number[] {
  const owners = new Array<number>(buckets).fill(-1);
  for (const [index, { name, ranges }] of shards.entries()) {
    for (const [first, last] of ranges) {
      for (let bucket = first; bucket <= last; bucket++) {
        const other = shards[owners[bucket]!];
        if (other) throw new MapError(`bucket ${bucket} has two owners, ${other.name} and ${name}`);
        owners[bucket] = index;
      }
    }
  }
  const gap = owners.indexOf(-1);
  if (gap >= 0) throw new MapError(`bucket ${gap} has no owner`);
  return owners;
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MapError(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new MapError(`${what} is not a list`);
  return value;
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string" || value === "") throw new MapError(`${what} is not a string, or is empty`);
  return value;
}

function integer(value: unknown, what: string, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw new MapError(`${what} is not an integer from ${least} to ${most}`);
  }
  return value;
}
