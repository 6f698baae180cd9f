"""The land cover under a manifest's samples: mean shares of classes, and each's urban share."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.report import text
from geosr_lake.report.legends import class_name
from geosr_lake.report.members import Member

MAX_CLASSES = 8
"""Classes that stand by name; the others are one row."""
_LEAST = 1e-6
"""A smaller share is what is left of adding floating-point numbers."""


@dataclass(frozen=True)
class Ground:
    """One row: the mean share of a class over all samples, and how many have any of it."""

    name: str
    share: float
    n: int
    urban: bool = False


@dataclass(frozen=True)
class Cover:
    """The land cover of a manifest's samples.

    Attributes:
        layer: Name of the layer.
        rows: Classes by falling share, then the rest of them, then what is unknown; shares add up
            to 1.
        urban: Share of the urban classes by site, for the sites that the layer tells anything of.
        least: The urban share from which the recipe calls a site urban; None: it does not say.
        words: The rows in a sentence.
    """

    layer: str
    rows: tuple[Ground, ...]
    urban: dict[str, float]
    least: float | None
    words: str


def urban_rule(recipe: str) -> tuple[tuple[int, ...], float] | None:
    """Return the urban classes of a manifest's recipe and the least share; None if it has none."""
    try:
        rule = json.loads(recipe)["select"]["urban"]
        return tuple(int(number) for number in rule["classes"]), float(rule["min_frac"])
    except (ValueError, KeyError, TypeError):
        return None


def read(lake: Lake, head: Mapping[str, Any], members: Sequence[Member]) -> Cover | None:
    """Read the land cover of the samples among `members`; None if the lake has none of it.

    Args:
        lake: Where it lies.
        head: The manifest's row of `manifests`.
        members: Its samples and reserves.
    """
    samples = [m.site_id for m in members if m.role == "sample"]
    if not samples:
        return None
    found = lake.arrow(
        "site_cover",
        columns=["site_id", "class", "frac"],
        filters=[
            ("layer", "=", head["layer"]),
            ("layer_version", "=", head["layer_version"]),
            ("site_id", "in", sorted(set(samples))),
        ],
    )
    shares: dict[str, dict[int, float]] = {}
    columns = (found.column(name).to_pylist() for name in ("site_id", "class", "frac"))
    for site, number, frac in zip(*columns, strict=True):
        shares.setdefault(site, {})[number] = frac
    return summed(head["layer"], samples, shares, urban_rule(head["recipe"])) if shares else None


def summed(
    layer: str,
    samples: Sequence[str],
    shares: Mapping[str, Mapping[int, float]],
    rule: tuple[tuple[int, ...], float] | None,
) -> Cover:
    """Sum the classes of samples, each of which counts the same.

    Args:
        layer: Name of the layer.
        samples: The site of every sample, at least one.
        shares: Site to class to share.
        rule: The urban classes and the least share of an urban site.
    """
    urban_classes, least = rule or ((), None)
    of_class: dict[int, list[float]] = {}
    for site in samples:
        for number, frac in shares.get(site, {}).items():
            of_class.setdefault(number, []).append(frac)
    means = {k: math.fsum(found) / len(samples) for k, found in of_class.items()}
    ordered = sorted(means, key=lambda k: (-means[k], k))
    top, rest = ordered[:MAX_CLASSES], ordered[MAX_CLASSES:]
    named = [
        Ground(class_name(layer, k), means[k], sum(f > 0 for f in of_class[k]), k in urban_classes)
        for k in top
    ]
    if rest:
        n = sum(any(shares.get(site, {}).get(k, 0.0) > 0 for k in rest) for site in samples)
        name = "1 other class" if len(rest) == 1 else f"{len(rest)} other classes"
        named.append(Ground(name, math.fsum(means[k] for k in rest), n))
    lacking = [1 - math.fsum(shares.get(site, {}).values()) for site in samples]
    if (unknown := math.fsum(lacking) / len(samples)) > _LEAST:
        named.append(Ground("unknown", unknown, sum(part > _LEAST for part in lacking)))
    urban = {
        site: math.fsum(frac for number, frac in found.items() if number in urban_classes)
        for site, found in shares.items()
    }
    untold = sum(site not in shares for site in samples)
    words = f"Mean share of each class of the layer {layer} over {_samples(len(samples))}"
    words += f", of which {text.number(untold)} lie outside of what it knows." if untold else "."
    return Cover(layer, tuple(named), urban if rule else {}, least, words)


def _samples(n: int) -> str:
    return f"{text.number(n)} sample" + ("" if n == 1 else "s")
