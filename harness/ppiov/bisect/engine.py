# SPDX-License-Identifier: GPL-2.0-only
"""The bisection engine: from a request to what was found, on disk.

The search asks for sessions (decide.py). Each is answered by the journal, if this bisection has been here before, by
the store, if another has, or by a job (oracle.py) on the cluster; then it is in the journal before the search goes
on. If what was found is a merge, the search goes on in what was merged (history.py).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from ppiov import kernels
from ppiov.bisect import folder as folders
from ppiov.bisect import history as histories
from ppiov.bisect import measurements
from ppiov.bisect.decide import Found, Scale, decide
from ppiov.bisect.finish import finish
from ppiov.bisect.gitlog import Marks, marks_of
from ppiov.bisect.history import History, Revision
from ppiov.bisect.journal import Journal, Step
from ppiov.bisect.judge import Untestable
from ppiov.bisect.model import Hole, Relation, Sample, Samples, Sessions, Why
from ppiov.bisect.oracle import Job, Reading, Target, said
from ppiov.bisect.packages import releases
from ppiov.bisect.request import BisectRequest, Effect
from ppiov.bisect.story import Line, State, Story
from ppiov.cluster import Cluster
from ppiov.errors import BadRequest, Interrupted, PpiovError
from ppiov.events import BisectFinished, BisectStep, Event, Note
from ppiov.relay import relay
from ppiov.spec import KernelSpec
from ppiov.store import Store
from ppiov.tree import KernelTree


class Ends(PpiovError):
    """The ends of a history do not differ as they should, or cannot be told apart: there is nothing to look for."""

    def __init__(self, sentence: str, *, undecided: bool = False) -> None:
        super().__init__(sentence)
        self.undecided = undecided


class Jobs(Protocol):
    """Where jobs are done: a Cluster, or what a test puts in its place."""

    def run(self, engine: Any, arguments: Sequence[Job]) -> Generator[Event, None, list[list[Reading]]]: ...


def bisect(request: BisectRequest, jobs: Jobs | None = None) -> Generator[Event, None, Story]:
    """Find which commit, package or module change did it; the story is on disk by then.

    Raises Ends if the ends do not differ or differ the wrong way round, Untestable if one has no verdict, and whatever
    of errors.py the machine is to blame for. However it ends, calling it again with the same request, or with
    ``resume``, goes on from there.
    """
    store = Store()
    with ExitStack() as held:
        story, journal = yield from _begin(request, store, held)
        folders.save(story, State.RUNNING)  # one that was interrupted no longer is
        yield Note(story.plan())
        yield from _measured(request, story, journal, store, jobs)
        reports = yield from finish(story, store)
    yield BisectFinished(story.verdict, story.found_one, story.folder, reports)
    return story


def _measured(
    request: BisectRequest, story: Story, journal: Journal, store: Store, jobs: Jobs | None
) -> Generator[Event, None, None]:
    """All measurements; however it ends, the story on disk says how."""
    with ExitStack() as stack:
        if jobs is None:
            jobs = _Lazy(stack, story.request.jobs, request.scheduler or story.request.scheduler)
        try:
            run = _Run(story, journal, store, jobs, measurements.around(story.request))
            yield from run.all_lines()
        except (KeyboardInterrupt, GeneratorExit, Interrupted):
            folders.save(story, State.INTERRUPTED)
            raise
        except PpiovError as error:
            refused = isinstance(error, Ends | Untestable)
            folders.save(story, State.REFUSED if refused else State.ABORTED, str(error))
            raise


def _begin(request: BisectRequest, store: Store, held: ExitStack) -> Generator[Event, None, tuple[Story, Journal]]:
    """A new bisection, or the one that is to be gone on with; its folder is held."""
    if request.resume is not None:
        story = folders.load(request.resume)
        if not folders.claim(story.folder, held):
            raise BadRequest(f"{story.folder} is the folder of a bisection that is running")
    else:
        request = _with_ends(request)
        request.check()
        if request.module is not None:
            folder = dataclasses.replace(request.oracle, folder=request.folder())
            request = dataclasses.replace(request, oracle=folder)
        history = yield from _history(request, store)
        if request.replay is not None:
            request, history = _narrowed(request, history)
        unfinished = folders.unfinished(request, history, held)
        story = unfinished or folders.create(request, history)
        if unfinished is None:
            folders.claim(story.folder, held)
    if story.request.module is not None:
        # What has begun with one kernel goes on with it, even if «deb:6.12» is another by now.
        kernel = yield from kernels.get(KernelSpec.parse(story.kernel or story.request.kernel), store=store)
        story.kernel, story.image_sha256 = exact(kernel), kernel.image_sha256
    journal = Journal.load(story.folder / "journal.jsonl")
    if journal.steps:
        yield Note(f"going on with {story.folder}: {len(journal.steps)} measurements are there")
    return story, journal


def exact(kernel: KernelTree) -> str:
    """The spec that means this kernel also when the archive has a newer one."""
    spec = KernelSpec.parse(kernel.spec)
    return f"deb:{kernel.version.rpartition('-')[0]}" if spec.kind == "deb" else kernel.spec


def _history(request: BisectRequest, store: Store) -> Generator[Event, None, History]:
    if request.packages is not None:
        return (yield from releases(KernelSpec.parse(request.packages), request.good, request.bad, store=store))
    repository, paths = request.repository()
    history = histories.commits(
        repository, request.good, request.bad, paths=paths, series=request.series, pair=request.pair
    )
    if not history.size:
        where = f" changes {' or '.join(paths)}" if paths else " changes a file"
        raise Ends(f"no commit between {request.good} and {request.bad}{where}")
    if history.parted:
        begin = history.points[0].name
        yield Note(f"{request.good} is no ancestor of {request.bad}: on from {begin}, their last common commit")
    return history


def _with_ends(request: BisectRequest) -> BisectRequest:
    """Where an end has no name: of a log's, the first good and the first bad commit; else the bad end is HEAD."""
    marks = marks_of(request.replay) if request.replay is not None else Marks()
    good = request.good or next(iter(marks.good), "")
    return dataclasses.replace(request, good=good, bad=request.bad or next(iter(marks.bad), "HEAD"))


def _narrowed(request: BisectRequest, history: History) -> tuple[BisectRequest, History]:
    """What a log leaves of the history: what is below a good commit is good, what is above a bad one is bad, as git has
    it. And the points that it skips."""
    assert request.replay is not None
    marks = marks_of(request.replay)
    repository, _ = request.repository()
    good = max((histories.last_below(repository, history, commit) for commit in marks.good), default=0)
    above = (histories.first_above(repository, history, commit) for commit in marks.bad)
    bad = min((point for point in above if point > good), default=history.size)
    points = history.points[good : bad + 1]
    return (
        dataclasses.replace(request, skip=tuple(marks.skip)),  # those that a merge brought, too
        dataclasses.replace(history, points=points, parted=history.parted if good == 0 else ""),
    )


class _Lazy:
    """A cluster that is started when there is something to measure: a bisection may find all in the store."""

    def __init__(self, stack: ExitStack, jobs: int, scheduler: str | None) -> None:
        self._stack, self._jobs, self._scheduler = stack, jobs, scheduler
        self._cluster: Cluster | None = None

    def run(self, engine: Any, arguments: Sequence[Job]) -> Generator[Event, None, list[list[Reading]]]:
        if self._cluster is None:
            self._cluster = self._stack.enter_context(Cluster(self._jobs, self._scheduler))
        return (yield from self._cluster.run(engine, arguments))


@dataclass(slots=True)
class _Run:
    """One call of the engine."""

    story: Story
    journal: Journal
    store: Store
    jobs: Jobs
    around: str = ""  # what decides about every measurement besides its point: see measurements.around()
    times: Counter[tuple[str, ...]] = field(default_factory=Counter)  # how often a session has been asked for
    number: int = 0  # of jobs
    told: set[Note] = field(default_factory=set)

    def all_lines(self) -> Generator[Event, None, None]:
        """The line of the request, then those of the merges that are to blame."""
        story = self.story
        story.lines = []
        yield from self._line(Line(story.history))
        done = 0
        while done < len(story.lines):
            line = story.lines[done]
            done += 1
            for change in line.found.changes if line.found else ():
                point = line.history.points[change.last]
                if change.one and len(point.parents) > 1 and not story.request.pair:
                    yield from self._merged(point, line.history.points[0].id)

    def _merged(self, merge: Revision, start: str) -> Generator[Event, None, None]:
        """Look into what came by a merge that is a step of the line from ``start``."""
        repository, paths = self.story.request.repository()
        for history in histories.branches(repository, merge, start, paths):
            yield Note(f"{merge.name} is a merge: on with the {history.size} commits that it brought")
            try:
                yield from self._line(Line(history, merge))
            except Ends as ends:
                found = self.story.lines[-1].found
                better = found is not None and found.ends.relation is Relation.BETTER
                does = "makes it better" if better else "makes no difference"
                if ends.undecided:
                    yield Note(f"what {merge.name} merged cannot be looked into: {ends}", "warning")
                else:
                    yield Note(f"what {merge.name} merged {does} by itself: it is the merge")
            except Untestable as error:
                yield Note(f"what {merge.name} merged cannot be looked into: {error}", "warning")

    def _line(self, line: Line) -> Generator[Event, None, None]:
        story, request = self.story, self.story.request
        story.lines.append(line)
        skip = tuple(n for n, point in enumerate(line.history.points) if point.id in request.skip)
        # What made a merge better is found, too, where all changes are asked for.
        either = line.merge is not None and request.rules().every
        rules = dataclasses.replace(request.rules(), skip=skip, either=either)

        def watch(low: int, high: int) -> None:
            line.low, line.high = low, high

        asking = decide(line.history.size, rules, self._scale if request.oracle.numeric else None, watch)
        try:
            sessions = next(asking)
            while True:
                samples = yield from self._measure(line, sessions)
                folders.save(story)
                sessions = asking.send(samples)
        except StopIteration as stop:
            found: Found = stop.value
            line.found = dataclasses.replace(found, holes={**found.holes, **{n: Hole(Why.REPLAY) for n in skip}})
        if not rules.searches(found.ends):
            raise Ends(story.sentence_of_ends(line, found), undecided=found.undecided)
        folders.save(story)

    def _scale(self, value: float) -> Scale:
        """What counts as a difference, where the good end has ``value``."""
        request, meter = self.story.request, self.story.meter
        return Scale((request.min_effect or Effect.default(meter)).of(value), request.exact(meter))

    def _measure(self, line: Line, sessions: Sessions) -> Generator[Event, None, Samples]:
        """The samples of all sessions: remembered, found in the store, or measured now."""
        points = line.history.points
        wanted = [self._job([points[number] for number in session]) for session in sessions]
        steps: list[Step] = []
        for job in wanted:
            step = self.journal.recall([target.revision.id for target in job.targets])
            if step is None:
                break
            steps.append(step)
        remembered = len(steps)
        rest = wanted[remembered:]
        kept = {job.number: measurements.kept(job, self.store) for job in rest}
        fresh = yield from self._do([job for job in rest if kept[job.number] is None])
        for job in rest:
            readings = kept[job.number] or fresh[job.number]
            step = Step(tuple(t.revision.id for t in job.targets), tuple(readings), kept[job.number] is not None)
            self.journal.add(step)
            steps.append(step)
        samples: Samples = []
        for index, (job, step) in enumerate(zip(wanted, steps, strict=True)):
            for target, reading in zip(job.targets, step.readings, strict=True):
                line.readings.setdefault(target.revision.id, []).append(reading)
                yield BisectStep(
                    target.revision.name,
                    target.revision.subject,
                    said(reading),
                    untestable=reading.hole is not None,
                    known=index < remembered or step.kept,
                )
            samples.append([self._sample(reading) for reading in step.readings])
        return samples

    def _do(self, jobs: Sequence[Job]) -> Generator[Event, None, dict[int, list[Reading]]]:
        """Have jobs done, by number."""
        if not jobs:
            return {}
        answers = yield from relay(self.jobs.run(measurements.work, jobs), self._each_note_once)
        for job, readings in zip(jobs, answers, strict=True):
            yield from measurements.keep(job, readings, self.store)  # a worker may be elsewhere
        return {job.number: readings for job, readings in zip(jobs, answers, strict=True)}

    def _each_note_once(self, event: Event) -> Iterator[Event]:
        """What each job has to say about the machine is said once."""
        if isinstance(event, Note):
            if event in self.told:
                return
            self.told.add(event)
        yield event

    def _job(self, points: Sequence[Revision]) -> Job:
        session = tuple(point.id for point in points)
        self.times[session] += 1
        self.number += 1
        job = Job(self.number, tuple(map(self._target, points)), self.story.request.oracle, self.story.folder)
        return dataclasses.replace(job, key=measurements.key_of(job, self.times[session], self.around))

    def _target(self, point: Revision) -> Target:
        story, request = self.story, self.story.request
        if request.packages is not None:
            return Target(point, f"deb:{point.id}")
        if request.tree is not None:
            return Target(point, str(request.tree_spec(point.id)))
        repository, _ = request.repository()
        return Target(point, story.kernel, repository, story.image_sha256)

    def _sample(self, reading: Reading) -> Sample:
        if reading.hole:
            return Sample(hole=reading.hole)
        if (reading.unit, reading.meter) != (self.story.unit, self.story.meter):
            return Sample(hole=Hole(Why.MEASURE, f"measured in {reading.unit} ({reading.meter}), unlike the others"))
        return Sample(self.story.request.sign(reading.unit) * reading.value if reading.unit else reading.value)
