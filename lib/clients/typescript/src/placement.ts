/**
 * Placement: which bucket a key belongs to, exactly as PostgreSQL's hash partitioning decides it.
 *
 * A key is always hashed as the cluster's declared key type. Nothing is guessed from the look of a value: "123" as
 * text and 123 as bigint live in different buckets.
 */

/** The types a cluster's key can have. */
export type KeyType = "bigint" | "int" | "uuid" | "text";

/** A key as an application holds it; for integers a number up to 2^53, a bigint, or a decimal string. */
export type Key = string | number | bigint;

/** A key that does not belong to the cluster's key type; nothing was sent to any shard. */
export class KeyError extends Error {
  override readonly name = "KeyError";
}

/** What a row id carries. */
export interface RowId {
  /** When the id was made. */
  readonly at: Date;
  readonly bucket: number;
  readonly sequence: number;
}

const U64 = (1n << 64n) - 1n;
const HASH_PARTITION_SEED = 0x7a5b22367996dcfdn;
const COMBINE = 0x49a0f4dd15e5a8e3n;
const ROW_ID_EPOCH_MS = Date.UTC(2024, 0, 1);
const BUCKET_AND_SEQUENCE_BITS = 22;
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The bucket of a key among `buckets`, a power of two. */
export function bucketOf(type: KeyType, key: Key, buckets: number): number {
  return Number(rowHash(type, key) & BigInt(buckets - 1));
}

/** The unsigned 64-bit value that PostgreSQL divides by a partition's modulus. */
export function rowHash(type: KeyType, key: Key): bigint {
  return (hashBytes(keyBytes(type, key)) + COMBINE) & U64;
}

/** Takes a row id apart. */
export function parseRowId(id: Key, buckets: number): RowId {
  const value = integer("bigint", id, 64);
  if (value < 0n) throw new KeyError(`row id ${value} is negative`);
  const low = Number(value & 0x3fffffn);
  const sequences = 2 ** BUCKET_AND_SEQUENCE_BITS / buckets;
  return {
    at: new Date(ROW_ID_EPOCH_MS + Number(value >> BigInt(BUCKET_AND_SEQUENCE_BITS))),
    bucket: Math.floor(low / sequences),
    sequence: low % sequences,
  };
}

/** The bytes that PostgreSQL's hash function for the type reads. */
function keyBytes(type: KeyType, key: Key): Buffer {
  switch (type) {
    case "bigint":
      return integerBytes(integer(type, key, 64));
    case "int":
      return integerBytes(integer(type, key, 32));
    case "uuid":
      if (typeof key !== "string" || !UUID.test(key)) throw refused(type, key, "a string of the form 8-4-4-4-12");
      return Buffer.from(key.replaceAll("-", ""), "hex");
    case "text":
      // PostgreSQL's text holds no NUL; a lone surrogate has no UTF-8 form, and Node would hash a substitute.
      if (typeof key !== "string" || /[\0\p{Surrogate}]/u.test(key)) {
        throw refused(type, key, "a string of well-formed Unicode without NUL");
      }
      return Buffer.from(key, "utf8");
  }
}

function integer(type: KeyType, key: Key, bits: number): bigint {
  if (typeof key === "number" && !Number.isSafeInteger(key)) {
    throw refused(type, key, "an integer; beyond 2^53 a bigint or a string");
  }
  if (typeof key === "string" && !INTEGER.test(key)) throw refused(type, key, "a decimal integer");
  if (!["number", "string", "bigint"].includes(typeof key)) throw refused(type, key, "an integer");
  const value = BigInt(key);
  if (BigInt.asIntN(bits, value) !== value) throw refused(type, key, `in the range of ${bits} bits`);
  return value;
}

/** Folds 64 bits into 32 the way hashint8 does, so that an int and a bigint of equal value hash alike. */
function integerBytes(value: bigint): Buffer {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(low ^ (value >= 0n ? high : ~high));
  return bytes;
}

/** PostgreSQL's hash_bytes_extended with the partitioning seed: Bob Jenkins' lookup3 on 32-bit little-endian words. */
function hashBytes(key: Buffer): bigint {
  const rot = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));
  let a = (0x9e3779b9 + key.length + 3923095) | 0;
  let b = a;
  let c = a;
  const mix = (): void => {
    a = (a - c) ^ rot(c, 4); c = (c + b) | 0;
    b = (b - a) ^ rot(a, 6); a = (a + c) | 0;
    c = (c - b) ^ rot(b, 8); b = (b + a) | 0;
    a = (a - c) ^ rot(c, 16); c = (c + b) | 0;
    b = (b - a) ^ rot(a, 19); a = (a + c) | 0;
    c = (c - b) ^ rot(b, 4); b = (b + a) | 0;
  };

  a = (a + Number(HASH_PARTITION_SEED >> 32n)) | 0;
  b = (b + Number(HASH_PARTITION_SEED & 0xffffffffn)) | 0;
  mix();

  // Padding with zeros lets the last, shorter block be read as whole words.
  const tail = key.length - (key.length % 12);
  const words = Buffer.alloc(tail + 12);
  key.copy(words);
  for (let at = 0; at < tail; at += 12) {
    a = (a + words.readInt32LE(at)) | 0;
    b = (b + words.readInt32LE(at + 4)) | 0;
    c = (c + words.readInt32LE(at + 8)) | 0;
    mix();
  }
  a = (a + words.readInt32LE(tail)) | 0;
  b = (b + words.readInt32LE(tail + 4)) | 0;
  c = (c + (words.readInt32LE(tail + 8) << 8)) | 0; // the lowest byte stands for the length

  c = ((c ^ b) - rot(b, 14)) | 0;
  a = ((a ^ c) - rot(c, 11)) | 0;
  b = ((b ^ a) - rot(a, 25)) | 0;
  c = ((c ^ b) - rot(b, 16)) | 0;
  a = ((a ^ c) - rot(c, 4)) | 0;
  b = ((b ^ a) - rot(a, 14)) | 0;
  c = ((c ^ b) - rot(b, 24)) | 0;
  return (BigInt(b >>> 0) << 32n) | BigInt(c >>> 0);
}

function refused(type: KeyType, key: unknown, wanted: string): KeyError {
  const shown = typeof key === "string" ? JSON.stringify(key.slice(0, 80)) : `${typeof key} ${String(key)}`;
  return new KeyError(`invalid ${type} key ${shown}: it must be ${wanted}`);
}
