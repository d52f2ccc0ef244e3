"""From what the user typed to a kernel that can boot."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable
from pathlib import Path

from lab.errors import UsageError
from lab.kernels import build_words, debian, distribution, mainline, tree
from lab.kernels.identity import identity_of
from lab.kernels.image import release_of
from lab.kernels.kernel import Kernel
from lab.kernels.module_build import build_modules
from lab.kernels.named import NO_KERNELS, NamedKernel, load, named_kernels
from lab.kernels.sources import distribution_of, host_sources
from lab.kernels.staging import Parts, stage
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.target_sources import series_of

__all__ = ["NamedKernel", "default_spec", "named_kernels", "resolve"]

_STOCK = tuple(whose.name for whose in distribution.ALL)
_MAINLINE = "mainline:"
_MODULES = "modules"
_NAME = re.compile(r"^[a-z][a-z0-9_.-]{0,63}$")
_VERSION = re.compile(r"^[0-9][A-Za-z0-9.+~-]*$")


def default_spec() -> str:
    """The stock kernel of the host's own release: debian, or ubuntu on such a host."""
    return distribution_of(host_sources()).name


def resolve(spec: str, store: Store, *, named: Path, say: Callable[[str], None] = silent) -> Kernel:
    """Find, fetch or stage the kernel that `spec` means; `named` is the directory of kernels/*.yaml.

    Raises UsageError for a spec that means nothing, LabError when the lab cannot get what it means.
    """
    with full_disk_explained(store.root):
        if _NAME.match(spec) and (named / f"{spec}.yaml").is_file():
            return _named(load(named / f"{spec}.yaml"), store, say)
        return _plain(spec, store, Path.cwd(), named, say)


def _named(entry: NamedKernel, store: Store, say: Callable[[str], None]) -> Kernel:
    """A path in the file is relative to the file; a name may not stand for another name."""
    kernel = _plain(entry.spec, store, entry.path.parent.absolute(), None, say)
    return dataclasses.replace(kernel, spec=entry.name, name=entry.name, cmdline=entry.cmdline)


def _plain(spec: str, store: Store, base: Path, named: Path | None, say: Callable[[str], None]) -> Kernel:
    if spec.partition(":")[0] in _STOCK:
        return _stock(spec, store, say)
    if spec.startswith(_MAINLINE):
        return _mainline(spec, store, say)
    if build_words.to_be_built(spec, base):
        return build_words.built(spec, None, store, say, base=base)
    if spec.startswith(f"{_MODULES}:"):
        return _target_modules(spec, store, base, say)
    if path := _existing(base, spec):
        return _tree(spec, path.resolve(), store) if path.is_dir() else _image(spec, path, None, store)
    image, _, modules = spec.rpartition(":")
    if (path := _existing(base, image)) and path.is_file():
        return _image(spec, path, base / Path(modules).expanduser(), store)
    raise UsageError(_unknown(spec, named))


def _existing(base: Path, text: str) -> Path | None:
    """The file or directory that the text names; None also for what cannot be a path (too long, no such home)."""
    try:
        path = base / Path(text).expanduser()
        return path if text and (path.is_dir() or path.is_file()) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _stock(spec: str, store: Store, say: Callable[[str], None]) -> Kernel:
    whose, _, wanted = spec.partition(":")
    if wanted and not _VERSION.match(wanted):
        raise UsageError(f"{wanted!r} is not a version: write {whose}:6.12, {whose}:6.1.192-2, or {whose}")
    here = distribution_of(host_sources()).name
    if whose != here:
        raise UsageError(f"{spec} cannot be fetched: the archives that this host's apt knows are those of {here}")
    stock = debian.fetch(wanted, store, say)
    config = stock.config if stock.config.exists() else None
    name = _safe(f"{stock.distribution.name}-{stock.version}")
    return Kernel(spec, name, stock.release, stock.image, stock.modules, config,
                  identity_of(stock.image, stock.modules, store), package=stock.version)


def _mainline(spec: str, store: Store, say: Callable[[str], None]) -> Kernel:
    found = mainline.fetch(spec.removeprefix(_MAINLINE), store, say)
    return Kernel(spec, _safe(f"mainline-{found.version}"), found.release, found.image, found.modules,
                  found.config if found.config.exists() else None, identity_of(found.image, found.modules, store))


def _target_modules(spec: str, store: Store, base: Path, say: Callable[[str], None]) -> Kernel:
    """modules:TREE@debian:VERSION; without @ the stock kernel of the tree's own series."""
    tree_text, at, stock = spec.removeprefix(f"{_MODULES}:").rpartition("@")
    if not at:
        tree_text, stock = stock, ""
    path = _existing(base, tree_text)
    if path is None or not path.is_dir():
        raise UsageError(f"there is no kernel source tree {tree_text!r}: write modules:TREE@debian:VERSION")
    kernel = build_modules(path.resolve(), stock or f"{default_spec()}:{series_of(path)}", store, say)
    return dataclasses.replace(kernel, spec=spec)


def _tree(spec: str, path: Path, store: Store) -> Kernel:
    return _stage(spec, f"tree-{path.name}", "tree", path, tree.parts_of(path), store)


def _image(spec: str, image: Path, given: Path | None, store: Store) -> Kernel:
    image = image.resolve()
    if given is None and image.as_posix().endswith(f"/{tree.IMAGE}"):
        root = image.parents[len(tree.IMAGE.parts) - 1]
        if (root / ".config").is_file():
            return _tree(spec, root, store)
    release = release_of(image)
    ready = _modules_given(given, release) if given else _modules_beside(image, release)
    configs = (image.with_name(f"config-{release}"), image.with_name("config"), image.with_name(".config"),
               *((ready / "config",) if ready else ()))
    config = next((c for c in configs if c.is_file()), None)
    loose: tuple[tuple[str, Path], ...] = ()
    if ready and not (ready / "modules.dep").is_file():
        loose = tuple((p.relative_to(ready).as_posix(), p) for p in sorted(ready.rglob("*")) if p.is_file())
    parts = Parts(release, image, config, loose, None if loose else ready)
    short = image.name.removesuffix(f"-{release}")
    prefix = "host" if image.parent == Path("/boot") else f"image-{short}"
    return _stage(spec, prefix, "image", image, parts, store)


def _stage(spec: str, prefix: str, kind: str, origin: Path, parts: Parts, store: Store) -> Kernel:
    found = stage(kind, origin, parts, store)
    return Kernel(spec, _safe(f"{prefix}-{parts.release}"), parts.release, found.image, found.modules, found.config,
                  identity_of(found.image, found.modules, store))


def _modules_given(given: Path, release: str) -> Path:
    """The directory itself, or a root or lib/modules that holds it."""
    for path in (given, given / release, given / "lib/modules" / release, given / "usr/lib/modules" / release):
        if path.name == release and path.is_dir():
            return path.resolve()
    if given.is_dir() and any(given.rglob("*.ko*")):
        raise UsageError(f"the modules in {given} are not those of the image, which is {release}: "
                         f"there is no directory {release} in it")
    raise UsageError(f"{given} is not a modules directory for {release}; give the one that ends in "
                     f"lib/modules/{release}, or the root that it was installed to")


def _modules_beside(image: Path, release: str) -> Path | None:
    """lib/modules/RELEASE next to the image or to its directory (boot/); None where there is none."""
    for root in (image.parent, image.parent.parent):
        for home in ("lib/modules", "usr/lib/modules"):
            if (root / home / release).is_dir():
                return (root / home / release).resolve()
    return None


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+~-]", "_", name)


def _unknown(spec: str, named: Path | None) -> str:
    names = [path.stem for path in sorted(named.glob("*.yaml")) if path.name not in NO_KERNELS] if named else []
    near = difflib.get_close_matches(spec, [*names, *_STOCK], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    have = f" ({', '.join(names)})" if names else ""
    return (f"there is no kernel {spec!r}: it is no name in kernels/{have}, no debian:VERSION, mainline:VERSION, "
            f"source:VERSION or git:REF, and no path of a built tree or bzImage{hint}")
