/** The router: which shard a user is on, a connection to it, and statements over all shards. */

import { type Endpoint, MapError, MapSource, type Shard, type ShardMap } from "./map.js";
import { bucketOf, type Key, parseRowId } from "./placement.js";

/** SQLSTATE class of the fence, which refuses rows that a shard does not own; FL001 is "not the owner". */
export const FENCE_SQLSTATE_CLASS = "FL";

/** What the router needs of a driver's connection; `PoolClient` of `pg` is one. */
export interface ShardClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; command: string }>;
  /** Gives the connection back; true closes it instead. */
  release(destroy?: boolean): void;
}

/** Opens, or takes from a pool, a connection to one pooler. */
export type Connect<Client extends ShardClient> = (endpoint: Endpoint) => Promise<Client>;

/** Which of a shard's servers: the primary, or its replicas. */
export type Access = "write" | "read";

/** One shard's answer: its rows, or why there are none. */
export type ShardResult<Row> =
  | { readonly shard: string; readonly rows: Row[]; readonly error: null }
  | { readonly shard: string; readonly rows: null; readonly error: Error };

/** None of a shard's poolers gave a connection; `errors` holds one error for each. */
export class ShardUnreachable extends AggregateError {
  override readonly name = "ShardUnreachable";
}

/** Whether the fence refused a statement: nothing was written, and a newer map may tell where it belongs. */
export function isFenceRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code.length === 5 && code.startsWith(FENCE_SQLSTATE_CLASS);
}

/** The rows of all shards together; throws if any shard's are missing. */
export function allRows<Row>(results: readonly ShardResult<Row>[]): Row[] {
  const errors = results.flatMap(({ error }) => error ?? []);
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of ${results.length} shards failed`);
  return results.flatMap(({ rows }) => rows ?? []);
}

/** Routes by a shard map. The map is a hint: the shards' fence has the last word, and its refusal brings a new map. */
export class ShardRouter<Client extends ShardClient> {
  /** The endpoint that answered last, so that a dead pooler costs its timeout once and not for every connection. */
  readonly #answered = new Map<readonly Endpoint[], number>();
  readonly #source: MapSource;
  readonly #connect: Connect<Client>;
  #map: ShardMap;
  #refreshing: Promise<void> | undefined;

  private constructor(source: MapSource, map: ShardMap, connect: Connect<Client>) {
    this.#source = source;
    this.#map = map;
    this.#connect = connect;
  }

  /** Loads the map from a file or an http(s) URL. */
  static async open<Client extends ShardClient>(
    location: string, connect: Connect<Client>,
  ): Promise<ShardRouter<Client>> {
    const source = new MapSource(location);
    const map = await source.read();
    if (!map) throw new MapError(`no map at ${location}`);
    return new ShardRouter(source, map, connect);
  }

  /** The map in use. */
  get map(): ShardMap {
    return this.#map;
  }

  /** The shard that holds a user; throws a KeyError if the id isn't of the cluster's key type. */
  getShardForUserId(userId: Key): Shard {
    return this.#owner(bucketOf(this.map.keyType, userId, this.map.buckets));
  }

  /** The shard that holds the row of an id made by `flotilla.next_id()`. */
  getShardForRowId(rowId: Key): Shard {
    return this.#owner(parseRowId(rowId, this.map.buckets).bucket);
  }

  /** A connection to the user's shard; the caller releases it. */
  async getShardConnection(userId: Key, access: Access = "write"): Promise<Client> {
    return this.#connectTo(this.getShardForUserId(userId), access);
  }

  /**
   * Runs `work` in one transaction on the user's shard. If the fence refuses it, the map is read again and `work` runs
   * once more, in a new transaction: what it does outside the database must bear being done twice.
   */
  async transaction<T>(userId: Key, work: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await this.#transactionOn(this.getShardForUserId(userId), "write", work);
    } catch (error) {
      if (!isFenceRefusal(error)) throw error;
      await this.refresh();
      return this.#transactionOn(this.getShardForUserId(userId), "write", work);
    }
  }

  /** Runs one statement on every shard at once. A failed shard's error stands in its place; see `allRows`. */
  async executeOnAllShards<Row = Record<string, unknown>>(
    sql: string, params: unknown[] = [], access: Access = "write",
  ): Promise<ShardResult<Row>[]> {
    const results = await Promise.all(this.map.shards.map((shard): Promise<ShardResult<Row>> =>
      this.#transactionOn(shard, access, (client) => client.query(sql, params)).then(
        ({ rows }) => ({ shard: shard.name, rows: rows as Row[], error: null }),
        (error: Error) => ({ shard: shard.name, rows: null, error }),
      )));
    // No retry here, since other shards may have committed; but the next call should know better.
    if (results.some(({ error }) => isFenceRefusal(error))) await this.refresh().catch(() => undefined);
    return results;
  }

  /** Reads the map again, also after changes that the fence doesn't notice, as of an address; calls share one read. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#readAgain().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #readAgain(): Promise<void> {
    const next = await this.#source.read();
    if (!next) return;
    for (const fixed of ["cluster", "buckets", "keyType"] as const) {
      if (next[fixed] !== this.map[fixed]) throw new MapError(`${this.#source.location} is a map of another cluster`);
    }
    if (BigInt(next.epoch) < BigInt(this.map.epoch)) return; // an older copy: ownership never goes back
    this.#map = next;
    this.#answered.clear();
  }

  #owner(bucket: number): Shard {
    return this.map.shards[this.map.owners[bucket]!]!;
  }

  async #connectTo(shard: Shard, access: Access): Promise<Client> {
    const endpoints = access === "read" && shard.read.length > 0 ? shard.read : shard.write;
    const start = this.#answered.get(endpoints) ?? 0;
    const errors: unknown[] = [];
    for (let step = 0; step < endpoints.length; step++) {
      const at = (start + step) % endpoints.length;
      try {
        const client = await this.#connect(endpoints[at]!);
        this.#answered.set(endpoints, at);
        return client;
      } catch (error) {
        errors.push(error);
      }
    }
    const reasons = errors.map(String).join("; ");
    throw new ShardUnreachable(errors, `no pooler of shard ${shard.name} gave a connection: ${reasons}`);
  }

  async #transactionOn<T>(shard: Shard, access: Access, work: (client: Client) => Promise<T>): Promise<T> {
    const { epoch } = this.map; // before anything is awaited: of the same map as the shard
    const client = await this.#connectTo(shard, access);
    try {
      // The epoch lets the shard refuse an UPDATE or DELETE by a stale map, which would otherwise match no row.
      await client.query(`BEGIN; SET LOCAL flotilla.epoch = '${epoch}'`);
      const value = await work(client);
      const { command } = await client.query("COMMIT");
      if (command !== "COMMIT") throw new Error("transaction was rolled back: its work ignored a failed statement");
      client.release();
      return value;
    } catch (error) {
      // A connection that can't roll back is in an unknown state.
      await client.query("ROLLBACK").then(() => client.release(), () => client.release(true));
      throw error;
    }
  }
}
