#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# vm-suite.sh [ARGUMENT...]: `ppiov run` with these arguments. What fails is run once more, in a guest of its own: a test
# that passes then is named as flaky, with its count, and does not fail the suite; one that fails again does.
#
# Exit codes: those of ppiov run.
set -u
cd "$(dirname "$0")/.." || exit 2

.venv/bin/ppiov run "$@"
code=$?
[ "$code" -eq 1 ] || exit "$code"

failed=$(.venv/bin/python - <<'END'
from pathlib import Path

from ppiov.folder import RunFolder

print("\n".join(test.name for test in RunFolder.load(Path("results/latest")).tests if not test.outcome.ok))
END
) || exit 1
[ -n "$failed" ] || exit 1 # the kernel complained while no test ran: nothing to try again

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
if [ "$code" -eq 0 ]; then
	echo "FLAKY: failed once, passed once (both runs are below results/):"
	printf '%s\n' "$failed" | sed 's/^/  /'
fi
exit "$code"
