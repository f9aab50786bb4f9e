# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic histories with planted changes: what each commit does to the cost of one function, and what is to be found.

A history is drawn from a seed. Without VMs, :func:`measure` is the oracle; for real ones, :func:`module_source` is the
module of a point: a function that executes so many instructions more than the first commit's.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ppiov.bisect.model import Hole, Sample, Why

KINDS = ("one", "none", "two", "half-repaired", "better-then-worse", "no-build", "no-load", "panic")
EFFECTS = (1, 2, 10)
BROKEN = {"no-build": Why.BUILD, "no-load": Why.LOAD, "panic": Why.PANIC}


@dataclass(frozen=True)
class History:
    kind: str
    size: int
    steps: dict[int, int]  # commit -> how many instructions it adds (or takes away)
    broken: dict[int, Why]  # points without a figure

    @property
    def values(self) -> list[int]:
        return list(accumulate((self.steps.get(i, 0) for i in range(1, self.size + 1)), initial=20))

    @property
    def answers(self) -> set[tuple[int, int]]:
        """Of each planted change the commits (first, last) that it can be narrowed down to, if all are asked for."""
        found = set()
        for commit in self.steps:
            first, last = commit, commit
            while first - 1 in self.broken:
                first -= 1
            while last in self.broken:
                last += 1
            found.add((first, last))
        return found

    @property
    def regressions(self) -> set[tuple[int, int]]:
        """Those of the answers that got worse."""
        values = self.values
        return {(first, last) for first, last in self.answers if values[last] > values[first - 1]}


def draw(kind: str, size: int, seed: int) -> History:
    """A history of ``size`` commits; every kind but "none" gets worse from end to end."""
    dice = random.Random(f"{kind} {size} {seed}")
    effect = EFFECTS[(size + seed) % len(EFFECTS)]  # each of them among a few sizes
    places = sorted(dice.sample(range(1, size + 1), min(size, 3)))
    steps: dict[int, int] = {}
    if kind == "two":
        steps = {places[0]: effect, places[1]: dice.choice(EFFECTS)}
    elif kind == "half-repaired":
        steps = {places[0]: 10, places[1]: -dice.choice((1, 2, 5))}
    elif kind == "better-then-worse":
        steps = {places[0]: -dice.choice(EFFECTS), places[1]: 10 + effect}
    elif kind != "none":
        steps = {places[0]: effect}
    broken: dict[int, Why] = {}
    if kind in BROKEN:
        # In runs: what breaks the build is seldom repaired by the next commit. The first is where a search begins.
        starts = [size // 2, *dice.sample(range(1, size), dice.randint(0, 2))]
        for start in starts:
            broken |= dict.fromkeys(range(start, min(start + dice.randint(1, max(1, size // 8)), size)), BROKEN[kind])
    return History(kind, size, steps, broken)


def measure(history: History, point: int) -> Sample:
    """What an exact meter says of a point."""
    if point in history.broken:
        return Sample(hole=Hole(history.broken[point]))
    return Sample(float(history.values[point]))


# The module of a point. What is measured is work(); between its calls nothing else runs, since interrupts are off, so
# that under icount the figure is what one call executes.
_MODULE = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/module.h>

#define CALLS 10000

static struct dentry *dir;

static noinline void work(void)
{{
	asm volatile("{body}" ::: "rax", "cc");
}}

static int cost_get(void *data, u64 *val)
{{
	unsigned long flags;
	ktime_t begin, end;
	int i;

	local_irq_save(flags);
	begin = ktime_get();
	for (i = 0; i < CALLS; i++)
		work();
	end = ktime_get();
	local_irq_restore(flags);
	/* in thousandths of an instruction a call */
	*val = ktime_to_ns(ktime_sub(end, begin)) * 1000 / CALLS;
	return 0;
}}
DEFINE_DEBUGFS_ATTRIBUTE(cost_fops, cost_get, NULL, "%llu\\n");

static int __init synth_init(void)
{{
{init}	dir = debugfs_create_dir("ppiov_synth", NULL);
	debugfs_create_file_unsafe("cost", 0400, dir, NULL, &cost_fops);
	return 0;
}}
module_init(synth_init);

static void __exit synth_exit(void)
{{
	debugfs_remove(dir);
}}
module_exit(synth_exit);

MODULE_DESCRIPTION("A function of so many instructions");
MODULE_LICENSE("GPL");
"""
_INIT = {
    Why.BUILD: '\t#error "does not build, on purpose"\n',
    Why.LOAD: "\tif (CALLS)\n\t\treturn -ENODEV;\n",
    Why.PANIC: '\tpanic("on purpose");\n',
}
TAKES_TIME = "imulq %%rax, %%rax"  # an instruction, in an emulated machine too, where a nop takes none
SCRIPT = """\
#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
set -eu
cost=$(cat /sys/kernel/debug/ppiov_synth/cost)
echo "figure cost $((cost / 1000)).$(printf %03d $((cost % 1000))) insns/op insns"
"""


def synth(cost: int, init: str = "", instruction: str = "nop") -> dict[str, str]:
    """The files of a module whose function executes ``cost`` instructions more than an empty one."""
    return {
        "Kbuild": "# SPDX-License-Identifier: GPL-2.0-only\nobj-m := synth.o\n",
        "synth.c": _MODULE.format(body="\\n".join([instruction] * cost), init=init),
    }


def module_source(history: History, point: int) -> dict[str, str]:
    """The files of the module at a point."""
    why = history.broken.get(point)
    return {
        **synth(history.values[point], _INIT[why] if why else ""),
        "NOTES": f"point {point}\n",  # a commit changes something, even if it changes no cost
    }


def repository(history: History, folder: Path) -> list[str]:
    """A git repository in ``folder`` with the history; the commits, the good end first."""

    def git(*words: str) -> str:
        identity = ["-c", "user.name=A U Thor", "-c", "user.email=author@example.org"]
        done = subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    commits = []
    for point in range(history.size + 1):
        for name, text in module_source(history, point).items():
            (folder / name).write_text(text)
        git("add", "--all")
        git("commit", "--quiet", "-m", f"synth: commit {point}")
        commits.append(git("rev-parse", "HEAD"))
    return commits
