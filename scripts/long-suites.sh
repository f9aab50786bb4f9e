#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# long-suites.sh [--minutes N] [NAME...]: the suites of long-suites.txt, all of them or those that are named, one after
# the other. With --minutes none begins that is known to take longer than what is left of N, and one that is not done
# by then is ended. What has not run is said, a line each.
#
# Exit codes: 0 what has run has passed; 1 a suite failed; 2 bad usage; 3 interrupted.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

usage() {
	echo "usage: long-suites.sh [--minutes N] [NAME...]; $1" >&2
	exit 2
}

minutes=
if [[ ${1:-} == --minutes ]]; then
	minutes=${2:-}
	[[ $minutes =~ ^[0-9]+$ ]] || usage "N is a number of minutes"
	shift 2
fi

names=()
declare -A takes command
while read -r name taken line; do
	[[ -n $name && $name != \#* ]] || continue
	names+=("$name")
	takes[$name]=$taken
	command[$name]=$line
done <scripts/long-suites.txt
for name in "$@"; do
	[[ -n ${command[$name]:-} ]] || usage "there is no suite $name; there are ${names[*]}"
done

chosen=" ${*:-${names[*]}} "
said=()
code=0
SECONDS=0
# A suite is a process group of its own, timeout's, and all of it is told to end: guests outlive whoever started them.
child=
interrupted() {
	echo "long-suites: interrupted" >&2
	if [[ -n $child ]]; then
		kill -INT "$child" 2>/dev/null
		wait "$child"
	fi
	exit 3
}
trap interrupted INT TERM HUP
for name in "${names[@]}"; do
	what="$name (about ${takes[$name]} min): ${command[$name]}"
	if [[ $chosen != *" $name "* ]]; then
		said+=("NOT RUN: $what")
		continue
	fi
	limit=0 # timeout's word for none
	if [[ -n $minutes ]]; then
		left=$((minutes - SECONDS / 60))
		if ((left < 1 || takes[$name] > left)); then
			said+=("NOT RUN, $left min are left: $what")
			continue
		fi
		limit=${left}m
	fi
	echo "suite $name: ${command[$name]}"
	begun=$SECONDS
	read -ra words <<<"${command[$name]}"
	timeout --signal=INT --kill-after=60 "$limit" "${words[@]}" &
	child=$!
	wait "$child"
	result=$?
	child=
	took="$(((SECONDS - begun) / 60)) min $(((SECONDS - begun) % 60)) s"
	case $result in
	0) said+=("passed: $name, $took") ;;
	124 | 137) said+=("NOT FINISHED after $took: $what") ;;
	3 | 130) exit 3 ;;
	*)
		said+=("failed: $name (exit code $result), $took")
		code=1
		;;
	esac
done
printf 'long suites:\n'
printf '  %s\n' "${said[@]}"
exit "$code"
