"""What Debian and Ubuntu call their suites and kernel packages. Everything else about them is the same to the lab."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Names. `image` is a regular expression for its kernel packages, with the release as a group."""

    name: str  # the word before the colon in a SPEC
    title: str
    codenames: str
    flavour: str
    image: str
    packages: str  # regular expression of all packages that a kernel may need (POSIX extended, for apt)
    meta: str  # depends on the stock kernel of its release
    depended: tuple[str, ...]  # kinds of packages that an image may depend on: linux-KIND-RELEASE
    beside: tuple[str, ...]  # kinds that hold more modules, if they are listed
    wider: tuple[str, ...]  # suites to look at for a version that the host's own do not have
    wider_security: tuple[str, ...]

    def suite(self, text: str) -> bool:
        """Whether a suite is one of this distribution's."""
        pockets = "-security|-updates|-backports|-proposed-updates|-proposed"
        return re.fullmatch(rf"({self.codenames})({pockets})?", text) is not None


DEBIAN = Distribution(
    name="debian", title="Debian", flavour="amd64", meta="linux-image-amd64",
    codenames="bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|oldoldstable|testing|unstable",
    image=r"^linux-image-(?P<release>(?P<version>\d+\.\d+(?:\.\d+|-rc\d+)\S*)-amd64)$",
    packages="^linux-(image|modules|binary|base)-[0-9].*-amd64$",
    # 6.1 is one package. From 6.16 on a base package holds the configuration; from 7.2 on the image is empty.
    depended=("modules", "binary", "base"), beside=(),
    # About 40 MB of package lists.
    wider=("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid"),
    wider_security=("bullseye-security", "bookworm-security", "trixie-security"),
)
UBUNTU = Distribution(
    name="ubuntu", title="Ubuntu", flavour="generic", meta="linux-image-generic",
    codenames="focal|jammy|noble|oracular|plucky|questing|resolute|devel",
    image=r"^linux-image-(?:unsigned-)?(?P<release>(?P<version>\d+\.\d+\.\d+-\d+)-generic)$",
    packages="^linux-(image|image-unsigned|modules|modules-extra)-[0-9].*-generic$",
    depended=("modules",), beside=("modules-extra",),  # the target drivers are among the extra modules
    wider=("jammy", "jammy-updates", "noble", "noble-updates", "questing", "questing-updates", "devel"),
    wider_security=("jammy-security", "noble-security", "questing-security"),
)
ALL = (DEBIAN, UBUNTU)


def of_suite(suite: str) -> Distribution | None:
    """The distribution that has a suite of this name."""
    return next((d for d in ALL if d.suite(suite)), None)
