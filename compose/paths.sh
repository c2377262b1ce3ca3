# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for, and from, who sources this
#
# Where things lie outside the checkout. Sourced by the scripts beside this file, with `here` set to
# their folder. Whoever calls through sudo keeps the downloads and build output of root's cache,
# built as that user.

checkout=$(dirname "$here")
if [ -n "${FLOTILLA_CACHE:-}" ]; then
    cache=$FLOTILLA_CACHE
elif [ "$(id -u)" = 0 ]; then
    cache=/var/cache/flotilla
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/flotilla
fi
# Build output is this checkout's alone: cargo looks at times of files, not at what is in them, and takes
# another checkout's newer build for one of these sources.
target=$cache/target/$(basename "$checkout")-$(printf '%s' "$checkout" | cksum | cut -d ' ' -f 1)
bin=${FLOTILLA_BIN:-$target/release}
export FLOTILLA_CACHE="$cache"

say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE HINT: nothing was touched.
fail() {
    say "${0##*/}: $1"
    say "  hint: $2"
    exit 2
}
