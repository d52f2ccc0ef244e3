"""What tests on real machines share: one kernel, the real command, and a look for forgotten QEMUs after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cli.host import Ready, ready
from lab.kernels.resolve import default_spec
from lab.kernels.store import Store
from lab.machine.vm import Engine
from tests.command import Lab, assert_no_qemu


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest first, or one worker would be left with the whole library when the other has nothing to do any more."""
    items.sort(key=lambda item: (item.get_closest_marker("longest") is None, item.get_closest_marker("vm") is None))


@pytest.fixture(scope="session")
def kernel_spec() -> str:
    """The kernel of all tests on machines: $LAB_TEST_KERNEL, else the one of `make test-kernel`."""
    return os.environ.get("LAB_TEST_KERNEL") or default_spec()


@pytest.fixture(scope="session")
def prepared(kernel_spec: str) -> Ready:
    """The kernel, ready, with its checkpoint, in the user's ordinary store: a second session finds it there."""
    one = ready(kernel_spec, Store.default())
    one.engine.prepare()
    return one


@pytest.fixture(scope="session")
def engine(prepared: Ready) -> Engine:
    """Makes guests of the tests' kernel."""
    return prepared.engine


@pytest.fixture
def lab(tmp_path: Path, kernel_spec: str) -> Iterator[Lab]:
    """The real command; a results folder and all it leaves are below tmp_path."""
    command = Lab(tmp_path, kernel_spec)
    yield command
    command.stop()


@pytest.fixture
def cold_store(prepared: Ready, tmp_path: Path) -> Path:
    """A store that has kernels and images, but no checkpoint: links to the ordinary store beside folders of its own."""
    ordinary, store = Store.default().root, tmp_path / "store"
    store.mkdir()
    for name in ("kernels", "apt", "identities", "images", "accelerator.json"):
        if (ordinary / name).exists():
            (store / name).symlink_to(ordinary / name)
    return store


@pytest.fixture(autouse=True)
def _no_qemu_is_left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After each test on machines: none with files of this test session's is left."""
    yield
    if request.node.get_closest_marker("vm"):
        assert_no_qemu(tmp_path_factory.getbasetemp())
