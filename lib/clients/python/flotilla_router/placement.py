"""Placement: which bucket a key belongs to, exactly as PostgreSQL's hash partitioning decides it.

A key is always hashed as the cluster's declared key type. Nothing is guessed from the look of a value: "123" as text
and 123 as bigint live in different buckets.
"""

import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from uuid import UUID

Key = int | str | UUID

_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_HASH_PARTITION_SEED = 0x7A5B22367996DCFD
_COMBINE = 0x49A0F4DD15E5A8E3
_ROW_ID_EPOCH = datetime(2024, 1, 1, tzinfo=timezone.utc)
_BUCKET_AND_SEQUENCE_BITS = 22
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class InvalidKey(ValueError):
    """A key that does not belong to the cluster's key type; nothing was sent to any shard."""


@dataclass(frozen=True, slots=True)
class RowId:
    """What a row id carries: when it was made, its bucket, its sequence number."""

    at: datetime
    bucket: int
    sequence: int


def bucket_of(key_type: str, key: Key, buckets: int) -> int:
    """The bucket of a key among `buckets`, a power of two."""
    return row_hash(key_type, key) & (buckets - 1)


def row_hash(key_type: str, key: Key) -> int:
    """The unsigned 64-bit value that PostgreSQL divides by a partition's modulus."""
    return (_hash_bytes(_key_bytes(key_type, key)) + _COMBINE) & _U64


def parse_row_id(row_id: int | str, buckets: int) -> RowId:
    """Takes a row id apart."""
    value = _integer("bigint", row_id, 64)
    if value < 0:
        raise InvalidKey(f"row id {value} is negative")
    milliseconds, low = divmod(value, 1 << _BUCKET_AND_SEQUENCE_BITS)
    bucket, sequence = divmod(low, (1 << _BUCKET_AND_SEQUENCE_BITS) // buckets)
    return RowId(_ROW_ID_EPOCH + timedelta(milliseconds=milliseconds), bucket, sequence)


def _key_bytes(key_type: str, key: Key) -> bytes:
    """The bytes that PostgreSQL's hash function for the type reads."""
    if key_type == "bigint":
        return _integer_bytes(_integer(key_type, key, 64))
    if key_type == "int":
        return _integer_bytes(_integer(key_type, key, 32))
    if key_type == "uuid":
        if isinstance(key, UUID):
            return key.bytes
        if not isinstance(key, str) or not _UUID.fullmatch(key):
            raise _refused(key_type, key, "a UUID, or a string of the form 8-4-4-4-12")
        return bytes.fromhex(key.replace("-", ""))
    if key_type == "text":
        if not isinstance(key, str) or "\0" in key:
            raise _refused(key_type, key, "a string of well-formed Unicode without NUL")
        try:
            return key.encode()
        except UnicodeEncodeError as error:
            raise _refused(key_type, key, "a string of well-formed Unicode without NUL") from error
    raise InvalidKey(f'key type "{key_type}" is unknown')


def _integer(key_type: str, key: Key, bits: int) -> int:
    if isinstance(key, str):
        if not _INTEGER.fullmatch(key):
            raise _refused(key_type, key, "a decimal integer")
        key = int(key)
    # bool is an int to Python, but never a key.
    if not isinstance(key, int) or isinstance(key, bool):
        raise _refused(key_type, key, "an integer")
    if not -(1 << bits - 1) <= key < 1 << bits - 1:
        raise _refused(key_type, key, f"in the range of {bits} bits")
    return key


def _integer_bytes(value: int) -> bytes:
    """Folds 64 bits into 32 the way hashint8 does, so that an int and a bigint of equal value hash alike."""
    high = value >> 32 if value >= 0 else ~(value >> 32)
    return ((value ^ high) & _U32).to_bytes(4, "little")


def _hash_bytes(key: bytes) -> int:
    """PostgreSQL's hash_bytes_extended with the partitioning seed: Jenkins' lookup3 on 32-bit little-endian words."""
    a = b = c = (0x9E3779B9 + len(key) + 3923095) & _U32
    a, b, c = _mix(a + (_HASH_PARTITION_SEED >> 32) & _U32, b + _HASH_PARTITION_SEED & _U32, c)

    # Padding with zeros lets the last, shorter block be read as whole words.
    blocks: list[tuple[int, int, int]] = list(struct.iter_unpack("<III", key + bytes(12 - len(key) % 12)))
    x, y, z = blocks.pop()
    for i, j, k in blocks:
        a, b, c = _mix(a + i & _U32, b + j & _U32, c + k & _U32)
    a, b, c = a + x & _U32, b + y & _U32, c + (z << 8) & _U32  # the lowest byte stands for the length

    c = (c ^ b) - (b << 14 | b >> 18) & _U32
    a = (a ^ c) - (c << 11 | c >> 21) & _U32
    b = (b ^ a) - (a << 25 | a >> 7) & _U32
    c = (c ^ b) - (b << 16 | b >> 16) & _U32
    a = (a ^ c) - (c << 4 | c >> 28) & _U32
    b = (b ^ a) - (a << 14 | a >> 18) & _U32
    c = (c ^ b) - (b << 24 | b >> 8) & _U32
    return b << 32 | c


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a, c = (a - c ^ (c << 4 | c >> 28)) & _U32, c + b & _U32
    b, a = (b - a ^ (a << 6 | a >> 26)) & _U32, a + c & _U32
    c, b = (c - b ^ (b << 8 | b >> 24)) & _U32, b + a & _U32
    a, c = (a - c ^ (c << 16 | c >> 16)) & _U32, c + b & _U32
    b, a = (b - a ^ (a << 19 | a >> 13)) & _U32, a + c & _U32
    c, b = (c - b ^ (b << 4 | b >> 28)) & _U32, b + a & _U32
    return a, b, c


def _refused(key_type: str, key: object, wanted: str) -> InvalidKey:
    shown = repr(key[:80] if isinstance(key, str) else key)
    return InvalidKey(f"invalid {key_type} key {shown}: it must be {wanted}")
