"""Puts `function at file:line` below each stack frame of a kernel report, from a vmlinux and modules that are its own.

A wrong line is worse than none: a file whose build id or version is another one, and a function whose size is not the
one in the report, are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.console import elf, lines
from lab.console.elf import Elf, Symbol
from lab.console.find import ModuleFiles
from lab.console.lines import Place
from lab.console.stack import Frame, Writer, frames_in, writer_of
from lab.console.title import source_file
from lab.errors import LabError

__all__ = ["Decoded", "DecodedBlock", "Decoder", "Place", "as_text"]

# Functions that tell by their file where the tree was built; C and assembler may have been given other paths.
_ANCHORS = {"start_kernel": "init/main.c", "entry_SYSCALL_64": "arch/x86/entry/entry_64.S",
            "cpu_switch_to": "arch/arm64/kernel/entry.S"}
_GENERATED = re.compile(r"(?:arch/\w+/)?include/generated/.*")
_INDENT = "        "
_SHOWN = 4  # candidates of an ambiguous frame


@dataclass(frozen=True)
class Decoded:
    """A frame as the kernel printed it, and the source lines it stands for, innermost first; none when not known."""

    frame: str
    places: tuple[Place, ...] = ()
    note: str = ""  # why there are none, where that is worth a word


@dataclass(frozen=True)
class DecodedBlock:
    """A report with lines put in below its frames, and its frames in order."""

    text: str
    frames: tuple[Decoded, ...]

    @property
    def decoded(self) -> bool:
        """Whether any line was found at all."""
        return any(frame.places for frame in self.frames)


class Decoder:
    """Decodes reports of one kernel; opens each file once for each call of `decode`."""

    def __init__(self, vmlinux: Path | None, modules: Sequence[Path] = (), *, build_id: str = "",
                 release: str = "", version: str = "") -> None:
        """`modules` are files (NAME.ko, NAME.ko.debug) and directories, with all that is below them.

        `build_id` (hex) is that of the running kernel, `release` its uname -r and
        `version` its uname -v, where the caller knows them; else what the reports say of them counts.
        """
        self.problems: list[str] = []
        """One sentence for each file that could not be used."""
        self._vmlinux, self._modules = vmlinux, ModuleFiles(modules)
        self._known = Writer(release, version, "", build_id)
        self._roots: set[str] = set()

    def decode(self, texts: Sequence[str]) -> list[DecodedBlock]:
        """Each text decoded; as it was, where nothing is known. Never raises for what a log or an ELF file holds."""
        blocks = [text.split("\n") for text in texts]
        frames = [list(frames_in(block)) for block in blocks]
        writer = writer_of((line for block in blocks for line in block), self._known)
        by_file: dict[str, list[Frame]] = {"": []}  # the vmlinux first: it tells where the tree was built
        for frame in (frame for found in frames for frame in found):
            by_file.setdefault(frame.module, []).append(frame)
        answers: dict[Frame, Decoded] = {}
        for module, found in by_file.items():
            if len(by_file) > 1 or found:
                answers |= self._of_file(module, found, writer)
        return [_rendered(block, found, answers) for block, found in zip(blocks, frames, strict=True)]

    def _of_file(self, module: str, frames: list[Frame], writer: Writer) -> dict[Frame, Decoded]:
        plain = {frame: Decoded(frame.text) for frame in frames}
        try:
            image = self._open(module, frames, writer)
            return plain if image is None else plain | self._looked_up(image, frames)
        except LabError as error:
            self._complain(str(error))
            return plain

    def _open(self, module: str, frames: list[Frame], writer: Writer) -> Elf | None:
        """The vmlinux (module ""), or the first file of the module that is the right one."""
        names = {frame.symbol for frame in frames} | _ANCHORS.keys()
        build_id = next((frame.build_id for frame in frames if frame.build_id), "") if module else writer.build_id
        candidates = self._modules.candidates(module) if module else [self._vmlinux] if self._vmlinux else []
        return next((image for path in candidates if (image := self._fitting(path, names, build_id, writer))), None)

    def _fitting(self, path: Path, names: set[str], build_id: str, writer: Writer) -> Elf | None:
        """The file, when it is whole, has line numbers and is of the kernel that wrote the report."""
        try:
            image = elf.read(path, names)
        except LabError as error:
            self._complain(str(error))
            return None
        why = _foreign(image, build_id, writer)
        if why or not image.lines:
            why = why or "it has no line numbers, for it was built without debug information or stripped"
            self._complain(f"{path} is not used: {why}")
            return None
        return image

    def _complain(self, sentence: str) -> None:
        if sentence not in self.problems:
            self.problems.append(sentence)

    def _looked_up(self, image: Elf, frames: list[Frame]) -> dict[Frame, Decoded]:
        """All frames of one file, with one addr2line for each section."""
        sought = {frame: _chosen(image.symbols.get(frame.symbol, []), frame) for frame in frames}
        anchors = [] if image.relocatable else [(name, s) for name in _ANCHORS for s in image.symbols.get(name, [])]
        found = _places(image, [*((s, s.start + f.at) for f, symbols in sought.items() for s in symbols),
                                *((s, s.start) for _, s in anchors)])
        for name, symbol in anchors:
            self._learn_root(name, found.get((symbol.section, symbol.start), ()))
        return {frame: _answer(image, frame, symbols,
                               {self._relative(found.get((s.section, s.start + frame.at), ())) for s in symbols})
                for frame, symbols in sought.items()}

    def _learn_root(self, anchor: str, places: tuple[Place, ...]) -> None:
        if places and places[-1].file.endswith(f"/{_ANCHORS[anchor]}"):
            self._roots.add(places[-1].file.removesuffix(_ANCHORS[anchor]))

    def _relative(self, places: tuple[Place, ...]) -> tuple[Place, ...]:
        """Paths as in the tree; those of other people's modules stay absolute when the tree is known."""
        return tuple(replace(place, file=self._inside(place.file)) for place in places)

    def _inside(self, file: str) -> str:
        if not self._roots:
            return source_file(file)
        if generated := _GENERATED.search(file):  # it lies in the O= directory, of which no function tells
            return generated[0]
        root = next((root for root in sorted(self._roots, key=len, reverse=True) if file.startswith(root)), "")
        return file.removeprefix(root)


def as_text(blocks: Iterable[DecodedBlock], problems: Sequence[str] = ()) -> str:
    """Decoded reports for a file or the terminal: first what could not be used, then the reports, a line between."""
    parts = ["\n".join(f"# {problem}" for problem in problems)] if problems else []
    return "\n\n".join([*parts, *(block.text.rstrip("\n") for block in blocks)]) + "\n"


def _foreign(image: Elf, build_id: str, writer: Writer) -> str:
    """Why the file is not of the kernel that wrote the report; "" when nothing speaks against it."""
    if build_id and image.build_id and not image.build_id.startswith(build_id):
        return f"its build id is {image.build_id}, the kernel's is {build_id}; give the files of the same build"
    words = image.banner.split()
    if len(words) > 2 and writer.release and words[2] != writer.release:
        return f"it is of {words[2]}, the report of {writer.release}"
    version = "#" + image.banner.partition(" #")[2]
    if image.banner and writer.version and version != writer.version:
        return f"it is of another build, {version}, than the kernel, {writer.version}"
    if writer.package and "Debian" in words and writer.package.split()[1] not in words:
        return f"it is not of the report's package, {writer.package}"
    return ""


def _places(image: Elf, wanted: Iterable[tuple[Symbol, int]]) -> dict[tuple[str, int], tuple[Place, ...]]:
    """By section and address. Only in a module do addresses count from the section's beginning."""
    addresses: dict[str, set[int]] = {}
    for symbol, at in wanted:
        addresses.setdefault(symbol.section, set()).add(at)
    if image.relocatable:
        return {(section, at): places for section, ats in addresses.items()
                for at, places in lines.places(image.path, section, sorted(ats)).items()}
    found = lines.places(image.path, "", sorted(set().union(*addresses.values())))
    return {(section, at): found[at] for section, ats in addresses.items() for at in ats if at in found}


def _chosen(symbols: list[Symbol], frame: Frame) -> list[Symbol]:
    """The functions of this name whose size is that of the report, only the best fitting ones."""
    fits = [(symbol.fits(frame.size), symbol) for symbol in symbols if frame.at <= frame.size]
    best = max((fit for fit, _ in fits), default=0)
    return [symbol for fit, symbol in fits if fit == best > 0]


def _answer(image: Elf, frame: Frame, symbols: list[Symbol], answers: set[tuple[Place, ...]]) -> Decoded:
    if len(answers) == 1:
        return Decoded(frame.text, answers.pop())
    if symbols:
        where = sorted(str(places[-1]) if places else "?" for places in answers)
        return Decoded(frame.text, (), f"one of {len(symbols)} functions: {', '.join(where[:_SHOWN])}")
    if image.symbols.get(frame.symbol):
        return Decoded(frame.text, (), f"the {frame.symbol} in {image.path.name} has another size: not the same build")
    return Decoded(frame.text)


def _rendered(block: Sequence[str], frames: Sequence[Frame], answers: dict[Frame, Decoded]) -> DecodedBlock:
    below: dict[int, list[str]] = {}
    for frame in frames:
        decoded = answers[frame]
        notes = [f"({decoded.note})"] if decoded.note else []
        below.setdefault(frame.line, []).extend(_INDENT + text for text in (*map(str, decoded.places), *notes))
    text = "\n".join("\n".join((line, *below.get(number, ()))) for number, line in enumerate(block))
    return DecodedBlock(text, tuple(answers[frame] for frame in frames))
