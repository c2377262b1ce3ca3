/** Reference router for sharded PostgreSQL; the connections by `pg` are in `flotilla-router/pg`. */

export * from "./map.js";
export * from "./placement.js";
export * from "./router.js";
