"""Decoding against real ELF files: gcc makes a small kernel and a module here, objdump says where the calls are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.console import decode, elf, lines
from lab.console.decode import Decoder, as_text
from lab.console.find import ModuleFiles
from lab.console.stack import Writer, frames_in, writer_of
from lab.errors import LabError, MissingTool

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("gcc", "objdump", "strip", "addr2line"))),
                                reason="needs gcc and binutils")
BANNER = "Linux version 6.9.1-lab (b@h) (gcc 12) #7 SMP Debian 6.9.1-1 (2026-01-02)"
# Each line that calls ends in a mark; `inner` becomes part of vfs_write, which is what makes this worth a test.
MAIN = f"""\
extern void note(int); extern void other(int);
const char linux_banner[] = "{BANNER}\\n";
static inline __attribute__((always_inline)) void innermost(int x) {{
    note(x);  // innermost
}}
static inline __attribute__((always_inline)) void inner(int x) {{
    innermost(x + 1);  // inner
}}
__attribute__((noinline)) void vfs_write(int x) {{
    inner(x);  // vfs_write
    other(x);
}}
static __attribute__((noinline)) void show(int x) {{
    note(x + 11);  // show in main.c
    note(x);
}}
static __attribute__((noinline)) void twin(int x) {{
    note(x);  // twin in main.c
    note(x);
}}
void start_kernel(void) {{
    show(1); twin(1); vfs_write(5);  // start_kernel
    other(2);
}}
int main(void) {{ start_kernel(); return 0; }}
"""
OTHER = """\
extern void note(int);
static __attribute__((noinline)) void show(int x) {
    note(x * 7);
    note(x + 100);  // show in other.c
    note(x + 1); note(x + 2); note(x + 3); note(x + 4);
}
static __attribute__((noinline)) void twin(int x) {
    note(x);  // twin in other.c
    note(x);
}
void other(int x) { show(x); twin(x); note(1); }
"""
NOTE = "volatile int sink; void note(int x) { sink = x; }\n"
MODULE = """\
extern void printk(int);
__attribute__((noinline)) void run(int x) {
    printk(x);  // run
    printk(2);
}
__attribute__((section(".init.text"), noinline)) void begin(int x) {
    printk(x + 5);  // begin
    printk(2);
}
__attribute__((section(".exit.text"), noinline)) void end(int x) {
    printk(x + 6);  // end
    printk(2);
}
__attribute__((section(".text.unlikely"), noinline)) void rare(int x) {
    printk(x + 7);  // rare
    printk(2);
}
"""


def sh(*argv: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, cwd=cwd).stdout


@dataclass(frozen=True)
class Function:
    """What objdump says: where it begins, how far it is to the next one, and the offsets after its calls."""

    name: str
    size: int
    returns: tuple[int, ...]

    def frame(self, call: int = 0, module: str = "", *, back: int = 0) -> str:
        text = f"{self.name}+{self.returns[call] - back:#x}/{self.size:#x}"
        return f"{text} [{module}]" if module else text


def functions(path: Path) -> list[Function]:
    """In the order of the file; equal names each on its own."""
    found: list[tuple[str, int, list[int], int]] = []
    called = False
    for line in sh("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        if match := re.match(r"([0-9a-f]+) <([\w.]+)>:$", line):
            found.append((match[2], int(match[1], 16), [], 0))
            called = False
        elif match := re.match(r"\s*([0-9a-f]+):\s+(\S+)", line):
            name, start, returns, _ = found[-1]
            if called:
                returns.append(int(match[1], 16) - start)
            called = match[2].startswith("call")
            found[-1] = (name, start, returns, int(match[1], 16) - start)
    sizes = {}
    for index, (_, start, _, last) in enumerate(found):
        after = found[index + 1][1] if index + 1 < len(found) else 0
        sizes[index] = after - start if after > start else last + 16
    return [Function(name, sizes[i], tuple(returns)) for i, (name, _, returns, _) in enumerate(found)]


def line_of(source: str, mark: str) -> int:
    return next(n for n, line in enumerate(source.splitlines(), 1) if line.endswith(f"// {mark}"))


@dataclass(frozen=True)
class Built:
    tree: Path
    vmlinux: Path
    module: Path
    kernel: list[Function]
    parts: dict[str, Function]

    def of(self, name: str, which: int = 0) -> Function:
        return [f for f in self.kernel if f.name == name][which]

    def decoder(self, **known: str) -> Decoder:
        return Decoder(self.vmlinux, [self.module.parent], **known)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tree = tmp_path_factory.mktemp("net") / "fs" / "tree"  # a place with names of the tree in it
    for name, text in {"init/main.c": MAIN, "mm/other.c": OTHER, "lib/note.c": NOTE,
                       "drivers/target/lab-mod.c": MODULE}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    flags = ["-g", "-O2", "-no-pie", "-fno-pie", "-fno-optimize-sibling-calls", "-fno-ipa-icf", "-fcf-protection=none",
             "-fno-ipa-cp", "-fno-ipa-sra"]
    sh("gcc", *flags, "-Wl,--build-id", "-o", "vmlinux", *(str(tree / n) for n in ("init/main.c", "mm/other.c",
                                                                                 "lib/note.c")), cwd=tree)
    sh("gcc", *flags, "-c", "-o", "lab-mod.o", str(tree / "drivers/target/lab-mod.c"), cwd=tree)
    module = tree / "drivers/target/lab-mod.ko"
    sh("ld", "-r", "--build-id", "-o", module, "lab-mod.o", cwd=tree)
    return Built(tree, tree / "vmlinux", module, functions(tree / "vmlinux"),
                 {f.name: f for f in functions(module)})


def places(decoder: Decoder, text: str) -> list[str]:
    (block,) = decoder.decode([text])
    return [str(place) for frame in block.frames for place in frame.places]


class TestLines:
    def test_inlined_functions_innermost_first(self, built: Built) -> None:
        frame = built.of("vfs_write").frame()
        (block,) = built.decoder().decode([f"[    1.0]  {frame}\n[    1.1]  </TASK>"])
        assert block.text.split("\n") == [
            f"[    1.0]  {frame}",
            f"        innermost at init/main.c:{line_of(MAIN, 'innermost')} (inlined)",
            f"        inner at init/main.c:{line_of(MAIN, 'inner')} (inlined)",
            f"        vfs_write at init/main.c:{line_of(MAIN, 'vfs_write')}",
            "[    1.1]  </TASK>"]
        (decoded,) = block.frames
        assert block.decoded and decoded.frame == frame
        assert [(p.function, p.line, p.inlined) for p in decoded.places][-1] == (
            "vfs_write", line_of(MAIN, "vfs_write"), False)

    @pytest.mark.parametrize("form", [
        " {}", " ? {}", " [<ffffffff8123>] ? {}", "lr : {}", "BUG: KASAN: use-after-free in {}",
        "#0: f (l){{+}}, at: {}"])
    def test_a_caller_is_the_call_and_not_what_comes_next(self, built: Built, form: str) -> None:
        run, line = built.parts["run"], line_of(MODULE, "run")
        for call in (0, 1):
            assert places(built.decoder(), form.format(run.frame(call, "lab_mod"))) == [
                f"run at drivers/target/lab-mod.c:{line + call}"]

    @pytest.mark.parametrize("form", [
        "RIP: 0010:{}", "EIP: {}", "pc : {}", "RIP: 0010:[<ffffffff8123>]  [<ffffffff8123>] {}",
        "WARNING: CPU: 1 PID: 2 at fs/a.c:3 {}", "WARNING: fs/a.c:3 at {}"])
    def test_a_register_is_exact(self, built: Built, form: str) -> None:
        write = built.of("vfs_write")
        last = write.returns[-1]
        exact = f"vfs_write+{last - 1:#x}/{write.size:#x}"  # the last byte of the call of other()
        line = line_of(MAIN, "vfs_write") + 1
        assert places(built.decoder(), form.format(exact)) == [f"vfs_write at init/main.c:{line}"]

    def test_arm64_repeats_the_pc_as_first_frame(self) -> None:
        block = ["pc : fn+0x20/0x58 [m]", "lr : up+0xb8/0x150", "Call trace:", " fn+0x20/0x58 [m]", " up+0xb8/0x150"]
        assert [f.at for f in frames_in(block)] == [0x20, 0xb7, 0x20, 0xb7]

    def test_the_start_of_a_function_is_not_the_end_of_the_one_before(self) -> None:
        assert [f.at for f in frames_in([" fn+0x0/0x58", " fn+0x58/0x58"])] == [0, 0x57]

    def test_text_without_frames_stays(self, built: Built) -> None:
        text = "[ 1.0] nothing+0x here/0x\n\n\tx+1/2 [m]\n"
        assert built.decoder().decode([text, ""])[0].text == text

    def test_as_text(self, built: Built) -> None:
        blocks = built.decoder().decode(["one\n", "two"])
        assert as_text(blocks, ["a is not used"]) == "# a is not used\n\none\n\ntwo\n"


class TestSameName:
    def test_the_size_tells(self, built: Built) -> None:
        shows = [f for f in built.kernel if f.name == "show"]
        assert len({f.size for f in shows}) == 2
        got = {p for f in shows for p in places(built.decoder(), f" {f.frame(0 if len(f.returns) == 2 else 1)}")}
        assert got == {f"show at init/main.c:{line_of(MAIN, 'show in main.c')}",
                       f"show at mm/other.c:{line_of(OTHER, 'show in other.c')}"}

    def test_no_guess_between_two_of_one_size(self, built: Built) -> None:
        twins = [f for f in built.kernel if f.name == "twin"]
        if len({f.size for f in twins}) != 1 or len(twins) != 2:
            pytest.skip("this gcc makes other sizes")
        (block,) = built.decoder().decode([f" {twins[0].frame()}"])
        assert not block.decoded
        assert block.frames[0].note == (f"one of 2 functions: twin at init/main.c:{line_of(MAIN, 'twin in main.c')}, "
                                        f"twin at mm/other.c:{line_of(OTHER, 'twin in other.c')}")

    def test_no_function_of_this_size(self, built: Built) -> None:
        (block,) = built.decoder().decode([" vfs_write+0x10/0x9000"])
        assert not block.decoded and "vfs_write in vmlinux has another size: not the same build" in block.text


class TestModule:
    @pytest.mark.parametrize("name", ["run", "begin", "end", "rare"])
    def test_every_section(self, built: Built, name: str) -> None:
        (block,) = built.decoder().decode([f" {built.parts[name].frame(module='lab_mod')}"])
        assert [str(p) for p in block.frames[0].places] == [
            f"{name} at drivers/target/lab-mod.c:{line_of(MODULE, name)}"]

    def test_build_id_of_the_log(self, built: Built) -> None:
        build_id = elf.read(built.module, []).build_id
        assert len(build_id) == 40
        frame = built.parts["run"].frame(module=f"lab_mod {build_id}")
        assert places(built.decoder(), f" {frame}")
        decoder = built.decoder()
        assert not places(decoder, f" {frame.replace(build_id, 'ab' * 20)}")
        (problem,) = decoder.problems
        assert problem.startswith(f"{built.module} is not used: its build id is {build_id}, the kernel's is abab")

    def test_without_vmlinux(self, built: Built) -> None:
        decoder = Decoder(None, [built.module])
        assert places(decoder, f" {built.parts['run'].frame(module='lab_mod')}")[0].startswith("run at ")

    def test_debug_information_apart(self, built: Built, tmp_path: Path) -> None:
        shutil.copy(built.module, tmp_path / "lab-mod.ko")
        sh("objcopy", "--only-keep-debug", built.module, tmp_path / "lab-mod.ko.debug")
        sh("strip", "-g", tmp_path / "lab-mod.ko")
        text = f" {built.parts['rare'].frame(module='lab_mod')}"
        decoder = Decoder(built.vmlinux, [tmp_path])
        assert places(decoder, text) == [f"rare at drivers/target/lab-mod.c:{line_of(MODULE, 'rare')}"]
        assert decoder.problems == []
        (tmp_path / "lab-mod.ko.debug").unlink()
        assert not places(decoder := Decoder(built.vmlinux, [tmp_path]), text)
        assert "lab-mod.ko is not used: it has no line numbers" in decoder.problems[0]

    def test_files_of_a_module(self, tmp_path: Path) -> None:
        for name in ("a/dm-mod.ko", "a/x.ko.xz", "b/dm_mod.ko.debug", "b/notes.kode"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = ModuleFiles([tmp_path / "a", tmp_path / "b", tmp_path / "none"])
        assert [p.name for p in found.candidates("dm_mod")] == ["dm_mod.ko.debug", "dm-mod.ko"]
        assert found.candidates("x") == [] and found.candidates("notes") == []


class TestForeign:
    """A wrong line is worse than none."""

    CPU = "CPU: 1 PID: 152 Comm: sh Tainted: G           OE      {} #7  {}"

    @pytest.mark.parametrize(("said", "why"), [
        (CPU.format("6.9.1-lab", "Debian 6.9.1-1"), None),
        (CPU.format("6.9.2-lab", "Debian 6.9.1-1"), "is of 6.9.1-lab, the report of 6.9.2-lab"),
        (CPU.format("6.9.1-lab", "Debian 6.9.1-2"), "is not of the report's package, Debian 6.9.1-2"),
        ("      Not tainted 6.9.2-lab #7", "is of 6.9.1-lab, the report of 6.9.2-lab"),
        ("      Tainted: G           OE      6.9.1-lab #7 Debian 6.9.1-2", "is not of the report's package"),
        (CPU.format("6.9.1-lab", "c0ffee" * 6 + "abcd"), "its build id is"),
        (BANNER, None),
        (BANNER.replace("2026-01-02", "2026-01-03"), "is of another build, #7 SMP Debian 6.9.1-1 (2026-01-02)")])
    def test_what_the_log_says(self, built: Built, said: str, why: str | None) -> None:
        decoder = built.decoder()
        got = places(decoder, f"{said}\n {built.of('vfs_write').frame()}")
        assert bool(got) is (why is None)
        assert (decoder.problems == []) if why is None else (why in decoder.problems[0]), decoder.problems

    def test_what_the_caller_knows(self, built: Built) -> None:
        text = f" {built.of('vfs_write').frame()}"
        build_id = elf.read(built.vmlinux, []).build_id
        known = {"build_id": build_id, "release": "6.9.1-lab", "version": "#7 SMP Debian 6.9.1-1 (2026-01-02)"}
        assert places(built.decoder(**known), text)
        for key in known:
            assert not places(built.decoder(**{**known, key: "#1" if key == "version" else "0" * 40}), text), key

    def test_stripped(self, built: Built, tmp_path: Path) -> None:
        for option in ("-g", "-s"):
            shutil.copy(built.vmlinux, tmp_path / "vmlinux")
            sh("strip", option, tmp_path / "vmlinux")
            decoder = Decoder(tmp_path / "vmlinux")
            text = f" {built.of('vfs_write').frame()}"
            assert decoder.decode([text])[0].text == text
            (problem,) = decoder.problems
            assert problem.startswith(f"{tmp_path / 'vmlinux'} is not used: it has no line numbers")


class TestDamaged:
    @pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 500, b"\x7fELF\x02\x01\x01" + bytes(200)])
    def test_no_elf(self, built: Built, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "vmlinux").write_bytes(content)
        decoder = Decoder(tmp_path / "vmlinux")
        assert decoder.decode([" vfs_write+0x1/0x20"])[0].text == " vfs_write+0x1/0x20"
        assert len(decoder.problems) == 1 and "\n" not in decoder.problems[0]

    @pytest.mark.parametrize("path", ["/", "/does/not/exist"])
    def test_no_file(self, path: str) -> None:
        decoder = Decoder(Path(path))
        assert decoder.decode([" vfs_write+0x1/0x20"])[0].text == " vfs_write+0x1/0x20"
        assert "cannot be read" in decoder.problems[0]

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
    def test_cut(self, built: Built, tmp_path: Path, part: float) -> None:
        data = built.vmlinux.read_bytes()
        (tmp_path / "vmlinux").write_bytes(data[:int(len(data) * part)])
        decoder = Decoder(tmp_path / "vmlinux")
        assert not places(decoder, f" {built.of('vfs_write').frame()}") and decoder.problems

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=40))
    def test_any_bytes_may_be_wrong(self, built: Built, tmp_path: Path, harm: list[tuple[float, int]]) -> None:
        data = bytearray(built.module.read_bytes())
        for where, value in harm:
            data[int(len(data) * where)] = value
        (tmp_path / "lab-mod.ko").write_bytes(data)
        with_frames = "\n".join(f" {f.frame(module='lab_mod')}" for f in built.parts.values())
        assert len(Decoder(None, [tmp_path]).decode([with_frames])) == 1

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(max_size=200) | st.sampled_from([
        " vfs_write+0xffffffff/0xffffffff", " vfs_write+0x1/0x0", " show+0x0/0x0 [lab_mod]", " a" * 600 + "+0x1/0x2",
        "RIP: 0010:[<", " x+0x1/0x2 [../../etc/passwd]", " -e+0x1/0x2", " $x+0x1/0x2 [--help]", "\x1b[31m x+0x1/0x2",
        " linux_banner+0x1/0x50", "Linux version", "CPU: 1 Not tainted  #", " \u0661+0x1/0x2"])))
    def test_any_log(self, built: Built, parts: list[str]) -> None:
        (block,) = built.decoder().decode(["\n".join(parts)])
        kept = [line for line in block.text.split("\n") if not line.startswith("        ")]
        assert [x for x in "\n".join(parts).split("\n") if not x.startswith("        ")] == kept

    def test_without_addr2line(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(tool: str, package: str) -> Path:
            raise MissingTool(tool, package)

        monkeypatch.setattr(lines.process, "find", missing)
        decoder = built.decoder()
        text = f" {built.of('vfs_write').frame()}"
        assert decoder.decode([text])[0].text == text
        assert decoder.problems == ["addr2line is not installed; type: apt-get install binutils"]

    def test_addr2line_that_hangs(self, built: Built, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        slow = tmp_path / "addr2line"
        slow.write_text("#!/bin/sh\nsleep 60\n")
        slow.chmod(0o755)
        monkeypatch.setattr(lines.process, "find", lambda tool, package: slow)
        monkeypatch.setattr(lines, "_DEADLINE_S", 0.3)
        decoder = built.decoder()
        assert not places(decoder, f" {built.of('vfs_write').frame()}")
        assert "did not end within 0.3 s" in decoder.problems[0]

    def test_names_in_debug_information_may_hold_anything(self) -> None:
        got = lines._parse(["0x10", "evil\x1b[2J\x07name", "/a/../b/\u202ex.c:12 (discriminator 3)",
                            "0x20", "??", "??:0", "0x30", "cut off"])
        assert [str(p) for p in got[0x10]] == ["evil?[2J?name at /b/?x.c:12"] and set(got) == {0x10}


def test_one_addr2line_for_each_file_and_section(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = lines.places
    monkeypatch.setattr(decode.lines, "places", lambda *a: calls.append(a[1]) or real(*a))
    text = "\n".join([*(f" {f.frame()}" for f in built.kernel if f.returns),
                      *(f" {f.frame(module='lab_mod')}" for f in built.parts.values())])
    built.decoder().decode([text] * 3)
    assert sorted(calls) == ["", ".exit.text", ".init.text", ".text", ".text.unlikely"]


def test_who_wrote_it() -> None:
    said = "[ 15.8] CPU: 1 UID: 0 PID: 9 Comm: sh Tainted: G  OE   6.12.117+deb12-amd64 #1  Debian 6.12.117-1~deb12u1"
    assert writer_of([said], Writer()) == Writer("6.12.117+deb12-amd64", "", "Debian 6.12.117-1~deb12u1", "")
    with_id = "CPU: 0 PID: 1 Comm: a b Not tainted 6.18.0-rc1+ #12 " + "12ab" * 10
    assert writer_of([with_id], Writer()) == Writer("6.18.0-rc1+", "", "", "12ab" * 10)
    assert writer_of([with_id], Writer("x", "y", "z", "w")) == Writer("x", "y", "z", "w")


def test_elf_error_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no")
    with pytest.raises(LabError, match="is no whole ELF file"):
        elf.read(tmp_path / "x", [])


@pytest.fixture(autouse=True)
def _c_locale() -> Iterator[None]:
    """gcc and objdump speak English whatever the host's language."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    yield
    os.environ.pop("LC_ALL") if before is None else os.environ.update(LC_ALL=before)


def test_generated_files_lie_in_the_build_directory() -> None:
    decoder = Decoder(None)
    decoder._roots.add("/src/linux/")
    assert decoder._inside("/build/net/arch/x86/include/generated/asm/x.h") == "arch/x86/include/generated/asm/x.h"
    assert decoder._inside("/build/include/generated/y.h") == "include/generated/y.h"
    assert decoder._inside("/src/linux/mm/slub.c") == "mm/slub.c"
    assert decoder._inside("/home/me/net/mod.c") == "/home/me/net/mod.c", "another's module"
