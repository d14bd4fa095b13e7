"""Names of files for ids of samples: legal on every system, and different wherever the ids are.

An id may be longer than the name of a file, hold signs that are forbidden on other systems, or differ from another id
by its case only, which is no difference on Windows and macOS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from unicodedata import category, normalize

LONGEST = 80
"""Bytes of a name in UTF-8, without a suffix; file systems allow some 140 to 255 for all of it."""
KEPT = 60
"""Bytes that are left of an id that cannot be a name itself."""
DIGITS = 8
FORBIDDEN = frozenset('<>:"/\\|?*')
"""Signs that no name may have on Windows. Slashes become `-` before."""
UNNAMED = ("Cc", "Cs", "Cn")
"""Categories of Unicode that names cannot have: control characters, halves of characters, and what is none."""
PORTS = frozenset(f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³")
RESERVED = PORTS | {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
"""Devices of Windows; with a suffix they are so too."""


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """A name for a file of each id, without a suffix, at most LONGEST bytes.

    It is the id with `-` for `/`, where that is a legal name on Linux, macOS and Windows; else its beginning, with `-`
    for what is not legal, and a digest of the id. If several of the ids would have the same name, or names that differ
    by case, by how accents are written or by invisible signs only, each of them gets its digest. So the name depends
    on the other ids only where there is such a conflict, and never on their order.
    """
    attempts = dict.fromkeys(ids, 0)
    while True:
        names = {sample: _name(sample, attempt) for sample, attempt in attempts.items()}
        alike = defaultdict(list)
        for sample, name in names.items():
            alike[_folded(name)].append(sample)
        conflicts = [sample for group in alike.values() if len(group) > 1 for sample in group]
        if not conflicts:
            return names
        for sample in conflicts:
            attempts[sample] += 1


def _name(sample: str, attempt: int) -> str:
    """The id itself where it is legal, else with a digest, which is another one for each further attempt."""
    plain = sample.replace("/", "-")
    legal = "".join("-" if sign in FORBIDDEN or category(sign) in UNNAMED else sign for sign in plain)
    if not attempt and plain == legal and _fits(plain):
        return plain
    start = legal.encode()[:KEPT].decode(errors="ignore")
    if _reserved(start):
        start = start.replace(".", "-")
    salt = "\0" * max(0, attempt - 1)
    return f"{start}-{sha256((sample + salt).encode(errors='surrogatepass')).hexdigest()[:DIGITS]}"


def _fits(name: str) -> bool:
    return bool(name) and name[-1] not in ". " and len(name.encode()) <= LONGEST and not _reserved(name)


def _reserved(name: str) -> bool:
    return name.partition(".")[0].rstrip().upper() in RESERVED


def _folded(name: str) -> str:
    """A text that is equal for names that some system does not distinguish."""
    shown = "".join(sign for sign in normalize("NFKD", name) if category(sign) != "Cf")
    return normalize("NFKD", shown.upper().casefold())
