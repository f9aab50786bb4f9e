# SPDX-License-Identifier: GPL-2.0-only
"""The series engine: patches become commits, checks look at them, and all of it becomes a :class:`SeriesRun` on disk.

First everything that only reads, for all patches, since a wrong tag is known in a second; then builds, patch by patch;
then what is run in guests. A verdict is kept by what it depends on, so the second time only what has changed is done.
"""

from __future__ import annotations

import dataclasses
import errno
import shlex
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ppiov import suites, worktree
from ppiov.environment import describe
from ppiov.errors import BadRequest, DiskFull, Interrupted, MissingTool, PpiovError
from ppiov.events import Event, Note, SeriesFinished, StageBegun, StageEnded, StageProgress
from ppiov.folder import RunFolder
from ppiov.report import series as reports
from ppiov.results import RunState
from ppiov.series import builder, inward, kept, results, rules, scratch, source
from ppiov.series import check as checks
from ppiov.series.check import CannotSay, Check
from ppiov.series.checks.build import FLAVOURS
from ppiov.series.patch import Patch, Series
from ppiov.series.place import Options, Place
from ppiov.series.results import CheckResult, PatchResult, SeriesRun, Verdict
from ppiov.series.scratch import GitFailed, Scratch
from ppiov.series.stages import Stages, Wanted
from ppiov.store import Store, entry_lock

_BUILDS = tuple(flavour.name for flavour in FLAVOURS)


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What the user asked for."""

    what: str  # BASE..HEAD, a b4 prep branch, an mbox, a folder of patches
    own: bool = False  # this project's modules, turned into a series for the kernel's tree; `what` is ""
    tree: Path | None = None  # the kernel's repository; None: the one around the current folder
    base: str = ""  # what mails are applied onto; "": what they say, or HEAD
    checks: tuple[str, ...] = ()  # none: all
    without: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    wanted: Wanted = field(default_factory=Wanted)  # what is run in guests
    anew: bool = False  # don't take kept verdicts
    results_dir: Path = Path("results")

    def command(self) -> str:
        """The one line that reproduces it."""
        words = ["ppiov", "series", *(["--self"] if self.own else [self.what])]
        words += ["--tree", str(self.tree)] if self.tree else []
        words += ["--base", self.base] if self.base else []
        words += [word for name in self.checks for word in ("--check", name)]
        words += [word for name in self.without for word in ("--without", name)]
        words += ["--config", self.options.config] if self.options.config != "allmodconfig" else []
        words += ["--includers", str(self.options.includers)] if self.options.includers != Options().includers else []
        words += ["--whole-tree"] if self.options.whole_tree else []
        words += self.wanted.words()
        return shlex.join(words)


@dataclass(slots=True)
class _Story:
    """What is known of the series so far; always enough to save."""

    request: SeriesRequest
    id: str
    started: str
    tree: str
    series: Series
    base_name: str
    planned: list[str]  # names of checks and stages, in order
    found: dict[int, dict[str, CheckResult]] = field(default_factory=dict)  # patch -> check -> verdict
    overall: list[CheckResult] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)

    def add(self, patch: Patch, result: CheckResult) -> None:
        self.found.setdefault(patch.number, {})[result.name] = result

    def told(self, state: RunState, reason: str = "") -> SeriesRun:
        """The series as it stands; what has no verdict was not run."""
        series, why = self.series, reason or "the run ended before"
        patches = []
        for patch in series.patches:
            have = self.found.get(patch.number, {})
            missing = [name for name in self.planned if name not in have and patch.commit]
            have = have | {name: CheckResult(name, Verdict.NOT_RUN, why) for name in missing}
            order = {name: n for n, name in enumerate(["apply", *self.planned])}
            patches.append(
                PatchResult(
                    patch.number,
                    patch.subject,
                    patch.author,
                    patch.commit,
                    patch.patch_id,
                    tuple(touched.path for touched in patch.touched),
                    tuple(sorted(have.values(), key=lambda result: order.get(result.name, len(order)))),
                )
            )
        return SeriesRun(
            id=self.id,
            command=self.request.command(),
            started=self.started,
            finished=_now(),
            state=state,
            reason=reason,
            what=self.request.what or "--self",
            kind=series.kind,
            tree=self.tree,
            base=series.base,
            base_name=self.base_name,
            cover=series.cover.subject if series.cover else "",
            change_id=series.change_id,
            version=series.version,
            environment=describe(),
            tools=tuple(self.tools),
            patches=tuple(patches),
            checks=(*self.overall, *rules.bisectable(patches)),
        )


def run(request: SeriesRequest) -> Generator[Event, None, SeriesRun]:
    """Check the series and return what was found, which is on disk by then.

    Ctrl-C and SIGTERM end what runs, and what was found is saved as interrupted. Raises BadSeries, BadRequest,
    UnknownName and UnfitKernel before anything was made; later errors are raised after it was saved as aborted.
    """
    chosen = checks.choose(request.checks, request.without)
    request.wanted.validate()
    if bool(request.what) == request.own:
        raise BadRequest("name one series: BASE..HEAD, a b4 prep branch, an mbox or a folder of patches, or --self")
    if request.options.includers < 0:
        raise BadRequest("--includers counts files, so it is 0 or more")
    top = source.top_of(request.tree)
    store = Store()
    repository = scratch.open_for(top, store)
    title = f"the scratch repository of {top}"
    with (yield from store.lock(entry_lock(scratch.KIND, repository.folder.name), title)):
        if request.own:
            series = yield from _own_series(request, repository)
        else:
            series = yield from source.read(request.what, repository, request.base)
        kept.forget_old(store)
        place = Place(repository, series, store, request.options)
        started = datetime.now(UTC)
        folder = RunFolder.create(request.results_dir.resolve(), f"{started:%Y%m%dT%H%M%S}-series-{_label(series)}")
        story = _Story(
            request,
            folder.path.name,
            f"{started:%Y-%m-%dT%H:%M:%SZ}",
            str(top),
            series,
            _described(top, series.base),
            [check.name for check in chosen] + request.wanted.names(),
            tools=list(dict.fromkeys(program for check in chosen for program in check.programs())),
        )
        return (yield from _saved(folder, story, _work(story, chosen, place, folder)))


def _own_series(request: SeriesRequest, repository: Scratch) -> Generator[Event, None, Series]:
    """This project's modules on top of --base, or of HEAD."""
    base = source.commit_of(repository.top, request.base or "HEAD")
    tree = yield from repository.at(base)
    tools = builder.toolchain_for(FLAVOURS[0], tree)
    use = builder.Builder(repository, FLAVOURS[0], request.options.config, tools)
    project = suites.find_source(request.wanted.source)
    return (yield from inward.make(project, repository, base, use))


def _saved(folder: RunFolder, story: _Story, work: Generator[Event, None, None]) -> Generator[Event, None, SeriesRun]:
    """Do the work; whatever ends it, what was found is saved."""
    try:
        yield from work
    except (KeyboardInterrupt, Interrupted):
        finished = _save(folder, story, RunState.INTERRUPTED, "interrupted")
    except GeneratorExit:  # nobody listens any more
        _save(folder, story, RunState.INTERRUPTED, "interrupted")
        raise
    except GitFailed as error:
        _save(folder, story, RunState.ABORTED, f"git: {error}")
        raise PpiovError(f"git failed in the scratch repository: {str(error).splitlines()[0]}") from error
    except PpiovError as error:
        _save(folder, story, RunState.ABORTED, str(error))
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = DiskFull(f"no space left to write {folder.path}")
        _save(folder, story, RunState.ABORTED, str(full))
        raise full from error
    else:
        finished = _save(folder, story, RunState.COMPLETE)
    yield finished
    return finished.run


def _work(story: _Story, chosen: Sequence[Check], place: Place, folder: RunFolder) -> Generator[Event, None, None]:
    series = story.series
    for patch in series.patches:
        story.found[patch.number] = {"apply": _applies(patch, series)}
    story.overall += rules.of(series)
    quick = [check for check in chosen if check.name not in _BUILDS]
    slow = [check for check in chosen if check.name in _BUILDS]
    applied = [patch for patch in series.patches if patch.commit]
    for group, title in ((quick, "checks"), (slow, "builds")):
        if group:
            yield from _rounds(story, group, applied, place, title)
    if story.request.wanted.names() and applied:
        stages = Stages(story.request.wanted, place, folder.path.parent)
        yield from stages.run(applied, story.add)


def _rounds(
    story: _Story, group: Sequence[Check], patches: Sequence[Patch], place: Place, title: str
) -> Generator[Event, None, None]:
    """All checks of a group, patch by patch, with progress and a time that is left."""
    total = len(patches)
    key = f"series-{title}"
    done, began = 0.0, time.monotonic()  # patches that were really looked at, and since when
    yield StageBegun(key, f"{title} of {total} patches", total, "patches")
    for patch in patches:
        computed = False
        for check in group:
            result, fresh = yield from one(check, patch, place, story.request.anew)
            computed |= fresh
            story.found[patch.number][check.name] = result
        done += computed
        yield from _patch_told(patch, story, [check.name for check in group], total)
        yield StageProgress(key, patch.number)
        left = total - patch.number
        if title == "builds" and done and left:
            seconds = (time.monotonic() - began) / done * left
            yield Note(
                f"about {_minutes(seconds)} more for {left} patch{'es' if left > 1 else ''}, if none was built before"
            )
    yield StageEnded(key, note="" if done else "as kept from before")


def _patch_told(patch: Patch, story: _Story, names: Sequence[str], total: int) -> Iterable[Event]:
    """Say what is not good about a patch as soon as it is known."""
    for name in names:
        result = story.found[patch.number][name]
        if result.verdict in (Verdict.FAIL, Verdict.WARN):
            level = "warning" if result.verdict is Verdict.FAIL else "info"
            yield Note(f"patch {patch.number}/{total}: {result.verdict.value} {name}: {result.line}", level)


def one(check: Check, patch: Patch, place: Place, anew: bool) -> Generator[Event, None, tuple[CheckResult, bool]]:
    """The verdict of a check on a patch, and whether it was found now though it could have been kept."""
    key = kept.key(check, patch, place)
    if not anew and check.kept and (result := kept.get(place.store, key)):
        return result, False
    began = time.monotonic()
    try:
        result = yield from check.run(patch, place)
    except (CannotSay, MissingTool) as why:
        return CheckResult(check.name, Verdict.SKIP, str(why)), False
    except (KeyboardInterrupt, GeneratorExit, PpiovError, GitFailed):
        raise
    except Exception as error:
        if check in checks.own():  # a fault of this program's, not of somebody's plug-in
            raise
        result = checks.failed(f"the check itself failed: {type(error).__name__}: {error}")
    result = dataclasses.replace(result, name=check.name, seconds=round(time.monotonic() - began, 2))
    if check.kept:
        kept.put(place.store, key, result)
    return result, check.kept


def _applies(patch: Patch, series: Series) -> CheckResult:
    if patch.refused:
        return CheckResult("apply", Verdict.FAIL, f"does not apply: {patch.refused}", results.Relation.NEW)
    if not patch.commit:
        return CheckResult("apply", Verdict.NOT_RUN, "a patch before it does not apply")
    onto = series.base if patch.number == 1 else patch.parent
    return CheckResult("apply", Verdict.PASS, f"applies to {onto[:12]}", command=f"git am --base={series.base[:12]}")


def _save(folder: RunFolder, story: _Story, state: RunState, reason: str = "") -> SeriesFinished:
    told = story.told(state, reason)
    results.save(folder, told)
    return SeriesFinished(told, folder.path, reports.write_all(folder, told))


def _described(top: Path, commit: str) -> str:
    code, out, _ = worktree.git(top, "describe", "--always", "--abbrev=12", commit)
    return out.strip() if code == 0 else ""


def _label(series: Series) -> str:
    subject = series.cover.subject if series.cover else series.patches[0].subject
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in subject.lower())
    return "-".join(word for word in words.split("-") if word)[:40].strip("-") or "patches"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
