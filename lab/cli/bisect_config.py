"""Configurations, plugged into a bisection: which options make a scenario fail."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.bisect.asked import COMMAND, Asked
from lab.bisect.basis import begun
from lab.bisect.config_report import FAILS, ConfigReport, about
from lab.bisect.config_search import ConfigInquiry
from lab.bisect.config_subject import ConfigSubject
from lab.bisect.configs import Configs, kernel_tree
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.journal import Journal
from lab.bisect.report import Texts
from lab.cli.bisect_subjects import Plug, Say
from lab.kernels.build import Recipe, build_tree
from lab.kernels.build_tools import check_build_tools, compiler
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.kernels.tree_hash import tree_hash


@contextlib.contextmanager
def plug(asked: Asked, store: Store, say: Say) -> Iterator[Plug]:
    """UsageError for what is no tree and no configuration, LabError for a tree that is not the journal's any more."""
    check_build_tools()
    tree, (good, bad) = kernel_tree(Path(asked.tree)), map(Path, asked.config)

    def made_of() -> dict[str, str]:
        return {f"the tree {tree}": tree_hash(tree), "the compiler": compiler()}

    begun(asked.basis, made_of)  # first: to settle the configurations takes a while, and may fail of the same
    configs = Configs(tree, good, bad, store, say)
    ends = {f"the configuration {good}": configs.good.path.stem, f"the configuration {bad}": configs.bad.path.stem}
    basis = begun(asked.basis, lambda: made_of() | ends)

    def build(config: Path) -> Kernel:
        return build_tree(tree, Recipe(config=config), store, say)

    subject = ConfigSubject(tree, configs, (str(good), str(bad)), build, basis)
    yield Plug(replace(asked, tree=str(tree), basis=dict(basis.began)), subject, subject.name, _texts,
               inquiry=ConfigInquiry, report=ConfigReport)


def _texts(inquiry: Inquiry, journal: Journal) -> Texts:
    assert isinstance(inquiry, ConfigInquiry)

    def commands(verdict: Verdict | None) -> dict[str, str]:
        if verdict is None:
            return {}
        config, tree = journal.directory / FAILS, inquiry.subject.tree
        return {"To run it again": shlex.join([COMMAND, "bisect", "--again", str(journal.directory)]),
                "To build it, for -k": shlex.join([COMMAND, "kernel", "build", str(tree), "--config", str(config)])}

    return Texts(lambda verdict: about(inquiry), commands, "option")
