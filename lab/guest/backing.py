"""What lies behind each backstore, made before it and taken away after it: a disk, a file, a handler of TCMU."""

from __future__ import annotations

import os
from pathlib import Path

from lab.guest import blockdev, clock, loop, modules, program
from lab.guest.blockdev import Workshop
from lab.guest.lio import Backstore, Configuration, serial
from lab.guest.observation import Refused, Skip, errno_name
from lab.guest.tcmu import Handler
from lab.guest.tcmu_unit import Unit


class Maker:
    """Makes the backstores of one scenario, with files in the workshop's folder and until its deadline."""

    def __init__(self, configuration: Configuration, workshop: Workshop) -> None:
        self._configuration, self._workshop = configuration, workshop
        self._folder, self._deadline = workshop.folder, workshop.deadline

    def make(self, backstore: Backstore) -> None:
        """The backstore with all that it lies on; `backstore.undo` takes that away. Raises Skip or Refused."""
        try:
            if backstore.spec.get("on"):
                self._make_device(backstore)
            if backstore.spec["type"] == "fileio":
                self._make_file(backstore)
            self._configuration.make_backstore(backstore)
            if backstore.spec["type"] == "tcmu":
                self._start_handler(backstore)
        except Refused as error:
            raise Refused(f"backstore {backstore.name}: {error}", **error.facts) from None
        except OSError as error:
            name = errno_name(error.errno)
            raise Refused(f"backstore {backstore.name}: {error.filename}: {name}", errno=name) from None

    def _make_device(self, backstore: Backstore) -> None:
        backstore.device = self._workshop.make(backstore.name, backstore.spec)
        backstore.undo += backstore.device.undo
        if backstore.spec.get("hba_mode"):
            # In this mode the HBA's number is the SCSI host's (phv_host_id in pscsi_attach_hba).
            host = blockdev.scsi_address(backstore.device.node)[0]
            backstore.path = f"core/pscsi_{host}/{backstore.name}"

    def _start_handler(self, backstore: Backstore) -> None:
        path = self._folder / f"{backstore.name}.tcmu"
        spec = backstore.spec
        loop.make_file(path, spec["size"])
        backstore.undo.append(lambda: loop.remove_file(path))
        block_size = int((spec.get("control") or {}).get("hw_block_size", 512))
        unit = Unit(str(path), spec["size"] // block_size, block_size, spec.get("serial") or serial(backstore.name))
        backstore.undo.append(unit.close)
        _, hba, name = backstore.path.split("/")
        backstore.handler = Handler(f"tcm-user/{hba.rpartition('_')[2]}/{name}", unit, path.with_suffix(".died"))
        backstore.undo.append(backstore.handler.stop)
        backstore.handler.start()

    def _make_file(self, backstore: Backstore) -> None:
        if backstore.device is not None:
            backstore.file = Path(backstore.device.node)
            return
        folder = self._make_ext4(backstore) if backstore.spec.get("filesystem") == "ext4" else self._folder
        backstore.file = path = folder / f"{backstore.name}.img"
        loop.make_file(path, backstore.spec["size"])
        backstore.undo.append(lambda: loop.remove_file(path))

    def _make_ext4(self, backstore: Backstore) -> Path:
        image, folder = self._folder / f"{backstore.name}.ext4", self._folder / f"{backstore.name}.mnt"
        # Room for the file and for ext4's own structures, but no journal to wait for.
        loop.make_file(image, backstore.spec["size"] * 9 // 8 + (8 << 20))
        backstore.undo.append(lambda: loop.remove_file(image))
        if why := modules.load("loop", deadline=self._deadline):
            raise Skip(f"module loop: {why}")
        node = loop.attach(image)
        backstore.undo.append(lambda: loop.detach(node))
        _run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", node], self._deadline)
        folder.mkdir(exist_ok=True)
        backstore.undo.append(lambda: os.rmdir(folder))
        _run([*_busybox("mount"), "-t", "ext4", node, str(folder)], self._deadline)
        backstore.undo.append(lambda: _run([*_busybox("umount"), str(folder)], clock.now() + 20))
        return folder


def _busybox(name: str) -> list[str]:
    """A tool of its own, or busybox's where the guest has only that."""
    return [name] if program.which(name) else ["busybox", name]


def _run(argv: list[str], deadline: float) -> None:
    done = program.run(argv, deadline=deadline)
    if done.exit:
        raise Refused(f"{argv[0]}: {done.last_words()}", exit=done.exit)
