"""A machine that SSH reaches: the agent is uploaded by SFTP and spoken to over a channel, by paramiko."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

import lab
from lab.errors import LabError, UsageError
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.machine.starvation import Starvation
from lab.wire import Hello

_CONNECT_S, _HELLO_S = 20.0, 60.0
_ARCHIVE = "lab.zip"
_ADDRESS = re.compile(r"ssh://(?:(?P<user>[^@/\s]+)@)?(?P<host>\[[^\]]+\]|[^:/@\s]+)(?::(?P<port>\d+))?/?")


@dataclass(frozen=True)
class Address:
    """Where an SSH machine is. `key` is a private key file beside those that an agent or ~/.ssh offers."""

    host: str
    port: int = 22
    user: str = "root"
    key: Path | None = None

    def __str__(self) -> str:
        return f"ssh://{self.user}@{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`ssh://[user@]host[:port]`; what is left out comes from ~/.ssh/config. UsageError for anything else."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not an address of a machine; write ssh://root@host or ssh://root@host:2222")
    name = match["host"].strip("[]")
    config = paramiko.SSHConfig()
    with contextlib.suppress(OSError):
        config = paramiko.SSHConfig.from_path(os.path.expanduser("~/.ssh/config"))
    known = config.lookup(name)
    keys = [Path(k) for k in known.get("identityfile", []) if Path(k).exists()]
    return Address(known.get("hostname", name), int(match["port"] or known.get("port", 22)),
                   match["user"] or known.get("user", "root"), keys[0] if keys else None)


@contextlib.contextmanager
def connected(address: Address) -> Iterator[paramiko.SSHClient]:
    """An SSH connection. LabError when the host cannot be reached, is unknown, or refuses the keys."""
    client = paramiko.SSHClient()
    with contextlib.suppress(OSError):
        client.load_system_host_keys()
    client.set_missing_host_key_policy(paramiko.RejectPolicy() if not _local(address) else paramiko.AutoAddPolicy())
    try:
        client.connect(address.host, address.port, address.user, timeout=_CONNECT_S, banner_timeout=_CONNECT_S,
                       auth_timeout=_CONNECT_S, key_filename=str(address.key) if address.key else None)
        yield client
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise LabError(f"{address} cannot be reached by SSH: {error}; check that `ssh -p {address.port} "
                       f"{address.user}@{address.host} true` works without a question") from error
    finally:
        client.close()


def _local(address: Address) -> bool:
    """The loopback cannot be somebody else; its keys change with every VM behind it."""
    return address.host in ("127.0.0.1", "::1", "localhost")


@dataclass
class SshGuest:
    """A machine that SSH reaches, with an agent of ours running on it."""

    link: Link
    hello: Hello
    ready_s: float
    client: paramiko.SSHClient
    origin: str = "ssh"
    notes: list[str] = field(default_factory=lambda: ["a machine by SSH is not fresh: earlier runs left their marks"])

    def ended(self, *, wait_s: float = 0) -> str:
        """`running` while the connection stands."""
        transport = self.client.get_transport()
        if wait_s and transport is not None:
            transport.join(wait_s)
        return "running" if transport is not None and transport.is_active() else "connection lost"

    @property
    def starvation(self) -> Starvation:
        """Nothing is known of how busy that machine is with other things."""
        return Starvation()

    def forensics(self, *, agent_alive: bool, core: Path | None, watch: Callable[[], None]) -> dict[str, str]:
        """There is no QEMU to ask; the kernel log is in console.log."""
        return {}

    def hold_when_dead(self) -> None:
        """Not in the lab's power."""

    def held(self) -> bool:
        return False

    def autopsy(self, core: Path) -> dict[str, str]:
        return {}


@dataclass
class SshMachine:
    """Runs scenarios on one machine, one at a time: every run has an agent of its own, the kernel is the same."""

    address: Address

    def prepare(self, watch: Callable[[], None]) -> None:
        """Nothing to boot."""

    def boot_console(self) -> None:
        """Its boot was none of the lab's business."""

    def look(self) -> Hello:
        """What the machine says of itself, before anything is planned. LabError when it cannot be reached."""
        with connected(self.address) as client, _uploaded(client) as directory, \
                _agent(client, directory, lambda: None) as (_, hello):
            return hello

    @contextlib.contextmanager
    def guest(self, workdir: Path, *, fresh_boot: bool, cmdline: tuple[str, ...],
              watch: Callable[[], None]) -> Iterator[SshGuest]:
        """An agent on the machine, with its kernel log copied to console.log in `workdir`. LabError."""
        if fresh_boot or cmdline:
            raise LabError("a machine by SSH cannot be booted by the lab, which this run asks for")
        started = time.monotonic()
        with connected(self.address) as client, _uploaded(client) as directory, \
                _console(client, directory, workdir / "console.log"), \
                _agent(client, directory, watch) as (link, hello):
            yield SshGuest(link, hello, time.monotonic() - started, client)


@contextlib.contextmanager
def _agent(client: paramiko.SSHClient, directory: str, watch: Callable[[], None]) -> Iterator[tuple[Link, Hello]]:
    """An agent that runs in `directory` of the machine, and ends with the block. LabError with its own words."""
    channel = _transport(client).open_session(timeout=_CONNECT_S)
    channel.exec_command(_python(directory, "lab.guest.agent --stdio"))
    link = Link(channel, watch)
    try:
        yield link, link.hello(deadline_s=_HELLO_S)
    except (LinkLost, LinkTimeout, AgentFailed) as error:
        words = channel.recv_stderr(4096).decode(errors="replace").strip() if channel.recv_stderr_ready() else ""
        if not words:
            raise
        raise type(error)(f"{error}; the agent said: {words.splitlines()[-1]}") from error
    finally:
        channel.close()


def _transport(client: paramiko.SSHClient) -> paramiko.Transport:
    transport = client.get_transport()
    if transport is None:
        raise LinkLost("the SSH connection is gone")
    return transport


@contextlib.contextmanager
def _uploaded(client: paramiko.SSHClient) -> Iterator[str]:
    """The guest's part of the lab in a private directory below /tmp of the machine; removed with the block."""
    directory = f"/tmp/lab-agent-{time.time_ns():x}"
    with client.open_sftp() as sftp:
        sftp.mkdir(directory, stat.S_IRWXU)
        sftp.putfo(io.BytesIO(_archive()), f"{directory}/{_ARCHIVE}")
    try:
        yield directory
    finally:
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError, AttributeError):  # gone: so is paramiko's
            client.exec_command(f"rm -rf {directory}", timeout=5)[1].channel.recv_exit_status()


def _archive() -> bytes:
    """lab/guest and what it imports, as one file that Python imports from."""
    source = Path(lab.__path__[0])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (source / "__init__.py", source / "wire.py", *(source / "guest").glob("*.py"),
                     *(source / "t10").glob("*.py")):
            archive.write(file, f"lab/{file.relative_to(source)}")
    return data.getvalue()


def _python(directory: str, module: str) -> str:
    return f"PYTHONPATH={directory}/{_ARCHIVE} exec python3 -m {module}"


@contextlib.contextmanager
def _console(client: paramiko.SSHClient, directory: str, path: Path) -> Iterator[None]:
    """Copy the machine's kernel log, from now on, to a file, until the block ends."""
    channel = _transport(client).open_session(timeout=_CONNECT_S)
    channel.exec_command(_python(directory, "lab.guest.follow"))

    def copy() -> None:
        with open(path, "wb") as file, contextlib.suppress(OSError, EOFError):
            while data := channel.recv(65536):
                file.write(data)
                file.flush()

    thread = threading.Thread(target=copy, name="kernel-log", daemon=True)
    thread.start()
    try:
        yield
        time.sleep(0.5)  # what the kernel said last is still on its way
    finally:
        channel.close()
        thread.join(5)
