/**
 * Prints the bucket of each key on standard input, for comparison with a server's own placement.
 *
 *     node check-placement.js [BUCKETS] < keys
 *
 * A line is a key's type, a tab, and the key, escaped as PostgreSQL's COPY writes text, so that the output of
 * `COPY (SELECT 'text', key …) TO STDOUT` can be piped in. The answer to a key that is refused is "refused".
 */

import { readFileSync } from "node:fs";
import { bucketOf, KeyError, type KeyType } from "./src/index.js";

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const buckets = Number(process.argv[2] ?? 1024);

// A byte-order mark at the start would be a key's, not the stream's.
const input = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(0));
const answers = input.replace(/\n$/, "").split("\n").map((line) => {
  const tab = line.indexOf("\t");
  const key = line.slice(tab + 1).replace(/\\(.)/gu, (_, character: string) => ESCAPES[character] ?? character);
  try {
    return bucketOf(line.slice(0, tab) as KeyType, key, buckets);
  } catch (error) {
    if (error instanceof KeyError) return "refused";
    throw error;
  }
});
process.stdout.write(`${answers.join("\n")}\n`);
