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
set -m # each suite is a process group of its own, and all of it is told to end: guests outlive whoever started them
# shellcheck disable=SC2317 # called by the trap
interrupted() {
	trap '' INT TERM HUP QUIT
	echo "long-suites: interrupted" >&2
	local group
	for group in $(jobs -p); do
		kill -INT -- "-$group" 2>/dev/null
	done
	wait
	exit 3
}
trap interrupted INT TERM HUP QUIT
late=$(mktemp) # has something in it when a suite had to be told to end
trap 'rm -f "$late"' EXIT
for name in "${names[@]}"; do
	what="$name (about ${takes[$name]} min): ${command[$name]}"
	if [[ $chosen != *" $name "* ]]; then
		said+=("NOT RUN: $what")
		continue
	fi
	left=
	if [[ -n $minutes ]]; then
		left=$((minutes - SECONDS / 60))
		if ((left < 1 || takes[$name] > left)); then
			said+=("NOT RUN, $left min are left: $what")
			continue
		fi
	fi
	echo "suite $name: ${command[$name]}"
	begun=$SECONDS
	read -ra words <<<"${command[$name]}"
	: >"$late"
	env --default-signal=INT "${words[@]}" </dev/null & # in a job of the background it may be ignored, and stay so
	suite=$!
	if [[ -n $left ]]; then
		(
			sleep $((left * 60))
			echo late >"$late"
			kill -INT -- "-$suite"
			sleep 60
			kill -KILL -- "-$suite"
		) &
		clock=$!
	fi
	wait "$suite"
	result=$?
	[[ -z $left ]] || kill -TERM -- "-$clock" 2>/dev/null
	[[ ! -s $late ]] || result=124
	took="$(((SECONDS - begun) / 60)) min $(((SECONDS - begun) % 60)) s"
	case $result in
	0) said+=("passed: $name, $took") ;;
	124) said+=("NOT FINISHED after $took: $what") ;;
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
