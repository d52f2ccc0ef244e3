"""Kernels that the user already has, what they lack, and the store."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from test_kernels_material import CONFIG, built_tree, bzimage, module, modules_directory, write

from lab.errors import LabError, UsageError
from lab.kernels import store as store_module
from lab.kernels import versions
from lab.kernels.image import release_of
from lab.kernels.kernel import Kernel
from lab.kernels.named import named_kernels
from lab.kernels.resolve import default_spec, resolve
from lab.kernels.store import Store, full_disk_explained

NAMED = Path(__file__).parents[2] / "kernels"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def get(spec: object, store: Store, named: Path = NAMED) -> Kernel:
    return resolve(str(spec), store, named=named)


class TestImage:
    def test_release_is_the_first_word_of_the_version_string(self, tmp_path: Path) -> None:
        assert release_of(write(tmp_path / "k", bzimage("6.12.0-rc3+"))) == "6.12.0-rc3+"

    @pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(0x1000), b"x" * 0x210])
    def test_other_files_are_refused_by_name(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(UsageError, match="k is not an x86 bzImage"):
            release_of(write(tmp_path / "k", content))

    def test_header_without_a_version(self, tmp_path: Path) -> None:
        head = bytearray(bzimage("6.1"))
        head[0x20E:0x210] = b"\xff\xff"
        with pytest.raises(UsageError, match="no kernel release"):
            release_of(write(tmp_path / "k", bytes(head)))

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="No such file"):
            release_of(tmp_path / "none")


class TestVersions:
    SAMPLES = ("6.1.192-2", "6.1.192-10", "6.1.20-1", "6.12.117-1", "6.12.117-1~deb12u1", "6.12.90-1", "6.12.90-2",
               "7.3.4-1~bpo13+1", "7.3.4-1", "7.3~rc1-1~exp1", "1:5.0-1", "5.10.262-1", "6.1", "6.1.0a-1")

    def test_order_is_that_of_dpkg(self) -> None:
        for left, right in itertools.combinations(self.SAMPLES, 2):
            dpkg = subprocess.run(["dpkg", "--compare-versions", left, "lt", right]).returncode == 0
            assert (versions.compare(left, right) < 0) == dpkg, (left, right)
            assert versions.compare(left, right) == -versions.compare(right, left)

    @pytest.mark.parametrize(("version", "wanted", "result"), [
        ("6.1.192-2", "6.1", True), ("6.12.9-1", "6.1", False), ("6.1.192-2", "6.1.19", False),
        ("6.12.117-1~deb12u1", "6.12.117-1", True), ("6.1.192-2", "6.1.192-2", True),
        ("6.1.192-20", "6.1.192-2", False),
    ])
    def test_a_short_version_ends_at_a_separator(self, version: str, wanted: str, result: bool) -> None:
        assert versions.matches(version, wanted) is result

    def test_newest_first(self) -> None:
        assert versions.newest_first(["6.1.9-1", "6.12.1-1", "6.1.10-1"]) == ["6.12.1-1", "6.1.10-1", "6.1.9-1"]


class TestTree:
    def test_a_built_tree(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        before = sorted(tree.rglob("*"))
        kernel = get(tree, store)
        assert (kernel.name, kernel.release) == ("tree-linux-6.12.0-rc3", "6.12.0-rc3")
        assert kernel.image.read_bytes() == bzimage("6.12.0-rc3")
        assert kernel.modules is not None and kernel.modules.parts[-3:] == ("lib", "modules", "6.12.0-rc3")
        assert kernel.image.parent.parent == kernel.modules.parents[2], "virtme-run looks for the modules there"
        assert kernel.missing_modules(["tcm_loop", "target-core-mod", "loop"]) == []
        assert kernel.config is not None and kernel.config.read_text() == CONFIG
        assert sorted(tree.rglob("*")) == before, "nothing is written to the tree"

    def test_bzimage_inside_a_tree_is_the_tree(self, tmp_path: Path, store: Store) -> None:
        kernel = get(built_tree(tmp_path / "linux") / "arch/x86/boot/bzImage", store)
        assert kernel.name == "tree-linux-6.12.0-rc3"

    def test_staged_once_and_again_when_a_module_changes(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        first, second = get(tree, store), get(tree, store)
        assert first == second
        rebuilt = tree / "drivers/target/loopback/tcm_loop.ko"
        rebuilt.unlink()
        write(rebuilt, module("tcm_loop", "scsi_mod"))
        third = get(tree, store)
        assert third.identity != first.identity, "a rebuilt driver is another kernel, though the image is the same"
        assert first.modules and module("tcm_loop") == (first.modules / "kernel/drivers/target/loopback/tcm_loop.ko"
                                                        ).read_bytes(), "a run that still uses the old one keeps it"

    def test_image_rewritten_in_place_does_not_change_what_was_staged(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        first = get(tree, store)
        write(tree / "arch/x86/boot/bzImage", bzimage("6.12.0-rc3", b"new"))
        assert first.image.read_bytes() == bzimage("6.12.0-rc3")
        assert get(tree, store).image.read_bytes() == bzimage("6.12.0-rc3", b"new")

    def test_without_modules_built_the_reason_names_that(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        (tree / "modules.order").unlink()
        reasons = get(tree, store).missing_modules(["tcm_loop", "loop"])
        assert len(reasons) == 1 and "CONFIG_LOOPBACK_TARGET=m" in reasons[0] and "build" in reasons[0]

    def test_not_built(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path / "linux/Kconfig", "")
        write(tmp_path / "linux/Kbuild", "")
        with pytest.raises(UsageError, match=r"not built; write .*linux\+base .*, run make -C .*linux bzImage modules"):
            get(tmp_path / "linux", store)

    def test_configured_only(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path / "build/.config", CONFIG)
        with pytest.raises(UsageError, match="configured but has no arch/x86/boot/bzImage"):
            get(tmp_path / "build", store)

    def test_no_tree_at_all(self, tmp_path: Path, store: Store) -> None:
        with pytest.raises(UsageError, match="is not a built kernel tree"):
            get(tmp_path, store)

    def test_half_built(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        write(tree / "include/config/kernel.release", "6.12.0-rc4\n")
        with pytest.raises(UsageError, match="half built: its bzImage is 6.12.0-rc3, but the tree is at 6.12.0-rc4"):
            get(tree, store)

    def test_module_that_is_not_there(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        (tree / "drivers/target/loopback/tcm_loop.ko").unlink()
        with pytest.raises(UsageError, match="modules.order names drivers/target/loopback/tcm_loop.ko"):
            get(tree, store)

    def test_old_stages_are_removed_later(self, tmp_path: Path, store: Store) -> None:
        tree = built_tree(tmp_path / "linux")
        first = get(tree, store).image.parent.parent
        write(tree / "arch/x86/boot/bzImage", bzimage("6.12.0-rc3", b"1"))
        second = get(tree, store).image.parent.parent
        assert first.exists()
        os.utime(first, (0, 0))
        write(tree / "arch/x86/boot/bzImage", bzimage("6.12.0-rc3", b"22"))
        get(tree, store)
        assert not first.exists() and second.exists()


class TestImageSpec:
    def test_with_its_modules_directory(self, tmp_path: Path, store: Store) -> None:
        image = write(tmp_path / "a/bzImage", bzimage("6.9.1"))
        given = modules_directory(tmp_path / "m", "6.9.1")
        for spec in (f"{image}:{given}", f"{image}:{tmp_path / 'm'}"):
            kernel = get(spec, store)
            assert kernel.name == "image-bzImage-6.9.1" and kernel.missing_modules(["tcm_loop", "loop"]) == []
        assert not (given / "modules.dep").exists(), "the user's directory is not written to"

    def test_directory_with_modules_dep_is_not_copied(self, tmp_path: Path, store: Store) -> None:
        image = write(tmp_path / "a/bzImage", bzimage("6.9.1"))
        given = modules_directory(tmp_path / "m", "6.9.1")
        write(given / "modules.dep", "kernel/drivers/target/loopback/tcm_loop.ko:\n")
        kernel = get(f"{image}:{given}", store)
        assert kernel.modules and kernel.modules.resolve() == given
        before = kernel.identity
        write(given / "kernel/drivers/target/loopback/tcm_loop.ko", module("tcm_loop", "x"))
        assert get(f"{image}:{given}", store).identity != before

    def test_host_layout(self, tmp_path: Path, store: Store) -> None:
        image = write(tmp_path / "boot/vmlinuz-6.9.1", bzimage("6.9.1"))
        write(tmp_path / "boot/config-6.9.1", CONFIG)
        modules_directory(tmp_path / "lib/modules", "6.9.1")
        kernel = get(image, store)
        assert kernel.modules and kernel.config and kernel.missing_modules(["tcm_loop"]) == []
        assert kernel.name == "image-vmlinuz-6.9.1"

    def test_alone(self, tmp_path: Path, store: Store) -> None:
        kernel = get(write(tmp_path / "bzImage", bzimage("6.9.1")), store)
        assert kernel.modules is None and kernel.config is None
        assert kernel.missing_modules(["tcm_loop"]) == [], "nothing is known, so the guest has to look"
        assert "not known" in kernel.missing_config(["KASAN"])[0]

    def test_modules_of_another_kernel(self, tmp_path: Path, store: Store) -> None:
        image = write(tmp_path / "a/bzImage", bzimage("6.9.1"))
        write(modules_directory(tmp_path / "m", "6.8.0") / "modules.dep", "")
        with pytest.raises(UsageError, match=r"not those of the image, which is 6\.9\.1"):
            get(f"{image}:{tmp_path / 'm/6.8.0'}", store)

    def test_modules_directory_that_is_not_there(self, tmp_path: Path, store: Store) -> None:
        image = write(tmp_path / "a/bzImage", bzimage("6.9.1"))
        with pytest.raises(UsageError, match="is not a modules directory for 6.9.1"):
            get(f"{image}:{tmp_path / 'none'}", store)

    @pytest.mark.parametrize("spec", ["no/such/bzImage", "", "stok", "a:b", "x" * 300])
    def test_unknown(self, store: Store, spec: str) -> None:
        with pytest.raises(UsageError, match="there is no kernel") as caught:
            get(spec, store)
        assert ("did you mean 'stock'?" in str(caught.value)) == (spec == "stok")

    @pytest.mark.parametrize("spec", ["debian:../../x", "debian:six", "debian:6.1 ", "debian:-o"])
    def test_not_a_version(self, store: Store, spec: str) -> None:
        with pytest.raises(UsageError, match="is not a version"):
            get(spec, store)


class TestMissing:
    @pytest.fixture
    def kernel(self, tmp_path: Path, store: Store) -> Kernel:
        return get(built_tree(tmp_path / "linux"), store)

    def test_module_names_its_option(self, kernel: Kernel) -> None:
        assert kernel.missing_modules(["dm_flakey", "dm-flakey", "tcm_loop"]) == [
            "dm_flakey is not in this kernel: CONFIG_DM_FLAKEY=m or y"]

    def test_module_that_the_lab_does_not_know(self, kernel: Kernel) -> None:
        assert "does not know its CONFIG option" in kernel.missing_modules(["wibble"])[0]

    def test_options(self, kernel: Kernel) -> None:
        assert kernel.missing_config(["MODULES", "CONFIG_LOOPBACK_TARGET"]) == []
        assert kernel.missing_config({"HZ": "250", "KASAN": "n", "MODULES": "y"}) == []
        assert kernel.missing_config({"CONFIG_KASAN": "y", "HZ": "1000", "MODULES": "n"}) == [
            "CONFIG_KASAN is off in this kernel, wanted: y", "CONFIG_HZ is 250 in this kernel, wanted: 1000",
            "CONFIG_MODULES is y in this kernel, wanted: it off"]


class TestNamed:
    def test_the_files_of_the_project(self) -> None:
        kernels = {kernel.name: kernel for kernel in named_kernels(NAMED)}
        assert kernels["stock"].spec == default_spec() == "debian"
        assert all(kernel.summary for kernel in kernels.values())

    def test_name_and_parameters_come_from_the_file(self, tmp_path: Path, store: Store) -> None:
        built_tree(tmp_path / "linux")
        write(tmp_path / "kernels/mine.yaml", "kernel: mine\nsummary: s\nspec: ../linux\ncmdline: slub_debug=FZP\n")
        kernel = get("mine", store, tmp_path / "kernels")
        assert (kernel.name, kernel.spec, kernel.cmdline) == ("mine", "mine", "slub_debug=FZP")

    @pytest.mark.parametrize(("text", "reason"), [
        ("", "mine.yaml"), ("kernel: [", "mine.yaml:2:1: this is not YAML"), ("\x00", "mine.yaml:1:1"),
        ("- a\n", "mine.yaml"),
        ("kernel: mine\nsummary: s\nspec: debian\nspecs: x\n", r"mine.yaml:4:1: .*specs: Extra"),
        ("kernel: mine\nsummary: 7\nspec: debian\n", r"mine.yaml:2:\d+: .*summary: Input should be a valid string"),
        ("kernel: other\nsummary: s\nspec: debian\n", r"mine.yaml:1:\d+: .*must be called as its file, 'mine'"),
        ("kernel: mine\nsummary: s\n", "spec: Field required"), ("#" * (2 << 20), "larger than"),
    ])
    def test_bad_file(self, tmp_path: Path, store: Store, text: str, reason: str) -> None:
        write(tmp_path / "mine.yaml", text)
        with pytest.raises(UsageError, match=reason):
            get("mine", store, tmp_path)

    def test_all_faults_of_a_file_at_once(self, tmp_path: Path) -> None:
        write(tmp_path / "mine.yaml", "kernel: Mine\nsumary: s\nspec: 3\n")
        with pytest.raises(UsageError) as caught:
            named_kernels(tmp_path)
        assert all(f"mine.yaml:{line}:" in str(caught.value) for line in (1, 2, 3))

    def test_a_name_cannot_stand_for_a_name(self, tmp_path: Path, store: Store) -> None:
        write(tmp_path / "a.yaml", "kernel: a\nsummary: s\nspec: a\n")
        with pytest.raises(UsageError, match="there is no kernel 'a'"):
            get("a", store, tmp_path)


def _hold(root: Path, entered: object, leave: object) -> None:
    with Store(root).lock("apt"):
        entered.set()  # type: ignore[attr-defined]
        leave.wait(60)  # type: ignore[attr-defined]


class TestStore:
    def test_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB_STORE", str(tmp_path / "here"))
        assert Store.default().root == tmp_path / "here" and (tmp_path / "here").is_dir()
        monkeypatch.delenv("LAB_STORE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert Store.default().root == tmp_path / "cache/lio-lab"

    def test_place_that_cannot_be(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB_STORE", str(write(tmp_path / "file", "") / "x"))
        with pytest.raises(LabError, match="set LAB_STORE"):
            Store.default()

    def test_lock_of_another_process_has_a_deadline(self, store: Store) -> None:
        context = multiprocessing.get_context("spawn")
        entered, leave, said = context.Event(), context.Event(), []
        other = context.Process(target=_hold, args=(store.root, entered, leave))
        other.start()
        try:
            assert entered.wait(60)
            with (pytest.raises(LabError, match="another lab has held .*apt.lock"),
                  store.lock("apt", deadline_s=0.1, say=said.append)):
                pytest.fail("two have the lock")
            assert "waiting" in said[0]
        finally:
            leave.set()
            other.join(60)
        with store.lock("apt", deadline_s=0.1):
            pass

    def test_lock_between_threads(self, store: Store) -> None:
        inside, most = [], []

        def work() -> None:
            with store.lock("x"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert most == [1] * 8

    def test_directory_is_whole_or_not_there(self, store: Store) -> None:
        final = store.kernels / "k"
        stale = store.kernels / ".unfinished-k-dead"
        stale.mkdir(parents=True)
        with pytest.raises(ValueError, match="in the middle"), store.new_directory(final) as directory:
            write(directory / "half", "x")
            raise ValueError("in the middle")
        assert list(store.kernels.iterdir()) == []
        with store.new_directory(final) as directory:
            write(directory / "whole", "x")
        with store.new_directory(final) as directory:
            write(directory / "newer", "x")
        assert [path.name for path in final.iterdir()] == ["newer"] and list(store.kernels.iterdir()) == [final]

    @pytest.mark.parametrize("problem", [
        OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full"),
        LabError("dpkg-deb: cannot write: No space left on device")])
    def test_full_disk_is_one_sentence(self, tmp_path: Path, problem: Exception) -> None:
        with pytest.raises(LabError, match=r"no space left for the store .* MB free.*LAB_STORE"), \
                full_disk_explained(tmp_path):
            raise problem

    def test_really_full_disk_while_staging(self, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small]).returncode:
            pytest.skip("a small file system can be mounted only by root")
        try:
            tree = built_tree(tmp_path / "linux")
            write(tree / "arch/x86/boot/bzImage", bzimage("6.12.0-rc3", bytes(1 << 20)))
            with pytest.raises(LabError, match="no space left for the store"):
                get(tree, Store(small))
            assert list((small / "kernels").iterdir()) == [], "the temporary files are gone"
        finally:
            subprocess.run(["umount", small], check=True)

    def test_free_space_of_a_place_that_is_not_there_yet(self, tmp_path: Path) -> None:
        assert store_module.free_bytes(tmp_path / "a/b") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
