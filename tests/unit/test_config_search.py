"""`lab bisect --config`: which options make the difference, judged as every bisection judges, on made-up kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bisect.asked import Asked
from lab.bisect.config_report import ConfigReport, about
from lab.bisect.inquiry import EndsWrong
from lab.bisect.report import Texts
from lab.bisect.trial import CANDIDATE, Trial
from lab.errors import LabError
from tests.unit.small_configs import BASIS, Lab


def candidates(lab: Lab) -> list[Trial]:
    return [trial for trial in lab.journal.trials if trial.phase == CANDIDATE]


def test_options_that_fail_together(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("O3", "O8"))
    assert lab.found() == {"O3", "O8"} and not lab.unsure
    assert lab.inquiry.question is not None and lab.inquiry.question.fingerprint == "aaaaaaaaaaaa"
    assert len({t.name for t in candidates(lab)}) == len(candidates(lab)), "each configuration is tried once"


def test_a_single_option_takes_few_sets(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("O3",))
    assert lab.found() == {"O3"} and len(candidates(lab)) <= 7


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_a_failure_that_comes_at_times(tmp_path: Path, rate: float) -> None:
    assert Lab(tmp_path, ("O3", "O8"), rate, asked={"patience": 200}).found() == {"O3", "O8"}


def test_sets_that_make_one_configuration_are_one(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("O3", "O4"), forced={"O3": "O4"})
    assert lab.found() == {"O3"}
    assert len({t.name for t in candidates(lab)}) == len(candidates(lab))


def test_an_option_that_cannot_be_left_out(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("O3",), broken=("O3", "O4"))
    assert lab.found() == {"O3", "O4"} and lab.unsure == {"O4"}
    assert lab.inquiry.why_unsure("O4") == "it does not build: drivers/md/dm.c:1: error: no such thing"


@pytest.mark.parametrize(("state", "why", "times"), [
    ("noboot", "it does not boot: the kernel did not come up", 1), ("skip", "skip: no such module", 1),
    ("other", "it fails in another way, bbbbbbbbbbbb: it misbehaves", 2), ("error", "error: the guest was lost", 2),
])
def test_a_set_that_gives_no_answer(tmp_path: Path, state: str, why: str, times: int) -> None:
    """What may be the lab's own trouble, or rare, is tried once more; what was skipped or did not boot is not."""
    lab = Lab(tmp_path, ("O3",), states={("O3", "O4"): state})
    assert lab.found() == {"O3", "O4"} and lab.unsure == {"O4"}
    assert lab.inquiry.why_unsure("O4") == why
    assert {lab.built.count(t.name) for t in candidates(lab) if "O3" in t.name and "O4" not in t.name} == {times}


def test_a_guest_that_was_lost_once_is_no_reason(tmp_path: Path) -> None:
    lost = ",".join(["error"] * 3 + ["bad"] * 20)
    lab = Lab(tmp_path, ("O3",), states={("O3", "O4"): lost})
    assert lab.found() == {"O3"} and not lab.unsure


def test_a_set_that_does_not_boot_is_bad_where_that_is_the_question(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("NONE",), states={("O3", "NONE"): "noboot"})
    assert lab.found() == {"O3"} and not lab.unsure
    assert lab.inquiry.question is not None and lab.inquiry.question.kind == "boot"


def test_another_failure_counts_only_if_every_failure_does(tmp_path: Path) -> None:
    states = {("O3", "O4"): "other"}
    lab = Lab(tmp_path, ("O3",), states=states, asked={"any_failure": True})
    assert lab.found() == {"O3"} and not lab.unsure


def test_the_fingerprint_that_is_asked_for(tmp_path: Path) -> None:
    """The bad end fails in two ways, each from an option of its own; the rarer one is asked for."""
    states = {("O3", "O7"): "bad", ("O7", "O3"): "other", ("O3", "NONE"): "bad,bad,bad,other"}
    lab = Lab(tmp_path, ("NONE",), states=states, asked={"fingerprint": "bbbbbbbbbbbb"})
    assert lab.found() == {"O7"} and not lab.unsure
    assert lab.inquiry.question is not None and lab.inquiry.question.fingerprint == "bbbbbbbbbbbb"
    assert [other.fingerprint for other in lab.inquiry.others] == ["aaaaaaaaaaaa"]


@pytest.mark.parametrize(("culprits", "states", "sentence"), [
    (("O3", "NONE"), {}, "called bad, bad.config, did not fail in 30 runs"),
    ((), {}, "called good, good.config, fails too, in . of . runs"),
    (("O3",), {("O3", "NONE"): "skip"}, "called bad, bad.config, gives no answer: skip: no such module"),
])
def test_ends_that_are_wrong(tmp_path: Path, culprits: tuple[str, ...], states: dict[tuple[str, str], str],
                             sentence: str) -> None:
    with pytest.raises(EndsWrong, match=sentence):
        Lab(tmp_path, culprits, states=states).run()


def test_an_end_that_does_not_build(tmp_path: Path) -> None:
    with pytest.raises(EndsWrong, match="called bad, bad.config, cannot be tested: it does not build: drivers"):
        Lab(tmp_path, ("O3",), broken=("O3", "NONE")).run()


@pytest.mark.parametrize("step", range(0, 14, 2))
def test_a_break_loses_nothing(tmp_path: Path, step: int) -> None:
    cut = Lab(tmp_path, ("O3", "O8"), stop_after=step)
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    with (cut.journal.directory / "bisect.jsonl").open("a") as file:
        file.write('{"event": "trial", "num')
    rest = Lab(tmp_path, ("O3", "O8"))
    assert rest.found(cut.journal.directory) == {"O3", "O8"}
    assert rest.built and not set(rest.built) & set(cut.built)
    again = Lab(tmp_path, ("O3", "O8"))
    assert again.found(cut.journal.directory) == {"O3", "O8"} and again.built == []


def test_runs_of_a_set_that_were_cut_off_are_not_made_again(tmp_path: Path) -> None:
    """A failure that comes at times takes several trials of one set; those that are in the journal count."""
    whole = Lab(tmp_path, ("O3",), 0.3, asked={"patience": 200})
    whole.run()
    lines = (whole.journal.directory / "bisect.jsonl").read_text().splitlines(keepends=True)
    for kept in range(1, len(lines), 7):
        (whole.journal.directory / "bisect.jsonl").write_text("".join(lines[:kept]))
        rest = Lab(tmp_path, ("O3",), 0.3, asked={"patience": 200})
        assert rest.found(whole.journal.directory) == {"O3"}
        assert [t.as_json() for t in rest.journal.trials[:kept - 1]] == [
            t.as_json() for t in whole.journal.trials[:kept - 1]]


def test_a_journal_of_other_configurations(tmp_path: Path) -> None:
    first = Lab(tmp_path, ("O3",))
    first.run()
    (tmp_path / "other").mkdir()
    with pytest.raises(LabError, match="the history has changed: .* begin a new bisection"):
        Lab(tmp_path / "other", ("O3",), forced={"O0": "O9"}).run(first.journal.directory)


@pytest.mark.parametrize(("now", "sentence"), [
    (BASIS | {"the tree /tree": "git-2"},
     "the tree /tree is git-2 now, and was git-1 when this bisection began; put that back and resume, or begin"),
    (BASIS | {"the compiler": "gcc 14"}, "the compiler is gcc 14 now, and was gcc 12 when this bisection began"),
])
def test_what_changes_below_the_search_ends_it(tmp_path: Path, now: object, sentence: str) -> None:
    lab = Lab(tmp_path, ("O3",), basis=[BASIS, BASIS, BASIS, BASIS, now])  # type: ignore[list-item]
    with pytest.raises(LabError, match=sentence):
        lab.run()
    assert len(lab.built) == len(lab.journal.trials) == 4, "what was seen before is kept, and nothing built after"
    rest = Lab(tmp_path, ("O3",))
    assert rest.found(lab.journal.directory) == {"O3"} and not set(rest.built) & set(lab.built)


def reported(lab: Lab) -> ConfigReport:
    error, verdict = "", None
    try:
        verdict = lab.run()
    except EndsWrong as wrong:
        error = str(wrong)
    texts = Texts(lambda _: about(lab.inquiry), lambda v: {"To run it again": "lab bisect --again D"} if v else {})
    report = ConfigReport(lab.journal.directory, lab.inquiry, lab.journal.trials, verdict, texts,
                          Asked(tree="/tree", config=("good.config", "bad.config"), scenarios=("s",)), error)
    report.write()
    return report


def test_the_report(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("O3", "O8"))
    report = reported(lab)
    text, data = report.text(), json.loads((report.directory / "bisect.json").read_text())
    assert text.startswith("# 2 of 12 options make the difference: O3, O8\n") and report.exit_code == 0
    assert "- `CONFIG_O3: off -> y`\n- `CONFIG_O8: off -> y`\n" in text and "it fails each time" in text
    assert "`aaaaaaaaaaaa` step: it misbehaves" in text and "bad.config (the bad end)" in text
    for trial in lab.journal.trials:
        assert f"| {trial.number} | {trial.title}" in text
    assert (report.directory / "fails.config").read_text() == "CONFIG_O3=y\nCONFIG_O8=y\n"
    assert (report.directory / "good.config").read_text() == ""
    assert (data["kind"], data["options"], data["unsure"]) == ("found", ["O3", "O8"], [])
    assert data["candidates"] == ["O3-O8"] and sorted(data["sets"]["O3-O8"]) == ["O3", "O8"]
    assert "lab bisect --again D" in text


def test_other_failures_of_the_bad_end_are_questions_of_their_own(tmp_path: Path) -> None:
    report = reported(Lab(tmp_path, ("NONE",), states={("O3", "NONE"): "other,bad"}))
    command = ".venv/bin/lab bisect --tree /tree --config good.config bad.config --fingerprint bbbbbbbbbbbb s"
    assert f"- `bbbbbbbbbbbb` it misbehaves  \n  `{command}`" in report.text()


def test_the_report_of_what_cannot_be_told(tmp_path: Path) -> None:
    report = reported(Lab(tmp_path, ("O3",), broken=("O3", "O4")))
    assert report.headline().endswith("O3, O4; whether O4 is needed cannot be told") and report.exit_code == 1
    assert ("- `CONFIG_O4: off -> y`; whether it is needed cannot be told, for a set without it gives no answer: it "
            "does not build: drivers/md/dm.c:1: error: no such thing\n") in report.text()
    assert "Without any other one of them the failure is gone." in report.text()
    assert report.data()["unsure"] == ["O4"] and "O3" in report.data()["untestable"]


def test_the_report_of_no_answer(tmp_path: Path) -> None:
    report = reported(Lab(tmp_path, ()))
    assert report.text().startswith("# No answer: the end that is called good, good.config,") and report.exit_code == 3
    assert not (report.directory / "fails.config").exists() and report.data()["options"] == []
