"""One contract for both links, serial and SSH, against the same real VM with a real sshd; and runs over SSH."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.cli import host
from lab.errors import LabError, UsageError
from lab.kernels.resolve import default_spec
from lab.kernels.store import Store
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.machine.plan import Shape
from lab.machine.ssh import Address, SshMachine, parse_address
from lab.machine.vm import Vm

pytestmark = pytest.mark.vm
TOKEN = "0123456789abcdef"
SCENARIO = {"scenario": "contract", "steps": [], "targets": [], "backstores": {}, "requires": {}}


@dataclass
class Machine:
    """A booted VM that both links reach."""

    vm: Vm
    address: Address
    home: Path


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="lab-links-") as home:  # it outlives the tests, so not of their tmp_path
        yield from _machine(Path(home))


def _machine(home: Path) -> Iterator[Machine]:
    (home / ".ssh").mkdir(mode=0o700)
    key = home / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    public = key.with_suffix(".pub").read_text().split()[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shape = Shape(network_port=port, cmdline=(f"lab.ssh_key={public}",))
    one = host.ready(os.environ.get("LAB_TEST_KERNEL", default_spec()), Store.default(), shape=shape)
    with one.engine.guest(home, fresh_boot=True) as vm:
        yield Machine(vm, Address("127.0.0.1", port, "root", key), home)


@pytest.fixture(params=["serial", "ssh"])
def link(request: pytest.FixtureRequest, machine: Machine, tmp_path: Path) -> Iterator[Link]:
    if request.param == "serial":
        yield machine.vm.link
    else:
        with SshMachine(machine.address).guest(tmp_path, fresh_boot=False, cmdline=(), watch=lambda: None) as guest:
            yield guest.link


def set_up(link: Link) -> None:
    reply = link.request("setup", deadline_s=100, scenario=SCENARIO, token=TOKEN, seed=1)
    assert reply["ok"] is True, reply


def step(link: Link, word: str, deadline_s: float = 60, **arguments: object) -> dict[str, object]:
    return link.request("step", deadline_s=deadline_s, index=0, word=word, arguments=arguments, timeout_s=60.0)


def test_hello_names_the_running_kernel(link: Link, machine: Machine) -> None:
    assert link.hello(deadline_s=30).boot_id == machine.vm.hello.boot_id


def test_an_operation_is_answered_with_what_it_observed(link: Link) -> None:
    set_up(link)
    try:
        seen = step(link, "run", argv=["/bin/echo", "one\ntwo"], stdin="")
        assert (seen["ok"], seen["exit"], seen["text"]) == (True, 0, "one\ntwo")
    finally:
        assert link.request("teardown", deadline_s=60)["ok"] is True
    assert link.request("leaks", deadline_s=60) == {"left": [], "tainted": 0, "marked": True}


def test_a_long_operation_times_out_and_the_link_stays_good(link: Link) -> None:
    set_up(link)
    try:
        with pytest.raises(LinkTimeout):
            step(link, "sleep", deadline_s=0.5, time=3.0)
        assert link.ping(deadline_s=20), "the agent answers while a step runs"
        # The late answer of the step that was given up is not taken for this one's.
        seen = step(link, "run", argv=["/bin/echo", "later"], stdin="")
        assert seen["text"] == "later"
    finally:
        link.request("teardown", deadline_s=60)


def test_a_large_answer_arrives_whole(link: Link) -> None:
    set_up(link)
    try:
        seen = step(link, "sysfs", lun=None, read="/proc/kallsyms", write=None, value=None, value_hex=None,
                    value_repeat=1)
        assert seen["ok"] is True and len(str(seen["text"])) > 4096
    finally:
        link.request("teardown", deadline_s=60)


def test_an_unknown_operation_is_an_error_of_the_lab(link: Link) -> None:
    with pytest.raises(AgentFailed, match="unknown operation 'dance'"):
        link.request("dance", deadline_s=30)


def test_the_watch_ends_a_wait(link: Link) -> None:
    class Enough(Exception):
        pass

    def watch() -> None:
        raise Enough

    before, link._watch = link._watch, watch
    try:
        with pytest.raises(Enough):
            link.request("ping", deadline_s=30)
    finally:
        link._watch = before
    assert link.ping(deadline_s=30)


def test_a_lost_ssh_agent_is_a_lost_link(machine: Machine, tmp_path: Path) -> None:
    guests = SshMachine(machine.address)
    with guests.guest(tmp_path, fresh_boot=False, cmdline=(), watch=lambda: None) as guest:
        assert guest.ended() == "running"
        guest.client.close()
        with pytest.raises(LinkLost):
            guest.link.request("hello", deadline_s=30)
        assert guest.ended() == "connection lost"


def test_the_kernel_log_is_copied_with_the_marks(machine: Machine, tmp_path: Path) -> None:
    guests = SshMachine(machine.address)
    with guests.guest(tmp_path, fresh_boot=False, cmdline=(), watch=lambda: None) as guest:
        set_up(guest.link)
        guest.link.request("teardown", deadline_s=60)
        end = time.monotonic() + 20
        while f"lab: {TOKEN} teardown end" not in (tmp_path / "console.log").read_text():
            assert time.monotonic() < end, (tmp_path / "console.log").read_text()
            time.sleep(0.1)


def test_scenarios_run_on_a_machine_by_ssh(machine: Machine, tmp_path: Path) -> None:
    address = f"ssh://root@127.0.0.1:{machine.address.port}"
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "--machine", address, "--results", tmp_path, "ramdisk-write-verify",
         "read-capacity"],
        env={**os.environ, "HOME": str(machine.home)}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    root = ElementTree.parse(tmp_path / "latest" / "junit.xml").getroot()
    cases = root.findall(".//testcase")
    assert len(cases) >= 2 and not root.findall(".//failure") and not root.findall(".//skipped")
    assert {p.get("value") for p in root.findall(".//testcase/properties/property[@name='guest']")} == {"ssh"}


def test_a_machine_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(LabError, match="cannot be reached by SSH") as caught:
        SshMachine(Address("127.0.0.1", 1)).look()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["root@host", "ssh://", "ssh://a b", "http://host", "ssh://host:port"])
def test_a_bad_address_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="ssh://root@host"):
        parse_address(text)


def test_an_address_may_leave_out_user_and_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_address("ssh://box") == Address("box", 22, "root")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host box\n HostName 10.1.1.1\n Port 2200\n User tester\n")
    assert parse_address("ssh://box") == Address("10.1.1.1", 2200, "tester")
    assert parse_address("ssh://me@box:22") == Address("10.1.1.1", 22, "me")
