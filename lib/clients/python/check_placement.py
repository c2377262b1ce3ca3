"""Prints the bucket of each key on standard input, for comparison with a server's own placement.

    check_placement.py [BUCKETS] < keys

A line is a key's type, a tab, and the key, escaped as PostgreSQL's COPY writes text, so that the output of
`COPY (SELECT 'text', key …) TO STDOUT` can be piped in. The answer to a key that is refused is "refused".
"""

import re
import sys

from flotilla_router import InvalidKey, bucket_of

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def main() -> None:
    buckets = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    answers = []
    # Bytes are split on line feeds alone: text mode would also take a carriage return inside a key for a line's end.
    for line in sys.stdin.buffer.read().decode().removesuffix("\n").split("\n"):
        key_type, _, escaped = line.partition("\t")
        key = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), escaped)
        try:
            answers.append(str(bucket_of(key_type, key, buckets)))
        except InvalidKey:
            answers.append("refused")
    print("\n".join(answers))


if __name__ == "__main__":
    main()
