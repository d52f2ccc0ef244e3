"""Carries out one planned run on one guest. It only writes files; what they mean is the verdict's business."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from lab.errors import LabError
from lab.machine.growing import size_of, tail_of
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.machine.starvation import Starvation
from lab.machine.vm import BootFailed
from lab.run import forensics
from lab.run.counters import Counters
from lab.run.pace import Pace
from lab.run.plan import RunPlan
from lab.run.record import Recorder
from lab.run.verdict import step_passed
from lab.run.watch import Interrupted, KernelEnded, Watch
from lab.run.witness import Testimony
from lab.scenario.steps import Step
from lab.wire import Hello, last_mark

_SETUP_S, _TEARDOWN_S, _LEAKS_S = 60.0, 60.0, 30.0  # with KVM; stretched by the slow-down
_GRACE_S = 5.0  # the guest's own deadline comes first, so that it can say what it waited for
_PING_S, _DIAGNOSE_S, _LAST_WORDS_S = 3.0, 15.0, 5.0
_TAIL_BYTES, _POLL_S = 65536, 0.005


class Guest(Protocol):
    """What the runner needs of a machine, be it a VM or reached by SSH."""

    link: Link
    hello: Hello
    origin: str
    ready_s: float
    notes: list[str]

    @property
    def starvation(self) -> Starvation: ...
    def ended(self, *, wait_s: float = 0) -> str: ...
    def forensics(self, *, agent_alive: bool, core: Path | None, watch: Callable[[], None]) -> dict[str, str]: ...
    def hold_when_dead(self) -> None: ...
    def held(self) -> bool: ...
    def autopsy(self, core: Path) -> dict[str, str]: ...


class Guests(Protocol):
    """Where guests come from: an Engine of VMs, or a machine that SSH reaches."""

    def guest(self, workdir: Path, *, fresh_boot: bool, cmdline: tuple[str, ...],
              watch: Callable[[], None]) -> AbstractContextManager[Guest]: ...
    def prepare(self, watch: Callable[[], None]) -> object: ...
    def boot_console(self) -> Path | None: ...


def run(plan: RunPlan, guests: Guests, directory: Path, stop: Callable[[], bool], notes: Iterable[str] = ()) -> None:
    """Run `plan` on a fresh guest; everything that happens is written to `directory`, which holds plan.json.

    Does not raise for anything that a guest, a kernel or the user does; OSError when the disk is full.
    """
    recorder = Recorder(directory)
    console = directory / "console.log"
    try:
        if words := _on_a_guest(plan, guests, recorder, stop, (), notes):
            why = f"booted with {' '.join(words)}: what takes these parameters is built into the kernel"
            _on_a_guest(plan, guests, recorder, stop, words, (*notes, why))
    except BootFailed as error:
        with contextlib.suppress(OSError):
            if error.console != console:
                console.write_bytes(error.console.read_bytes())
        recorder.end("boot-failed", detail=str(error))
    except Interrupted as error:
        recorder.end("interrupted", detail=str(error))
    except LabError as error:
        recorder.end("lab-error", detail=str(error))
    finally:
        recorder.close()


def _on_a_guest(plan: RunPlan, guests: Guests, recorder: Recorder, stop: Callable[[], bool], words: tuple[str, ...],
                notes: Iterable[str]) -> tuple[str, ...]:
    """One guest for the plan, booted with `words` where there are any; the words that another boot needs."""
    watch = Watch(plan, recorder.directory / "console.log", stop)
    with guests.guest(recorder.directory, fresh_boot=plan.fresh_boot, cmdline=(*plan.scenario.cmdline, *words),
                      watch=watch) as guest:
        recorder.event("ready", origin=guest.origin, seconds=round(guest.ready_s, 3), release=guest.hello.release)
        for note in (*notes, *guest.notes):
            recorder.event("note", text=note)
        if plan.dump_core:
            guest.hold_when_dead()
            watch.ended = guest.held
        conversation = _Conversation(plan, guest, recorder, watch, may_boot=not words and guest.origin != "ssh")
        conversation.carry_out()
    return conversation.boot


class _Conversation:
    """One run's requests to one guest, in order, with what is done when an answer does not come."""

    def __init__(self, plan: RunPlan, guest: Guest, recorder: Recorder, watch: Watch, *, may_boot: bool) -> None:
        self.boot: tuple[str, ...] = ()  # parameters of the boot that the scenario needs instead of this one
        self._may_boot = may_boot
        self._plan, self._guest, self._recorder, self._watch = plan, guest, recorder, watch
        self._slowdown = plan.environment.slowdown
        self._console = recorder.directory / "console.log"
        self._pace = Pace(guest.link, guest.starvation)
        self._testimony = Testimony(recorder, guest.link, self._console, plan)
        self._counters = Counters(guest.link, recorder, wanted=plan.coverage, slowdown=self._slowdown)
        guest.link.on_event = self._event
        watch.ask = lambda lines: guest.link.notify("confirm", lines=lines)

    def carry_out(self) -> None:
        try:
            self._counters.begin()
            ready = self._setup()
            if ready is not None:
                if ready:
                    self._steps()
                self._teardown()
                self._counters.keep()
                self._recorder.end("finished", machine=self._guest.ended())
        except LinkTimeout as error:
            self._hung(error)
        except LinkLost as error:
            self._lost(error)
        except AgentFailed as error:
            self._counters.keep()
            self._recorder.end("lab-error", detail=str(error), machine=self._guest.ended())

    def _request(self, op: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        self._pace.begin(seconds)
        return self._guest.link.request(op, deadline_s=seconds, extension_s=self._pace.extension_s, **arguments)

    def _event(self, event: dict[str, Any]) -> None:
        """The agent's signs of life (wire.py, "Events")."""
        try:
            printed, denied = (_pairs(event.get(name, [])) for name in ("printed", "denied"))
            if "moved" in event:
                self._pace.moved(int(event["moved"]))
        except (TypeError, ValueError) as error:
            raise LinkLost(f"the guest sent an event that is none: {str(event)[:80]}") from error
        if printed:
            self._testimony.printed(printed)
            self._watch.printed(printed)
        if denied:
            self._testimony.denied(denied)
            self._watch.denied(denied)

    def _setup(self) -> bool | None:
        """Build the objects; whether that went well. None when the scenario cannot apply here: the run is over,
        or needs another boot."""
        self._recorder.event("setup-begin")
        scenario = self._plan.scenario.model_dump(mode="json", by_alias=True)
        reply = self._request("setup", _SETUP_S * self._slowdown, scenario=scenario, token=self._plan.token,
                              seed=self._plan.seed, timeout_s=_SETUP_S * self._slowdown - _GRACE_S)
        if self._may_boot and reply.get("boot"):
            self.boot = tuple(map(str, reply["boot"]))
            return None
        if "skip" in reply:
            self._recorder.event("skip", reasons=reply["skip"])
            self._recorder.end("skipped")
            return None
        self._recorder.event("setup-end", **reply)
        return reply.get("ok") is True

    def _steps(self) -> None:
        """The steps up to the first that fails: what comes after a failure is only noise."""
        for index, step in enumerate(self._plan.scenario.steps):
            self._recorder.event("step-begin", index=index)
            seconds = self._plan.step_deadline_s(index)
            observed = self._request("step", seconds + _GRACE_S * self._slowdown, index=index, word=step.word,
                                     arguments=self._arguments(step), timeout_s=seconds)
            if starved := round(self._pace.starved_s, 3):
                observed["starved"] = starved
            self._recorder.event("step-end", index=index, observed=observed)
            if not step_passed(self._plan, step, observed):
                break

    def _arguments(self, step: Step) -> dict[str, Any]:
        arguments: dict[str, Any] = getattr(step, step.word).model_dump(mode="json", by_alias=True)
        parts = [self._part(inner) for _, inner in step.inner]
        if step.background is not None:
            arguments["step"] = parts[0]
        elif parts:
            arguments["steps"] = parts
        return arguments

    def _part(self, step: Step) -> dict[str, Any]:
        """A step inside another one, whose deadline the guest keeps."""
        expects = step.expect is not None and bool(step.expect.observed)
        return {step.word: self._arguments(step), "timeout_s": step.timeout * self._slowdown,
                "must_succeed": not expects}

    def _teardown(self) -> None:
        reply = self._request("teardown", _TEARDOWN_S * self._slowdown,
                              timeout_s=_TEARDOWN_S * self._slowdown - _GRACE_S)
        self._recorder.event("teardown-end", **reply)
        reply = self._request("leaks", _LEAKS_S * self._slowdown)
        self._recorder.event("leak-check", **reply)
        if reply.get("marked"):
            # All that the kernel said before the mark is on the console once the mark is.
            self._await_last_mark()
            self._recorder.event("end-mark", written=True)
        self._testimony.examine(deadline_s=_PING_S * self._slowdown)

    def _await_last_mark(self) -> None:
        mark, end = last_mark(self._plan.token).encode(), time.monotonic() + _LAST_WORDS_S * self._slowdown
        while mark not in tail_of(self._console, _TAIL_BYTES) and time.monotonic() < end:
            time.sleep(_POLL_S)

    def _hung(self, error: LinkTimeout) -> None:
        """Before a guest that does not answer is ended, it is asked why; all of it bounded in time."""
        facts = {"detail": f"did not end in time ({error})", "extended_s": round(self._pace.extended_s, 1),
                 "moved_s": self._pace.still_s()}
        self._watch.disarm()
        link, deadline_s = self._guest.link, _PING_S * self._slowdown
        alive = link.ping(deadline_s=deadline_s)
        with contextlib.suppress(LinkLost, LinkTimeout):
            if alive:
                self._testimony.examine(deadline_s=deadline_s)
        if alive:
            self._counters.keep()
        else:
            self._counters.none("the guest does not answer any more")
        self._recorder.event("forensics", offset=size_of(self._console))
        forensics.ask(self._guest, self._recorder, agent_alive=alive, deadline_s=_DIAGNOSE_S * self._slowdown,
                      core=self._core(), watch=self._watch)
        self._recorder.end("deadline", agent_alive=alive, machine=self._guest.ended(), **facts)

    def _lost(self, error: LinkLost) -> None:
        """The guest is gone; a kernel that was held when it ended is looked at first."""
        self._counters.none("the guest was lost, and its counters with it")
        core = self._core()
        if isinstance(error, KernelEnded) and core is not None:
            for name, text in self._guest.autopsy(core).items():
                self._recorder.artifact(name, text)
        self._recorder.end("guest-lost", detail=str(error), machine=self._guest.ended(wait_s=_LAST_WORDS_S))

    def _core(self) -> Path | None:
        """Where the guest's memory is to be written, if the user wants it."""
        return self._recorder.artifacts() / "vmcore" if self._plan.dump_core else None


def _pairs(listed: Any) -> list[tuple[int, str]]:
    """[[us, text], ...] of an event. TypeError, ValueError for anything else."""
    return [(int(time_us), str(text)) for time_us, text in listed]
