"""A source tree of a dozen lines that builds by make like a kernel: for what the lab does around the build.

The proof with real kernels is tests/vm/test_built_flavors.py.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.command_git import git

_MAKEFILE = """
    # Out of tree like a kernel: O= is where things go, KCONFIG_ALLCONFIG what is on.
    allnoconfig:
    \t@cp $(KCONFIG_ALLCONFIG) $(O)/.config; mkdir -p $(O)/include/config
    \t@echo configured with $(CC) >> $(O)/configurations
    \t@printf '\\tKconfig\\n' > $(O)/include/config/auto.conf.cmd
    \t@test ! -e $(CURDIR)/lacks || sed -i "/$$(cat $(CURDIR)/lacks)/d" $(O)/.config
    olddefconfig savedefconfig:
    \t@test ! -e $(CURDIR)/.config || { echo "*** The source tree is not clean" >&2; exit 2; }
    \t@mkdir -p $(O)/include/config
    \t@test $@ = olddefconfig || cp $(O)/.config $(O)/defconfig
    bzImage modules: $(O)/driver.o
    \t@mkdir -p $(O)/arch/x86/boot $(O)/include/config
    \t@echo 6.9.1$(LOCALVERSION) > $(O)/include/config/kernel.release
    \t@python3 $(CURDIR)/image.py $(O)/driver.o 6.9.1$(LOCALVERSION) > $(O)/arch/x86/boot/bzImage
    $(O)/driver.o: drivers/driver.c
    \t@echo "  CC      driver.o"
    \t@echo compiled >> $(O)/compilations
    \t@$(CC) $(KCFLAGS) -c -o $@ $<
    \t@mkdir -p $(O)/drivers/target && echo vmlinux > $(O)/vmlinux
    \t@case "$(LOCALVERSION)" in *coverage) cp $< $(O)/drivers/target/driver.gcno;; esac
"""
_IMAGE = """
    import struct, sys
    head = bytearray(0x300)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x80)
    text = f"{sys.argv[2]} (lab@lab) #1 SMP\\0".encode()
    head[0x280:0x280 + len(text)] = text
    sys.stdout.buffer.write(bytes(head) + open(sys.argv[1], "rb").read())
"""


def small_kernel(where: Path, *, checkout: bool = True) -> Path:
    """Make the tree below `where`, as a checkout of git with one commit or as a plain directory."""
    tree = where / "linux"
    driver = "int driver(void)\n{\n\treturn 1;\n}\n"
    for name, text in {"Makefile": _MAKEFILE, "image.py": _IMAGE, "Kconfig": "", "Kbuild": "",
                       ".gitignore": "*.o\n.config\n", "drivers/driver.c": driver}.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    if checkout:
        git(tree, "init", "-q", "-b", "main")
        commit(tree, "first")
    return tree


def commit(tree: Path, subject: str) -> str:
    """Commit everything; the hash."""
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", subject)
    return git(tree, "rev-parse", "HEAD")
