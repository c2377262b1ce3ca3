/** Connections by `pg`: one pool for each pooler address and database. */

import { Socket } from "node:net";
import pg from "pg";
import type { Endpoint } from "./map.js";
import type { Connect } from "./router.js";

/** What all pools share: user, password, ssl, pool size, timeouts. The address comes from the map. */
export type PoolOptions = Omit<pg.PoolConfig, "host" | "port" | "database" | "connectionString" | "stream">;

/** A `Connect` over pools, and the way to close them. */
export interface PgPools {
  readonly connect: Connect<pg.PoolClient>;
  /** Waits until every connection is given back, then closes all of them. */
  end(): Promise<void>;
}

/** Makes the pools; none connects before it is asked for. Statements must stay unnamed: see README. */
export function pgPools(options: PoolOptions): PgPools {
  const pools = new Map<string, pg.Pool>();
  return {
    connect: (endpoint) => {
      const address = JSON.stringify([endpoint.host, endpoint.hostaddr, endpoint.port, endpoint.dbname]);
      let pool = pools.get(address);
      if (!pool) {
        pool = new pg.Pool({ connectionTimeoutMillis: 5000, ...options, ...addressOf(endpoint) });
        // A lost connection must not end the process: an idle one has left the pool, a used one fails its next query.
        pool.on("error", () => undefined);
        pool.on("connect", (client) => client.on("error", () => undefined));
        pools.set(address, pool);
      }
      return pool.connect();
    },
    end: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.end()));
    },
  };
}

function addressOf({ host, hostaddr, port, dbname }: Endpoint): pg.PoolConfig {
  const address = { host, port, database: dbname };
  return hostaddr === null ? address : { ...address, stream: () => socketTo(hostaddr) };
}

/** A socket that dials `hostaddr` whatever name it is given, so that TLS and the password file still see the name. */
function socketTo(hostaddr: string): Socket {
  const socket = new Socket();
  const dial = socket.connect.bind(socket) as (port: number, host: string) => Socket;
  socket.connect = ((port: number) => dial(port, hostaddr)) as Socket["connect"];
  return socket;
}
