"""The target drivers of any source tree as modules for a stock kernel: a kernel to test in seconds, not in minutes.

The sources are copied to the store and built there. Objects are kept for each stock kernel, not for each tree: what is
equal in two trees, or in two commits, is compiled once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from lab.errors import BuildFailed, UsageError
from lab.kernels import debian
from lab.kernels.build_process import alone
from lab.kernels.headers import TYPE_INFO, Headers, headers
from lab.kernels.identity import identity_of
from lab.kernels.kernel import Kernel
from lab.kernels.staging import lay_out
from lab.kernels.stock import StockKernel
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.target_sources import Sources, sources_of
from lab.kernels.variant import with_modules
from lab.usage import hold, prune, used

_RECIPE = "2"  # a change of how it is built gives other names
_KEEP_S = 2 * 24 * 3600.0  # a build or objects that nobody has asked for since then are removed
_DRIVERS = "kernel/drivers/target"  # below lib/modules/RELEASE
# cxgbit needs the sources of a network driver, which the headers lack. It drives hardware that no guest has.
_WITHOUT = {"CONFIG_ISCSI_TARGET_CXGB4": "", TYPE_INFO: ""}


def build_modules(tree: Path, stock: str, store: Store, say: Callable[[str], None] = silent) -> Kernel:
    """The stock kernel with the modules of the tree's drivers/target in place of its own.

    `stock` is debian:VERSION as for -k. Only drivers/target and the headers that are its own are taken from the tree,
    as they are at this moment; the stock kernel's configuration decides which modules there are. Named by the content
    of these files, the stock kernel and the compiler: a second call with the same builds nothing. Raises BuildFailed,
    UsageError for a tree without target drivers, MissingTool, and what fetching the stock kernel and its headers does.
    """
    if not re.fullmatch(r"debian(:.*)?", stock):
        raise UsageError(f"modules are built for a stock kernel, debian:VERSION, not for {stock!r}")
    sources = sources_of(tree)
    tools = headers(stock.removeprefix("debian").removeprefix(":"), store, say)
    base = debian.fetch(tools.version, store, say)
    _compare_versions(sources, tools, say)
    hold(base.root)  # as the headers are: the next candidate of a bisection wants both
    content = "\0".join((_RECIPE, sources.digest, tools.version, tools.compiler_version))
    root = store.root / "builds" / f"modules-{hashlib.sha256(content.encode()).hexdigest()[:20]}"
    if not (root / "built.json").exists():
        with store.lock(f"modules-{tools.version}", say=say), full_disk_explained(store.root):
            if not (root / "built.json").exists():
                _build(sources, tools, base, root, store, say)
            _remove_old(store, root)
    used(root)
    return _kernel(tree, stock, base, root, store)


def _build(sources: Sources, tools: Headers, base: StockKernel, root: Path, store: Store,
           say: Callable[[str], None]) -> None:
    objects = store.root / "objects" / f"modules-{tools.version}"
    objects.mkdir(parents=True, exist_ok=True)
    hold(objects)
    # What a killed lab left must have ended before a source is exchanged: it would date an object of the old one anew.
    with alone(objects, say) as lock:
        _compile(sources, tools, objects, lock, say)
        with store.new_directory(root) as directory:
            lay_out(with_modules(_plain(base, store), _built(objects), without=[_DRIVERS]), directory)
            (directory / "built.json").write_text(json.dumps({"tree": str(sources.tree), "stock": tools.version}))


def _compile(sources: Sources, tools: Headers, objects: Path, lock: int, say: Callable[[str], None]) -> None:
    sources.copy_to(objects)
    _write_if_other(objects / "Kbuild", _kbuild(objects))
    say(f"building drivers/target of {sources.tree} for {tools.release}")
    try:
        names = _as_in_the_tree(objects, *sorted(tools.build.resolve().parent.iterdir()))
        tools.make(objects, settings={**_WITHOUT, "KCFLAGS": names}, lock=lock)
    except BuildFailed as error:
        raise BuildFailed(_blamed(str(error), sources, tools)) from None


def _as_in_the_tree(*places: Path) -> str:
    """For the compiler, whose last match wins: reports and debug information name files without the store's places."""
    return " ".join(f"-ffile-prefix-map={place}= -ffile-prefix-map={place}/=" for place in places)


def _kbuild(objects: Path) -> str:
    """Kbuild hands the changed variable down to every directory below; the headers package's own come after it."""
    return (f"LINUXINCLUDE := -I{objects}/include -I{objects}/include/uapi $(LINUXINCLUDE)\n"
            "obj-m := drivers/target/\n")


def _write_if_other(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def _built(objects: Path) -> dict[str, Path]:
    """What this build made; a module of an earlier one may lie beside it. modules.order has .ko, or .o from 6.2 on."""
    found = {}
    for line in (objects / "modules.order").read_text().split():
        file = (objects / line).with_suffix(".ko")
        found[f"kernel/{file.relative_to(objects)}"] = file
    return found


def _plain(base: StockKernel, store: Store) -> Kernel:
    config = base.config if base.config.exists() else None
    return Kernel(f"debian:{base.version}", f"debian-{base.version}", base.release, base.image, base.modules, config,
                  identity_of(base.image, base.modules, store), package=base.version)


def _kernel(tree: Path, stock: str, base: StockKernel, root: Path, store: Store) -> Kernel:
    image, modules = root / "boot" / base.image.name, root / "lib/modules" / base.release
    config = root / "boot" / base.config.name
    name = re.sub(r"[^A-Za-z0-9._+~-]", "_", f"modules-{tree.absolute().name}-{base.version}")
    return Kernel(f"modules:{tree}@{stock}", name, base.release, image, modules, config if config.exists() else None,
                  identity_of(image, modules, store))


def _compare_versions(sources: Sources, tools: Headers, say: Callable[[str], None]) -> None:
    if sources.version and not _same(sources, tools):
        say(f"{sources.tree} is {sources.version}, its drivers are built for the kernel {tools.version}")


def _same(sources: Sources, tools: Headers) -> bool:
    return re.match(rf"{re.escape(sources.version)}(?![0-9])", tools.version) is not None


def _blamed(sentence: str, sources: Sources, tools: Headers) -> str:
    """The compiler's words, and the versions where they may be the reason."""
    first = sentence.partition(f" for {tools.release}: ")[2]
    other = "" if not sources.version or _same(sources, tools) else \
        f" (the tree is {sources.version}, the kernel {tools.version}: maybe too far apart)"
    return f"drivers/target of {sources.tree} does not build for {tools.release}: {first}{other}"


def _remove_old(store: Store, current: Path) -> None:
    made = (*(store.root / "builds").glob("modules-*"), *(store.root / "objects").glob("modules-*"))
    prune((path for path in made if path != current), _KEEP_S)
