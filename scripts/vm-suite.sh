#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# vm-suite.sh [ARGUMENT...]: `ppiov run` with these arguments. What fails is run once more, in a guest of its own: a test
# that passes then is named as flaky, with the folders of both runs, and does not fail the suite; one that fails again
# does. results/latest is the first run, which has all of the tests.
#
# Exit codes: those of ppiov run.
set -u
cd "$(dirname "$0")/.." || exit 2

latest=results/latest

# Prints the tests of the run $latest that have not gone well, a line each.
bad() {
	.venv/bin/python - $latest <<'END'
import sys
from pathlib import Path

from ppiov.folder import RunFolder

print("\n".join(test.name for test in RunFolder.load(Path(sys.argv[1])).tests if not test.outcome.ok))
END
}

trap : INT HUP # which ppiov gets as well, and says by its exit code; until it is gone we are there
.venv/bin/ppiov run "$@"
code=$?
[ "$code" -eq 1 ] || exit "$code"

failed=$(bad) || exit 1
[ -n "$failed" ] || exit 1 # the kernel complained while no test ran: nothing to try again
first=$(readlink $latest) || exit 1

# The same again, but for which tests: those are the failed ones.
count=$#
while [ "$count" -gt 0 ]; do
	case $1 in
	--test)
		shift 2
		count=$((count - 2))
		;;
	*)
		set -- "$@" "$1"
		shift
		count=$((count - 1))
		;;
	esac
done
while IFS= read -r name; do
	set -- "$@" --test "$name"
done <<END
$failed
END
echo "These failed, and are run once more:"
printf '%s\n' "$failed" | sed 's/^/  /'
.venv/bin/ppiov run "$@"
code=$?
second=$(readlink $latest)
again=
[ "$code" -gt 1 ] || [ "$second" = "$first" ] || again=$(bad) || code=1
ln -sfn "$first" $latest

if [ "$code" -le 1 ] && [ "$second" != "$first" ]; then
	flaky=$(printf '%s\n' "$failed" | grep -Fxv -e "$again")
	if [ -n "$flaky" ]; then
		echo "FLAKY: failed once, in results/$first, and passed once, in results/$second:"
		printf '%s\n' "$flaky" | sed 's/^/  /'
	fi
fi
exit "$code"
