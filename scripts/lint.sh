#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# lint.sh [--kernel]: every check that reads code without building it. Runs all of them, then fails if one has.
# KERNEL_TREE=... names a kernel source tree for checkpatch and the netlink generator; else one below /usr/src is taken,
# or one that ppiov has put into the store. Without one their checks are left out, and that is said; --kernel runs only
# them, and does not do without.
# Needs on the PATH: ruff, mypy, yamllint (from .venv), clang-format, shellcheck, perl.
#
# Exit codes: 0 nothing is wrong; 1 a check failed; 2 bad usage, or --kernel without a kernel source tree.
set -eu

only=
case "$# $*" in
"0 ") ;;
"1 --kernel") only=kernel ;;
*)
	echo "usage: lint.sh [--kernel]" >&2
	exit 2
	;;
esac
cd "$(dirname "$0")/.."
failed=

check() {
	name=$1
	shift
	if output=$("$@" 2>&1); then
		printf 'ok    %s\n' "$name"
	else
		printf 'FAIL  %s\n%s\n' "$name" "$output"
		failed="$failed $name"
	fi
}

skip() { printf 'skip  %s: %s\n' "$1" "$2"; }

# Runs a command on the tracked files that match a pattern. File names here have no blanks; the SPDX check sees to it.
on() {
	pattern=$1
	shift
	# shellcheck disable=SC2086 # several patterns
	files=$(git ls-files -- $pattern)
	# shellcheck disable=SC2086 # one word per file
	[ -z "$files" ] || "$@" $files
}

# The licence stands in the first three lines of every file that can hold a comment.
spdx() {
	bad=$(git ls-files | while read -r file; do
		case $file in
		*" "*) echo "$file: a blank in its name" ;;
		LICENSES/* | *.png | *.json | *.log | */py.typed) ;;
		*) [ ! -s "$file" ] || head -n 3 "$file" | grep -q 'SPDX-License-Identifier: .*GPL-2.0' || echo "$file: no SPDX line" ;;
		esac
	done)
	[ -z "$bad" ] || { echo "$bad" && false; }
}

# Folder by folder: each has modules of its own, as pytest sees it, and names recur.
types_of_tests() {
	bad=
	MYPYPATH=harness/tests mypy --explicit-package-bases harness/tests || bad=1
	for folder in selftests/*/; do
		case $folder in
		*/lib/) ;;
		*) ! ls "$folder"*.py >/dev/null 2>&1 || MYPYPATH=selftests mypy --explicit-package-bases "$folder"*.py || bad=1 ;;
		esac
	done
	[ -z "$bad" ]
}

checkpatch_tree() {
	for tree in ${KERNEL_TREE:+"$KERNEL_TREE"} /usr/src/linux-source-* /usr/src/linux \
		"${XDG_CACHE_HOME:-${HOME:-}/.cache}"/ppiov/sources/*; do
		if [ -f "$tree/scripts/checkpatch.pl" ]; then
			echo "$tree"
			return
		fi
	done
}

# What the kernel's generator made is laid out as it likes: generate-netlink.sh --check reads it instead.
ours_built='kernel/*.c kernel/*.h :!kernel/pool/nl_gen.* :!kernel/include/uapi/ppiov_netlink.h'
ours_tests='selftests/*.c selftests/*.h'
ours="$ours_tests $ours_built"

# MAINTAINERS and file moves are the tree's business; an out-of-tree C file with // SPDX is as in the tree.
# ethtool's names for what IEEE 802.3 counts are camel case. ALLOC_WITH_SIZEOF asks for kzalloc_obj(), which 6.12 lacks
# and compat/ has; the modules of the tests are built without that.
checkpatch() {
	ignored=FILE_PATH_CHANGES,SPLIT_STRING,CAMELCASE
	on "$ours_built" checkpatch_of "$1" "$ignored" && on "$ours_tests" checkpatch_of "$1" "$ignored,ALLOC_WITH_SIZEOF"
}

checkpatch_of() {
	tree=$1
	ignored=$2
	shift 2
	perl "$tree/scripts/checkpatch.pl" --no-tree --file --terse --strict --no-summary --max-line-length=80 \
		--ignore "$ignored" --root "$tree" "$@"
}

# W=1 has it read the files that are compiled, and no header. It warns, and exits with 0.
kernel_doc() {
	if ! said=$(on "$ours_built" "$1/scripts/kernel-doc" -none 2>&1) || [ -n "$said" ]; then
		echo "$said"
		return 1
	fi
}

tree=$(checkpatch_tree)
none="no kernel source tree here (KERNEL_TREE=DIR, apt install linux-source, or ppiov run upstream)"
if [ -n "$only" ] && [ -z "$tree" ]; then
	echo "lint: $none" >&2
	exit 2
fi
if [ -z "$only" ]; then
	check "ruff check" ruff check harness selftests
	check "ruff format" ruff format --check harness selftests
	check "mypy" mypy
	check "mypy of the tests" types_of_tests
	check "clang-format" on "$ours" clang-format --dry-run --Werror
	check "shellcheck" on '*.sh .ci/run' shellcheck --exclude SC1091 # a file that is sourced may be made at run time
	check "yamllint" on '*.yaml *.yml .yamllint' yamllint --strict
	check "spdx" spdx
fi
if [ -n "$tree" ]; then
	check "checkpatch --strict ($(basename "$tree"))" checkpatch "$tree"
	check "kernel-doc" kernel_doc "$tree"
	check "generated netlink code" env KERNEL_TREE="$tree" scripts/generate-netlink.sh --check
else
	skip "checkpatch, kernel-doc, generated netlink code" "$none"
fi

[ -z "$failed" ] || {
	printf 'lint:%s failed\n' "$failed"
	exit 1
}
