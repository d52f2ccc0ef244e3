"""Building: named by content, once, out of tree, with the first error in one sentence; flavors and their options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab.errors import BuildFailed, LabError, MissingTool, UsageError
from lab.kernels import build_tools, flavors, kbuild
from lab.kernels.build import Recipe, build_tree, manifest_of
from lab.kernels.build_words import built, split, to_be_built
from lab.kernels.kbuild import _first
from lab.kernels.resolve import resolve
from lab.kernels.store import Store
from lab.kernels.tree_hash import tree_hash
from tests.command_git import git
from tests.unit.small_kernel import commit, small_kernel


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_kernel(tmp_path)


def state_of(tree: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything; git gives what somebody asks for a new time, so that gc keeps it."""
    kept_fresh = ("objects", "sharedindex")
    return {str(p): (p.stat().st_size, 0 if any(part.startswith(kept_fresh) for part in p.parts) else
                     p.stat().st_mtime_ns) for p in tree.rglob("*")}


def compilations(store: Store) -> int:
    return sum(len(path.read_text().splitlines()) for path in store.root.glob("objects/*/compilations"))


class TestBuild:
    def test_once_for_each_content(self, tree: Path, store: Store) -> None:
        first = build_tree(tree, Recipe(), store)
        assert first.release == "6.9.1-base" and first.image.is_file()
        assert build_tree(tree, Recipe(), store) == first and compilations(store) == 1
        (tree / "drivers/driver.c").write_text("int driver(void) { return 2; }\n")
        second = build_tree(tree, Recipe(), store)
        assert second.identity != first.identity and compilations(store) == 2
        git(tree, "checkout", "-q", "drivers")
        assert build_tree(tree, Recipe(), store) == first and compilations(store) == 2

    def test_nothing_is_written_to_the_tree(self, tree: Path, store: Store) -> None:
        (tree / "new.c").write_text("")
        before = state_of(tree)
        build_tree(tree, Recipe(), store)
        assert state_of(tree) == before and git(tree, "status", "--porcelain") == "?? new.c"

    def test_flavors_have_their_own_objects(self, tree: Path, store: Store) -> None:
        base, debug = (build_tree(tree, Recipe(flavor), store) for flavor in ("base", "debug"))
        assert base.image != debug.image and debug.release == "6.9.1-debug"
        assert len(list((store.root / "objects").iterdir())) == 2
        assert debug.config is not None and "CONFIG_KASAN=y" in debug.config.read_text()

    def test_what_it_was_built_from_is_kept(self, tree: Path, store: Store) -> None:
        facts = manifest_of(build_tree(tree, Recipe("coverage"), store))
        assert facts is not None and facts["tree"] == str(tree) and facts["flavor"] == "coverage"
        assert facts["commit"] == git(tree, "rev-parse", "HEAD") and facts["compiler"].startswith("gcc ")
        assert Path(facts["objects"]).is_dir() and len(facts["config_hash"]) == 64

    def test_a_tree_that_changes_meanwhile_is_not_called_built(self, tree: Path, store: Store) -> None:
        def change(line: str) -> None:
            if line.startswith("building"):
                (tree / "new.c").write_text("")

        with pytest.raises(LabError, match="was changed while it was built"):
            build_tree(tree, Recipe(), store, change)
        assert not list(store.root.glob("builds/*/manifest.json"))
        assert build_tree(tree, Recipe(), store).image.is_file() and compilations(store) == 1

    def test_coverage_keeps_the_notes_of_its_own_build(self, tree: Path, store: Store) -> None:
        facts = []
        for value in ("1", "2"):
            (tree / "drivers/driver.c").write_text(f"int driver(void) {{ return {value}; }}\n")
            facts.append(manifest_of(build_tree(tree, Recipe("coverage"), store)))
        notes = [Path(fact["objects"]) / "drivers/target/driver.gcno" for fact in facts if fact]
        assert [path.read_text() for path in notes] == ["int driver(void) { return 1; }\n",
                                                        "int driver(void) { return 2; }\n"]

    def test_it_is_configured_anew_only_when_kconfig_differs(self, tree: Path, store: Store) -> None:
        for change, times in (("drivers/driver.c", 1), ("drivers/driver.c", 1), ("Kconfig", 2)):
            with (tree / change).open("a") as file:
                file.write("\n")
            build_tree(tree, Recipe(), store)
            objects, = (store.root / "objects").iterdir()
            assert (objects / "configurations").read_text() == f"configured with {build_tools.cached()}\n" * times
        (objects / ".config").write_text("")  # somebody's hand
        (tree / "Kbuild").write_text("\n")
        kernel = build_tree(tree, Recipe(), store)
        assert kernel.config is not None and "CONFIG_TARGET_CORE=y" in kernel.config.read_text()

    def test_debug_information_is_kept_where_there_is_any(self, tree: Path, store: Store) -> None:
        for flavor, kept in (("base", False), ("debug", True)):
            kernel = build_tree(tree, Recipe(flavor), store)
            assert (kernel.image.parent / f"vmlinux-{kernel.release}").exists() == kept

    def test_what_a_configuration_needs_is_asked_for_first(self, tree: Path, store: Store, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
        config = tmp_path / "my.config"
        config.write_text("CONFIG_KERNEL_ZSTD=y\n")
        monkeypatch.setitem(build_tools._TOOLS_FOR, "KERNEL_ZSTD", ("no-such-program", "its-package"))
        with pytest.raises(MissingTool, match="apt-get install its-package"):
            build_tree(tree, Recipe(config=config), store)
        monkeypatch.setitem(build_tools.BUILD_HEADERS, "no/such.h", "its-dev")
        with pytest.raises(MissingTool, match="apt-get install its-dev"):
            build_tree(tree, Recipe(), store)
        assert compilations(store) == 0

    def test_an_error_is_one_sentence_with_the_log(self, tree: Path, store: Store) -> None:
        (tree / "drivers/driver.c").write_text("int driver(void)\n{\n\treturn nonsense;\n}\n")
        with pytest.raises(BuildFailed, match=r"drivers/driver\.c:3: .*nonsense.* undeclared") as error:
            build_tree(tree, Recipe(), store)
        log = Path(str(error.value).rpartition("(all of it: ")[2].rstrip(")"))
        assert "nonsense" in log.read_text() and not list(store.root.glob("builds/*/manifest.json"))

    def test_an_error_does_not_wait_for_the_other_directories(self, tree: Path, store: Store,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kbuild, "_SAY_EVERY_S", 0.5)
        makefile = (tree / "Makefile").read_text().replace("bzImage modules: $(O)/driver.o", "bzImage modules: a b")
        (tree / "Makefile").write_text(makefile + "a:\n\t@$(MAKE) $(O)/driver.o\nb:\n\t@$(MAKE) long\nlong:\n"
                                                  "\t@sleep 120\n")
        (tree / "drivers/driver.c").write_text("nonsense\n")
        began = time.monotonic()
        with pytest.raises(BuildFailed, match=r"drivers/driver\.c:1: "):
            build_tree(tree, Recipe(), store)
        assert time.monotonic() - began < 60

    def test_two_at_once_build_once(self, tree: Path, store: Store) -> None:
        done: list[object] = []
        threads = [threading.Thread(target=lambda: done.append(build_tree(tree, Recipe(), store))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 3 and done[0] == done[1] == done[2] and compilations(store) == 1

    def test_a_tree_that_was_built_in_place_is_built_from_a_copy(self, tree: Path, store: Store) -> None:
        (tree / ".config").write_text("CONFIG_MINE=y\n")
        said: list[str] = []
        kernel = build_tree(tree, Recipe(), store, said.append)
        assert "built in place" in said[0] and (tree / ".config").read_text() == "CONFIG_MINE=y\n"
        (tree / "drivers/driver.c").write_text("int driver(void) { return 3; }\n")
        (tree / "image.py").touch()
        assert build_tree(tree, Recipe(), store).identity != kernel.identity
        copy, = (store.root / "views").iterdir()
        assert not (copy / ".config").exists() and "return 3" in (copy / "drivers/driver.c").read_text()

    def test_nobody_prunes_what_a_build_is_made_of(self, tree: Path, store: Store) -> None:
        """A bisection asks for the next commit in a minute: the checkout, the copy and the objects have to be there."""
        built(f"git:{tree}@HEAD", None, store)
        (tree / ".config").write_text("")
        (tree / "new.c").touch()
        build_tree(tree, Recipe(), store)
        made = {place: list((store.root / place).iterdir()) for place in ("sources", "views", "objects")}
        assert {place: len(paths) for place, paths in made.items()} == {"sources": 1, "views": 1, "objects": 2}
        words = ["kernel", "prune", "--older-than", "0", "--keep-free", "1e6"]
        done = subprocess.run([sys.executable, "-m", "lab", *words], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "LAB_STORE": str(store.root)}, check=True)
        assert done.stderr.count("is in use by a running lab") == 4
        assert all(path.is_dir() for paths in made.values() for path in paths)

    def test_a_directory_built_in_place_is_refused(self, tmp_path: Path, store: Store) -> None:
        tree = small_kernel(tmp_path, checkout=False)
        (tree / ".config").write_text("")
        with pytest.raises(UsageError, match="make -C .* mrproper"):
            build_tree(tree, Recipe(), store)

    def test_a_configuration_instead_of_a_flavor(self, tree: Path, store: Store, tmp_path: Path) -> None:
        config = tmp_path / "my.config"
        config.write_text("CONFIG_MINE=y\n")
        kernel = build_tree(tree, Recipe(config=config), store)
        assert kernel.config is not None and kernel.config.read_text() == "CONFIG_MINE=y\n"
        with pytest.raises(UsageError, match="cannot read the configuration"):
            build_tree(tree, Recipe(config=tmp_path / "no.config"), store)

    def test_the_environment_decides_nothing(self, tree: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {"KCFLAGS": "-Dreturn=nonsense", "MAKEFLAGS": "n", "CC": "false", "ARCH": "arm"}.items():
            monkeypatch.setenv(name, value)
        assert build_tree(tree, Recipe(), store).image.is_file() and compilations(store) == 1

    def test_no_kernel_tree(self, tmp_path: Path, store: Store) -> None:
        with pytest.raises(UsageError, match="no kernel source tree"):
            build_tree(tmp_path, Recipe(), store)


class TestOptions:
    def test_an_option_that_does_not_survive_is_named(self, tree: Path, store: Store) -> None:
        (tree / "lacks").write_text("CONFIG_LOOPBACK_TARGET")
        with pytest.raises(BuildFailed, match="CONFIG_LOOPBACK_TARGET=y did not survive"):
            build_tree(tree, Recipe(), store)

    def test_an_optional_one_is_only_told(self, tree: Path, store: Store) -> None:
        (tree / "lacks").write_text("CONFIG_BLK_ERROR_INJECTION")
        said: list[str] = []
        build_tree(tree, Recipe("fault"), store, said.append)
        assert any("has no CONFIG_BLK_ERROR_INJECTION (newer than" in line for line in said)

    def test_a_line_that_is_no_option(self, tmp_path: Path) -> None:
        (tmp_path / "odd.config").write_text("# fine\nCONFIG_A=y\nCONFIG_B yes\n")
        with pytest.raises(UsageError, match=r"odd\.config:3: .*no option"):
            flavors.read(tmp_path / "odd.config")

    def test_a_fragment_of_ones_own_is_a_flavor_on_top_of_base(self, tmp_path: Path) -> None:
        shutil.copytree(flavors.FRAGMENTS, tmp_path / "config")
        (tmp_path / "config/mine.config").write_text("CONFIG_SLUB_TINY=y\n")
        mine = flavors.flavor("mine", tmp_path / "config")
        assert [o.value for o in mine.options if o.name == "SLUB_TINY"] == ["y"]
        assert any(o.name == "TARGET_CORE" for o in mine.options)

    def test_off_counts(self, tmp_path: Path) -> None:
        config = tmp_path / ".config"
        config.write_text("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n")
        wanted = [flavors.Option(name, value) for name, value in (("A", "n"), ("B", "n"), ("C", "m"), ("D", "m"))]
        assert [o.name for o in flavors.lost(wanted, config)] == ["A", "D"]

    def test_unknown_flavor(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'debug'"):
            flavors.flavor("debgu")


class TestTreeHash:
    def test_changes_with_content_and_not_with_time(self, tree: Path) -> None:
        before = tree_hash(tree)
        os.utime(tree / "Makefile", (0, 0))
        assert tree_hash(tree) == before
        (tree / "new.c").write_text("int x;\n")
        changed = tree_hash(tree)
        assert changed != before
        commit(tree, "second")
        assert tree_hash(tree) == changed  # committed or not, the content is the same
        (tree / "new.o").write_text("an object, which git ignores")
        assert tree_hash(tree) == changed

    def test_what_git_ignores_altogether_is_no_checkout(self, tree: Path) -> None:
        """As Debian's sources after `git init`: nothing of them would be in the hash."""
        shutil.rmtree(tree / ".git")
        (tree / ".gitignore").write_text("/*\n")
        git(tree, "init", "-q")
        before = tree_hash(tree)
        (tree / "drivers/driver.c").write_text("int other;\n")
        assert before.startswith("stat-") and tree_hash(tree) != before

    def test_what_a_developer_has_on_writes_nothing(self, tree: Path) -> None:
        for name in ("splitIndex", "untrackedCache"):
            git(tree, "config", f"core.{name}", "true")
        git(tree, "update-index", "--split-index")
        self.test_git_is_left_alone(tree)

    def test_git_is_left_alone(self, tree: Path) -> None:
        (tree / "new.c").write_text("int x;\n")
        before = state_of(tree / ".git")
        tree_hash(tree)
        assert state_of(tree / ".git") == before

    def test_a_worktree_and_a_plain_directory(self, tree: Path, tmp_path: Path) -> None:
        git(tree, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
        assert tree_hash(tmp_path / "other") == tree_hash(tree)
        plain = small_kernel(tmp_path / "plain", checkout=False)
        before = tree_hash(plain)
        (plain / "Kbuild").write_text("x")
        assert before.startswith("stat-") and tree_hash(plain) != before


class TestWords:
    def test_a_commit_of_a_repository(self, tree: Path, store: Store) -> None:
        (tree / "drivers/driver.c").write_text("int driver(void) { return 2; }\n")
        commit(tree, "second")
        before = state_of(tree)
        old, new = (built(f"git:{tree}@{ref}", None, store) for ref in ("HEAD~1", "HEAD"))
        assert old.identity != new.identity and old.spec == f"git:{tree}@HEAD~1+base"
        assert resolve(old.spec, store, named=tree).identity == old.identity
        assert state_of(tree) == before, "the developer's repository was written to"

    def test_a_tree_with_a_flavor(self, tree: Path, store: Store) -> None:
        kernel = resolve(f"{tree}+debug", store, named=tree)
        assert kernel.release == "6.9.1-debug" and kernel.name == "tree-linux-6.9.1-debug"

    def test_what_is_no_flavor_belongs_to_the_path(self, tree: Path) -> None:
        assert split("linux-6.12+") == ("linux-6.12+", None) and split("a+debug") == ("a", "debug")
        (tree.parent / "linux+debug").mkdir()
        assert split(f"{tree}+debug") == (f"{tree}+debug", None)
        assert to_be_built("source:6.12") and not to_be_built("debian:6.12") and not to_be_built(str(tree))

    @pytest.mark.parametrize(("word", "why"), [
        ("git:nosuch", "no commit 'nosuch'"), ("source:zwölf", "no version of kernel sources"),
        ("git:/nonexistent@HEAD", "no git repository")])
    def test_words_that_mean_nothing(self, word: str, why: str, tree: Path, store: Store) -> None:
        with pytest.raises(UsageError, match=why):
            built(word, None, store, base=tree)


@pytest.mark.parametrize(("log", "first"), [
    ("  CC      x.o\nx.c:1:2: warning: odd\nmake[2]: *** [x.o] Error 1\ndrivers/x.c:12:3: error: 'y' undeclared\n",
     "drivers/x.c:12: 'y' undeclared"),
    ("ld: drivers/x.o: in function `f':\nx.c:(.text+0x1): undefined reference to `g'\nmake: *** [vmlinux] Error 1\n",
     "ld: drivers/x.o: in function `f':"),
    ('ERROR: modpost: "f" [drivers/x.ko] undefined!\nmake: *** [modules] Error 2\n',
     'ERROR: modpost: "f" [drivers/x.ko] undefined!'),
    ("make[1]: *** No rule to make target 'x.c', needed by 'x.o'.  Stop.\n",
     "make[1]: *** No rule to make target 'x.c', needed by 'x.o'.  Stop."),
    ("x.c:1:10: fatal error: none.h: No such file or directory\n", "x.c:1: none.h: No such file or directory"),
])
def test_the_first_error_of_a_log(log: str, first: str) -> None:
    assert _first(log) == first
