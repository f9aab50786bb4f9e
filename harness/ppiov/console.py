# SPDX-License-Identifier: GPL-2.0-only
"""Finds the kernel's complaints in the byte stream of a console.

The detector takes bytes in whatever pieces they arrive (a marker split over two reads is still seen), strips what
printk puts before a line (level, timestamp, task or CPU), and gathers each complaint into a :class:`Splat`. What the
kernel prints is known from lib/bug.c, kernel/panic.c, arch/*/kernel/{traps,dumpstack}.c, mm/kasan/report.c,
kernel/kcsan/report.c, lib/ubsan.c, kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/watchdog.c,
kernel/hung_task.c, lib/refcount.c, lib/ref_tracker.c, mm/kmemleak.c, mm/oom_kill.c, net/core/page_pool.c and
net/core/dev.c; harness/tests/test_console_source.py compares that with a kernel's source.

Two CPUs may complain at the same time, and their lines come mixed. A kernel with CONFIG_PRINTK_CALLER says before each
line who prints it, and each of them has a block of its own here; without it, all lines are taken for one's.

The guest marks begin and end of each test in the same log (guest/plugin.py), so a complaint falls to the test during
which its first line was printed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from ppiov.results import Splat

MAX_LINE = 4096  # bytes; the kernel prints at most 1 KiB a line (PRINTKRB_RECORD_MAX)
MAX_BLOCK = 250  # lines; what follows belongs to nobody
LAST_LINES = 40  # that are remembered before something fatal; what is fatal is remembered whole
MAX_FRAMES = 8  # of a fingerprint: the top of the stack tells two bugs apart, its bottom only how they were reached

# Kinds after which the kernel does not go on.
FATAL: Final = frozenset({"panic", "kvm-internal-error"})

_PREFIX = re.compile(
    r"^(?:<\d{1,3}>)?"  # level, where a console shows it
    r"(?:\[\s*\d+\.\d+\]\s?)?"  # timestamp
    r"(?:\[\s*([TC]\d+)\]\s?)?"  # CONFIG_PRINTK_CALLER: the task, or the CPU where it is in an interrupt
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x00-\x08\x0b-\x1f\x7f]")
_MARK = re.compile(r"^ppiov: (begin|end|broken:) (.*)$")
# What a KUnit case says before it has the code under test warn, where KUnit can't suppress that (compat/kunit.h).
_ANNOUNCED = re.compile(r"^\s*# \S+: a warning is expected now$")

_CUT = "------------[ cut here ]------------"
_TRACE_END = re.compile(r"^---\[ end trace")
_TASK_END = re.compile(r"^\s*</TASK>")
_PANIC_END = re.compile(r"^---\[ end Kernel panic")
_RULE_END = re.compile(r"^={20,}$")
_BLANK_END = re.compile(r"^\s*$")
_SINGLE = None  # a complaint of one line


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    head: re.Pattern[str]
    end: re.Pattern[str] | None = _TASK_END  # its last line
    inside: re.Pattern[str] | None = None  # what all lines after the first look like: it ends before one that doesn't


def _kind(name: str, head: str, end: re.Pattern[str] | None = _TASK_END, inside: str = "") -> _Kind:
    return _Kind(name, re.compile(head), end, re.compile(inside) if inside else None)


# The first that matches wins, so the specific stand before the general.
_KINDS: Final = (
    _kind("kvm-internal-error", r"KVM internal error", _SINGLE),
    _kind("panic", r"^Kernel panic - not syncing", _PANIC_END),
    _kind("kasan", r"^BUG: (KASAN|KFENCE|KMSAN): ", _RULE_END),
    _kind("kcsan", r"^BUG: KCSAN: ", _RULE_END),
    _kind("ubsan", r"^UBSAN: ", _TRACE_END),
    _kind("soft-lockup", r"BUG: soft lockup - CPU#\d+ stuck|Watchdog detected hard LOCKUP|BUG: workqueue lockup"),
    _kind("rcu-stall", r"^(rcu: )?INFO: rcu\w* (self-)?detected .*stall"),
    _kind("hung-task", r"^INFO: task .{1,80} blocked (for more than|in I/O wait for more than) \d+ seconds"),
    _kind(
        "lockdep",
        r"^WARNING: (possible (circular locking|recursive locking|irq lock inversion)|inconsistent lock state|"
        r"suspicious RCU usage|bad (unlock balance|contention) detected|held lock freed|lock held when returning|"
        r"Nested lock was not taken|nested lock was not taken|\S+-safe -> \S+-unsafe lock order|chain_key collision|"
        r"\S+/\d+ still has locks held)|^\[ BUG: Invalid wait context \]|^INFO: trying to register non-static key|"
        r"^(BUG: )?(MAX_LOCK_DEPTH|MAX_LOCKDEP_\w+|MAX_STACK_TRACE_ENTRIES) too low|"
        r"^BUG: key \S+ has not been registered|^BUG: looking up invalid subclass",
    ),
    _kind("refcount", r"^refcount_t: ", _TRACE_END),
    _kind("warn", r"^WARNING: (CPU: \d+ PID: \d+|\S+:\d+ at |at \S+, CPU#\d+)", _TRACE_END),
    _kind("bug", r"^kernel BUG at ", _TRACE_END),
    _kind(
        "oops",
        r"^BUG: (unable to handle|kernel NULL pointer|stack guard page|TASK stack guard|IRQ stack guard|#DF stack)|"
        r"^(Oops: |Oops \[#|Internal error: |Unable to handle kernel |PANIC: double fault)|"
        r"^(general protection fault|invalid opcode|divide error|stack segment|int3|traps: PANIC)\b.*(\[#\d+\]|: 0000)",
        _TRACE_END,
    ),
    _kind("kmemleak", r"^(kmemleak: )?unreferenced object( \(\w+\))? 0x", _BLANK_END, r"^(kmemleak: )?(\s+\S|$)"),
    _kind("kmemleak", r"^kmemleak: \d+ new suspected memory leaks", _SINGLE),
    _kind("page-pool-stall", r"page_pool_release_retry\(\) stalled pool shutdown", _SINGLE),
    _kind("unregister-netdevice", r"^unregister_netdevice: waiting for ", _SINGLE),
    _kind("ref-tracker", r"^ref_tracker: (?!.*memory allocation)", _BLANK_END, r"^(\s|ref_tracker: |$)"),
    _kind("oom-kill", r"^(Memory cgroup o|O)ut of memory: Killed process", _SINGLE),
    _kind("bug", r"^BUG \S+ \(.*\): "),  # mm/slub.c
    _kind("bug", r"^BUG: "),  # scheduling while atomic, sleeping function, Bad page state, spinlock ...
)
KINDS: Final = frozenset(kind.name for kind in _KINDS)
# What may follow inside a block without being a complaint of its own: an oops repeats itself in several lines.
_GOES_ON: Final = {
    "oops": {"oops"},
    "bug": {"oops"},
    "warn": {"warn"},
    "refcount": {"warn"},
    "ubsan": {"warn"},
    "ref-tracker": {"ref-tracker"},
    "soft-lockup": {"soft-lockup"},
}
# A newer kernel says WARNING first and what about then.
_IS_REALLY: Final = {"warn": {"refcount"}}
# Other CPUs are asked for their stacks in these; they answer in their own names.
_GATHERS: Final = frozenset({"rcu-stall", "soft-lockup"})

_FRAME = re.compile(
    r"^(?:kmemleak: )?\s*(?:\[<[0-9a-f]+>\]\s*)?(\? )?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[\w-]+\])?"
)
_AT = re.compile(r"(?:RIP: (?:0010:)?|\bpc : |^WARNING: .*? (?:at|\d) )(?:\S+:\d+ )?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/")
_COMPILER_SUFFIX = re.compile(r"\.(constprop|isra|part|cold|llvm)(\.\d+)*(?=\.|$)")
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")
_MODULE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[([\w-]+)")
_LOCK = re.compile(r"\((\S.*?)\)\{[^}]*\}-\{")  # "(&dev->lock){+.+.}-{4:4}, at: ..."
_LOCK_VERSION = re.compile(r"#\d+(?=/|$)")  # counts lock classes of one name, in the order of their first use
# Who reports, on top of the stack: it says nothing about who is reported.
_REPORTER = re.compile(
    r"^(dump_stack\w*|show_stack|__dump_stack|print_\w+|\w*report\w*|kasan_\w+|__(asan|kasan|hwasan|tsan|ubsan|msan)_\w+|"
    r"kcsan_\w+|ubsan_\w+|check_\w+|mark_(lock|usage)\w*|validate_chain|__lock_\w+|lock_(acquire|release|acquired)|"
    r"lockdep_\w+|debug_check_\w+|__might_\w+|__warn\w*|warn_\w+|refcount_warn_\w+|handle_bug|exc_\w+|asm_exc_\w+|"
    r"create_object|kmemleak_\w+|___?slab_alloc|slab_\w+|kmem_cache_\w+|__?k[mz]\w*alloc\w*|kvmalloc\w*|__kvmalloc\w*|"
    r"stack_trace_save\w*|save_stack\w*|ref_tracker_\w+|__?schedule|schedule_timeout\w*)$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A complaint, and the test whose begin was the last mark before it (None: no test ran)."""

    splat: Splat
    test: str | None
    announced: bool = False  # a warning that is meant to be there


@dataclass(frozen=True, slots=True)
class Mark:
    """The guest's own line in the log."""

    kind: str  # "begin", "end", "broken"
    text: str  # the test's name, or the reason


@dataclass(slots=True)
class _Block:
    kind: _Kind | None  # None: "cut here" has been seen, and not yet what it is about
    test: str | None
    lines: list[str] = field(default_factory=list)
    title: str = ""
    announced: bool = False  # meant to be there, if it is a warning and nothing else

    def ends_with(self, line: str) -> bool:
        """Whether ``line``, its last so far, is the last of all."""
        if len(self.lines) >= MAX_BLOCK:
            return True
        if self.kind is None:
            return bool(_TRACE_END.match(line)) or len(self.lines) > 10
        if self.kind.end is None:
            return True
        return len(self.lines) > 1 and bool(self.kind.end.match(line))


class Detector:
    """Feed it bytes, get what they complete; :meth:`close` gives what the end of the stream completes."""

    def __init__(self) -> None:
        self._partial = b""
        self._blocks: dict[str, _Block] = {}  # who prints -> what is being printed
        self._announcers: set[str] = set()  # whose next line may begin a warning that is meant to be there
        self._objects = 0  # that kmemleak has told since it last counted them
        self.test: str | None = None  # the test that runs, as far as the console has come
        self.fatal: str | None = None  # the first line after which nothing good comes, known before its block ends
        self.last_lines: list[str] = []  # the end of the console, cleaned; from the fatal line on, all of it

    def feed(self, data: bytes) -> list[Found | Mark]:
        """Take the next bytes, however they were cut."""
        out: list[Found | Mark] = []
        *lines, self._partial = (self._partial + data).split(b"\n")
        for raw in lines:
            self._line(raw, out)
        if len(self._partial) > MAX_LINE:  # no line of a kernel: don't gather it for ever, but don't lose its head
            self._partial = self._partial[:MAX_LINE]
        return out

    def close(self) -> list[Found | Mark]:
        """The stream has ended: an unfinished line or block is complete."""
        out: list[Found | Mark] = []
        if self._partial:
            self._line(self._partial, out)
            self._partial = b""
        self._finish_all(out)
        return out

    @property
    def in_block(self) -> bool:
        """Whether a complaint is just being printed."""
        return bool(self._blocks)

    def _line(self, raw: bytes, out: list[Found | Mark]) -> None:
        caller, line = _split(raw[:MAX_LINE])
        room = LAST_LINES if self.fatal is None else LAST_LINES + MAX_BLOCK
        self.last_lines = [*self.last_lines[-room + 1 :], line]
        if mark := _MARK.match(line):
            self._finish_all(out)
            kind = mark[1].rstrip(":")
            if kind != "broken":
                self.test = mark[2] if kind == "begin" else None
            out.append(Mark(kind, mark[2]))
            return
        announced = caller in self._announcers
        self._announcers.discard(caller)
        if _ANNOUNCED.match(line):
            self._announcers.add(caller)
        if line == _CUT:
            self._finish(caller, out)
            self._blocks[caller] = _Block(None, self.test, [line], announced=announced)
            return
        if caller not in self._blocks:
            caller = self._host(caller)
        self._head(caller, line, announced, out)
        block = self._blocks.get(caller)
        if block is None:
            return
        block.lines.append(line)
        if block.ends_with(line):
            self._finish(caller, out)

    def _host(self, caller: str) -> str:
        """Whose block takes the lines of ``caller``, who has none."""
        for other, block in self._blocks.items():
            if block.kind is not None and block.kind.name in _GATHERS:
                return other
        return caller

    def _head(self, caller: str, line: str, announced: bool, out: list[Found | Mark]) -> None:
        """Begin and end the caller's block where ``line`` says so."""
        kind = next((kind for kind in _KINDS if kind.head.search(line)), None)
        block = self._blocks.get(caller)
        if kind is None:
            inside = block.kind.inside if block is not None and block.kind is not None else None
            if inside is not None and not inside.match(line):
                self._finish(caller, out)
            return
        if kind.name in FATAL and self.fatal is None:
            self.fatal = line
        if block is None:
            self._blocks[caller] = _Block(kind, self.test, title=line, announced=announced)
        elif block.kind is None or kind.name in _IS_REALLY.get(block.kind.name, set()):
            block.kind, block.title = kind, line
        elif kind.name not in _GOES_ON.get(block.kind.name, set()):
            self._finish(caller, out)
            self._blocks[caller] = _Block(kind, self.test, title=line)

    def _finish_all(self, out: list[Found | Mark]) -> None:
        for caller in list(self._blocks):
            self._finish(caller, out)

    def _finish(self, caller: str, out: list[Found | Mark]) -> None:
        block = self._blocks.pop(caller, None)
        if block is None:
            return
        kind = block.kind.name if block.kind else "warn"  # lib/bug.c and kernel/panic.c alone say "cut here"
        if kind == "kmemleak":
            told, self._objects = self._objects, self._objects + 1 if len(block.lines) > 1 else 0
            if len(block.lines) == 1 and told:  # the count of those that it has just told, one by one
                return
        title = block.title or next((line for line in block.lines if line != _CUT), _CUT)
        splat = Splat(kind, title, fingerprint(kind, title, block.lines), "\n".join(block.lines))
        out.append(Found(splat, block.test, block.announced and kind == "warn"))


def clean(raw: bytes) -> str:
    """A console line without line end, terminal escapes, and what printk puts before the message."""
    return _split(raw)[1]


def _split(raw: bytes) -> tuple[str, str]:
    """Who prints the line ("" where the kernel doesn't say), and the line as :func:`clean` has it."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace"))
    prefix = _PREFIX.match(text)
    assert prefix is not None  # it matches nothing, too
    return prefix[1] or "", text[prefix.end() :].rstrip()


def during(console: bytes, test: str) -> str:
    """What the console of one guest said from the beginning of the test ``test`` on, as :func:`clean` lines."""
    lines = [clean(raw) for raw in console.split(b"\n")]
    begin = f"ppiov: begin {test}"
    return "\n".join(lines[lines.index(begin) + 1 :]) if begin in lines else ""


def fingerprint(kind: str, title: str, lines: list[str]) -> str:
    """The same for the same complaint in another boot, on another CPU, or with the module at another address.

    Made of the kind and the functions on top of the stack, without offsets, addresses and the compiler's suffixes;
    frames that the unwinder marks as unreliable ("?") don't count, nor do the functions that report. lockdep's stack
    only says who came last, so its locks count, too. KCSAN's title names both sides, always in the same order.
    Where there is no stack, the title without numbers.
    """
    frames = stack(lines)
    while len(frames) > 1 and reporter(frames[0]):
        del frames[0]
    if kind == "kcsan":
        about = _COMPILER_SUFFIX.sub("", re.sub(r"\+0x[0-9a-f]+/0x[0-9a-f]+", "", title))
    elif kind == "lockdep":
        locks = [_LOCK_VERSION.sub("", name) for line in lines for name in _LOCK.findall(line)][:2]
        about = "<".join([_VARIABLE.sub("N", title), *locks, *frames[:MAX_FRAMES]])
    else:
        about = "<".join(frames[:MAX_FRAMES]) if frames else _VARIABLE.sub("N", title)
    return f"{kind}-{hashlib.sha256(f'{kind} {about}'.encode()).hexdigest()[:12]}"


def stack(lines: list[str]) -> list[str]:
    """The functions on the stack that the kernel is sure of, the innermost first, without what the compiler adds."""
    frames: list[str] = []
    for line in lines:
        match = _AT.search(line) or _FRAME.match(line)
        if match is None:
            continue
        unreliable, name = (None, match[1]) if match.re is _AT else (match[1], match[2])
        name = _COMPILER_SUFFIX.sub("", name)
        if unreliable is None and (not frames or frames[-1] != name):
            frames.append(name)
    return frames


def reporter(function: str) -> bool:
    """Whether a function on top of a stack is there only because it reports."""
    return bool(_REPORTER.match(function))


def modules(text: str) -> frozenset[str]:
    """The modules whose functions a complaint names, in a stack or anywhere."""
    return frozenset(name.replace("-", "_") for name in _MODULE.findall(text))
