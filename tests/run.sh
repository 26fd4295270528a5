#!/bin/sh
# All tests, in two runs at once for two cores: those that share the one Spark session, and those that
# need none or start programs with their own. What the first says is shown when both have ended.
#
#     sh tests/run.sh PYTEST
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"$1" -m "session and not soak" >"$said" 2>&1 &
shared=$!
trap 'kill "$shared" 2>/dev/null; exit 130' INT TERM
"$1" -m "not session and not soak"
own=$?
wait "$shared"
with=$?
cat "$said"
[ "$own" -eq 0 ] && [ "$with" -eq 0 ]
