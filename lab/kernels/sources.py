"""The Debian or Ubuntu archives that the host's apt is configured for, and the same ones with other suites."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.kernels.distribution import DEBIAN, Distribution, of_suite


@dataclass(frozen=True)
class Source:
    """One archive; `options` are all other fields of its deb822 stanza (Signed-By, Trusted, ...)."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    added: tuple[str, ...] = ()  # suites of these that the host does not name itself

    def stanza(self) -> str:
        """As deb822, restricted to what holds kernels: binary packages of amd64 in main."""
        fields = [("Types", "deb"), ("URIs", " ".join(self.uris)), ("Suites", " ".join(self.suites)),
                  ("Components", "main"), ("Architectures", "amd64"), *self.options]
        return "".join(f"{name}: {value}\n" for name, value in fields)


def host_sources(etc: Path = Path("/etc/apt")) -> list[Source]:
    """The enabled archives of Debian or Ubuntu (suite and component `main`) in sources.list and sources.list.d."""
    parts = etc / "sources.list.d"
    found: list[Source] = []
    for path in [etc / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        found += _deb822(text) if path.suffix == ".sources" else _one_line(text)
    whose = distribution_of(found)  # archives of another one beside them are not the host's own
    kept = [replace(s, suites=tuple(x for x in s.suites if whose.suite(x))) for s in found]
    return [source for source in kept if source.suites]


def distribution_of(sources: Iterable[Source]) -> Distribution:
    """Whose archives they are; Debian where there are none."""
    return next((whose for source in sources for suite in source.suites if (whose := of_suite(suite))), DEBIAN)


def wider(sources: Sequence[Source]) -> list[Source]:
    """The same archives with every suite the lab knows: where a version is that the host's release has not."""
    result: dict[tuple[str, ...], Source] = {}
    for source in sources:
        security = any(suite.endswith("-security") for suite in source.suites)
        whose = distribution_of([source])
        suites = dict.fromkeys(source.suites + (whose.wider_security if security else whose.wider))
        known = result.get(source.uris)
        if known:
            suites = dict.fromkeys((*known.suites, *suites))
        own = {suite for other in sources if other.uris == source.uris for suite in other.suites}
        result[source.uris] = replace(source, suites=tuple(suites), added=tuple(s for s in suites if s not in own))
    return list(result.values())


def _deb822(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)):
        fields = {name.lower(): value.lstrip(" ").rstrip() for name, value in
                  re.findall(r"^([^\s:]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)}
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if "deb" in fields.get("types", "").split() and "main" in fields.get("components", "").split():
            options = {name: value for name, value in fields.items() if name not in
                       ("types", "uris", "suites", "components", "enabled", "architectures")}
            yield Source(tuple(fields.get("uris", "").split()), tuple(fields.get("suites", "").split()),
                         tuple((name.title(), value) for name, value in options.items()))


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = re.match(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<rest>[^#]*)",
                         line.strip())
        if match and "main" in match["rest"].split():
            pairs = [word.partition("=") for word in shlex.split(match["options"] or "")]
            # Lists are separated by commas in a one-line option and by spaces in a deb822 field.
            options = tuple((name.title(), value.replace(",", " ")) for name, _, value in pairs
                            if name not in ("arch", "lang", "target"))
            yield Source((match["uri"],), (match["suite"],), options)
