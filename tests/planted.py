"""A git history of the target drivers with a fault planted in one commit: what a bisection has to find."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.git import Git
from lab.kernels import debian
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store
from tests.target_source import target_source

SCENARIO = "reservation-preempt"
FAULTS = ("always", "sometimes")
_IDENTITY = {"GIT_AUTHOR_NAME": "A. Developer", "GIT_AUTHOR_EMAIL": "dev@example.org",
             "GIT_COMMITTER_NAME": "A. Developer", "GIT_COMMITTER_EMAIL": "dev@example.org",
             "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
_FIRST_DAY_S = 1_700_000_000


@dataclass(frozen=True)
class Planted:
    """A repository whose HEAD is `bad`; `culprit` is the first commit on which `scenario` can fail."""

    tree: Path
    good: str
    bad: str
    culprit: str
    scenario: str
    stock: str  # the kernel that its modules are built for, as -k takes it; "": the tree is a whole kernel's


@dataclass(frozen=True)
class Change:
    """One commit: edits are (file below drivers/target, regular expression, what stands there then)."""

    subject: str
    edits: tuple[tuple[str, str, str], ...]
    side: bool = False  # goes to the branch that is merged, where there is one

    def apply(self, drivers: Path) -> None:
        for name, pattern, new in self.edits:
            text, count = re.subn(pattern, lambda _, new=new: new, (drivers / name).read_text())  # type: ignore[misc]
            assert count, f"{name} of this kernel has no {pattern!r}"
            (drivers / name).write_text(text)


def _word(subject: str, file: str, old: str, new: str, *, side: bool = False) -> Change:
    return Change(f"scsi: target: {subject}", ((file, re.escape(old), new),), side)


_BEFORE = (
    _word("ua: Fix punctuation in a comment", "target_core_ua.c", "twice..", "twice.", side=True),
    _word("rd: Do not split a message", "target_core_rd.c",
          'scatterlist"\n\t\t\t\t\t" pages for', 'scatterlist pages for'),
    _word("hba: Do not split a message", "target_core_hba.c",
          'Generic Target"\n\t\t\t" Core\\n"', 'Generic Target Core\\n"'),
    _word("tcm_loop: Name no other driver in an error", "loopback/tcm_loop.c",
          "Invalid qla2xxx fabric_prot_type", "Invalid fabric_prot_type"),
    _word("ua: Drop an out of memory message", "target_core_ua.c",
          'if (!ua) {\n\t\tpr_err("Unable to allocate struct se_ua\\n");\n\t\treturn -ENOMEM;\n\t}',
          'if (!ua)\n\t\treturn -ENOMEM;', side=True),
    _word("tcm_loop: Say plainly that a port is linked", "loopback/tcm_loop.c",
          "Port Link Successful", "port is linked"),
    _word("tmr: Shorten a message", "target_core_tmr.c",
          "Unable to allocate struct se_tmr_req", "No memory for se_tmr_req"),
)
_AFTER = (
    _word("rd: Name the missing parameter", "target_core_rd.c", "Missing rd_pages= parameter", "rd_pages= is missing"),
    _word("ua: Fix the name of an ASC family", "target_core_ua.c", "2AHh", "2Ah", side=True),
    _word("hba: Shorten a message", "target_core_hba.c", "Unable to allocate struct se_hba", "No memory for se_hba"),
    _word("tcm_loop: Write bus in lower case", "loopback/tcm_loop.c", "TCM Loop Core BUS", "TCM Loop core bus"),
)
_CACHES = "ret = init_se_kmem_caches();\n\t"
_PANIC = 'if (ret <= 0)\n\t\tpanic("TARGET_CORE: no memory for the caches\\n");'
_PAIRS = {
    "broken": (
        _word("hba: Count devices in a field of its own", "target_core_hba.c",
              "WARN_ON(hba->dev_count)", "WARN_ON(hba->device_count)"),
        _word("hba: Use the field that there is", "target_core_hba.c",
              "WARN_ON(hba->device_count)", "WARN_ON(hba->dev_count)")),
    "unbootable": (
        _word("core: Stop when there is no memory for the caches", "target_core_configfs.c",
              f"{_CACHES}if (ret < 0)\n\t\treturn ret;", f"{_CACHES}{_PANIC}"),
        _word("core: Do not stop the machine", "target_core_configfs.c",
              f"{_CACHES}{_PANIC}", f"{_CACHES}if (ret < 0)\n\t\treturn ret;")),
}
_CODE = {
    "always": "ASCQ_2AH_RESERVATIONS_PREEMPTED",
    # The random numbers of forks of one checkpoint differ, because the agent reseeds the kernel's generator.
    "sometimes": "get_random_u32() % 3 ?\n\t\t\t       ASCQ_2AH_REGISTRATIONS_PREEMPTED :\n\t\t\t       "
                 "ASCQ_2AH_RESERVATIONS_PREEMPTED",
}


_CALL = (r"target_ua_allocate_lun\(pr_reg_nacl,\s+pr_res_mapped_lun,\s+0x2A,\s+"
         r"ASCQ_2AH_REGISTRATIONS_PREEMPTED\)")


def culprit(fault: str) -> Change:
    """A refactoring: the unit attention of those who lost their registration, now with another sense code."""
    helper = ("static void core_scsi3_ua_preempted(struct se_node_acl *nacl, u64 lun)\n{\n"
              f"\ttarget_ua_allocate_lun(nacl, lun, 0x2A, {_CODE[fault]});\n}}\n\n")
    begin = "static sense_reason_t\ncore_scsi3_pro_preempt(struct se_cmd *cmd"
    name = "target_core_pr.c"
    return Change("scsi: target: pr: Tell a preempted nexus in one place", (
        (name, _CALL, "core_scsi3_ua_preempted(pr_reg_nacl, pr_res_mapped_lun)"),
        (name, re.escape(begin), helper + begin),
        (name, re.escape("#include <linux/slab.h>\n"), "#include <linux/random.h>\n#include <linux/slab.h>\n"),
    ), side=True)


def planted(where: Path, *, fault: str = "always", broken: bool = False, unbootable: bool = False,
            merges: bool = False, version: str = "", series: str = "") -> Planted:
    """Make a repository in `where`/linux, a dozen commits long, from the source of a stock kernel ("": the host's own).

    With `series` (6.12) it is all of Debian's source of that series, otherwise drivers/target and its headers alone.

    fault: "always", or "sometimes" (one run of three). broken: two commits before the culprit do not build and build
    again; unbootable: likewise, the kernel panics as the guest sets up. merges: the culprit comes by a merged branch.
    The same version gives the same hashes.
    """
    store, tree = Store.default(), where / "linux"
    version = version if series else debian.fetch(version, store).version
    shutil.copytree(source_tree(series, store, print) if series else target_source(version, store), tree, symlinks=True)
    writer = _Writer(tree)
    good = writer.begin()
    bad_commit = culprit(fault)
    pairs = [change for name, wanted in (("broken", broken), ("unbootable", unbootable)) if wanted
             for change in _PAIRS[name]]
    half = len(_BEFORE) // 2 + 1
    changes = [*_BEFORE[:half], *pairs[:2], *_BEFORE[half:], *pairs[2:], bad_commit, *_AFTER]
    if merges:
        found = writer.merged(changes[:-1])
        writer.commit(changes[-1])
    else:
        found = {change: writer.commit(change) for change in changes}
    return Planted(tree, good, writer.git("rev-parse", "HEAD"), found[bad_commit], SCENARIO,
                   "" if series else f"debian:{version}")


class _Writer:
    """Commits one after the other, a day apart."""

    def __init__(self, tree: Path) -> None:
        self.git, self._tree, self._day = Git(tree), tree, 0

    def begin(self) -> str:
        self.git("init", "--quiet", "--initial-branch=master", env=_IDENTITY)
        self.git("add", "--all", "--force", env=_IDENTITY)  # Debian's .gitignore leaves out all of its package
        return self._record("Linux")

    def commit(self, change: Change) -> str:
        change.apply(self._tree / "drivers/target")
        return self._record(change.subject)

    def merged(self, changes: list[Change]) -> dict[Change, str]:
        """Those of the side on a branch of their own, the others on master, then both together."""
        self.git("switch", "--quiet", "--create", "pr", env=_IDENTITY)
        found = {change: self.commit(change) for change in changes if change.side}
        self.git("switch", "--quiet", "master", env=_IDENTITY)
        found |= {change: self.commit(change) for change in changes if not change.side}
        self.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'pr'", "pr", env=self._when())
        return found

    def _record(self, subject: str) -> str:
        self.git("add", "--all", env=_IDENTITY)
        self.git("commit", "--quiet", "-m", subject, env=self._when())
        return self.git("rev-parse", "HEAD")

    def _when(self) -> dict[str, str]:
        self._day += 1
        date = f"{_FIRST_DAY_S + 86400 * self._day} +0000"
        return {**_IDENTITY, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
