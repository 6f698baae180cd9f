"""What the page counts of a manifest's members: its histograms, strata and subsets."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from geosr_lake.report.charts import SPLITS, Histogram, histogram, months
from geosr_lake.report.landcover import Cover
from geosr_lake.report.members import Member

DAY_S = 86_400.0


def of_manifest(
    members: Sequence[Member], lr: str, hr: str, cover: Cover | None = None
) -> tuple[Histogram, ...]:
    """Return the histograms of a manifest; those of the pixels only where any were read.

    Args:
        members: Samples and reserves; what the pixels say is counted for all that were read.
        lr: Name of the LR sensor.
        hr: Name of the HR sensor.
        cover: The land cover of the samples.
    """
    planned = [m for m in members if m.role == "sample"]
    made = [m for m in members if m.measured]
    found = (*_planned(planned, lr, hr, cover), *_measured(made, lr, hr))
    return tuple(h for h in found if h is not None)


def _planned(
    samples: Sequence[Member], lr: str, hr: str, cover: Cover | None
) -> Iterable[Histogram | None]:
    yield histogram(
        samples, f"Gap, {hr} minus {lr}", "days", lambda m: m.gap_s / DAY_S,
        says=f"Days from the {lr} to the {hr} scene, negative where {hr} comes first",
    )  # fmt: skip
    yield months(
        samples, f"Month of {hr}", lambda m: m.hr.t_start if m.hr else None,
        says=f"Month in which the {hr} scene was taken, any year",
    )  # fmt: skip
    for name, cloud in ((lr, _lr_cloud), (hr, _hr_cloud)):
        yield histogram(
            samples, f"Cloud of the {name} scene", "%", cloud, span=(0.0, 10.0),
            says=f"Cloud in the whole {name} scene, as its archive states it",
        )  # fmt: skip
    yield histogram(
        samples, "Latitude", "\u00b0", lambda m: m.lat,
        says="Latitude of the sites, negative in the south",
    )  # fmt: skip
    if cover is not None and cover.least is not None:
        least, urban = 100 * cover.least, cover.urban
        yield histogram(
            samples, "Urban share", "%", lambda m: _percent(urban.get(m.site_id)),
            span=(0.0, 100.0), limit=(least, f"urban from {least:g}"), classes=20,
            says=f"Urban share of the sites by the layer {cover.layer}, urban from {least:g} % on",
        )  # fmt: skip


def _measured(made: Sequence[Member], lr: str, hr: str) -> Iterable[Histogram | None]:
    noun = "samples and reserves in cubes"
    clear: tuple[tuple[str, Callable[[Member], float | None]], ...] = (
        (lr, lambda m: 100 * m.measured.lr_clear_frac if m.measured else None),
        (hr, lambda m: 100 * m.measured.hr_clear_frac if m.measured else None),
    )
    for name, share in clear:
        yield histogram(
            made, f"Clear pixels of {name}", "%", share, span=(99.0, 100.0), noun=noun,
            says=f"Share of the {name} pixels that carry no flag",
        )  # fmt: skip
    yield histogram(
        made, "Correlation at the pixels", "",
        lambda m: m.measured.correlation if m.measured else None, span=(0.9, 1.0), noun=noun,
        says=f"Correlation of {lr} with {hr} averaged to its pixels",
    )  # fmt: skip


def _percent(frac: float | None) -> float | None:
    return None if frac is None else 100 * frac


def _lr_cloud(m: Member) -> float | None:
    return _percent(m.lr_cloud_frac)


def _hr_cloud(m: Member) -> float | None:
    return _percent(m.hr_cloud_frac)


@dataclass(frozen=True)
class Cell:
    """A row of the table of strata: samples by split, in the order of `SPLITS`."""

    stratum: str
    by_split: tuple[int, ...]
    total: int
    materialized: int
    reserves: int
    subset: str = ""


def strata(members: Sequence[Member]) -> tuple[Cell, ...]:
    """Count samples by subset, stratum and split; the last row is their sum."""
    groups: dict[tuple[str, str], list[Member]] = {}
    for m in members:
        groups.setdefault((m.subset, m.stratum), []).append(m)
    named = [(subset, stratum, groups[subset, stratum]) for subset, stratum in sorted(groups)]
    rows = []
    for subset, stratum, group in [*named, ("", "all", list(members))]:
        samples = [m for m in group if m.role == "sample"]
        rows.append(
            Cell(
                stratum=stratum,
                by_split=tuple(sum(m.split == split for m in samples) for split in SPLITS),
                total=len(samples),
                materialized=sum(m.measured is not None for m in group),
                reserves=len(group) - len(samples),
                subset=subset,
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class Medians:
    """A row of the table of subsets; None where no sample has a value.

    Attributes:
        n: Its samples.
        gap_days: Median length of the gap, whichever scene comes first.
        lr_cloud: Median cloud share of the LR scenes that state one.
        hr_cloud: As `lr_cloud`, of the HR scenes.
        urban: Median urban share of the sites that the layer tells anything of.
    """

    subset: str
    n: int
    gap_days: float | None
    lr_cloud: float | None
    hr_cloud: float | None
    urban: float | None


def subsets(members: Sequence[Member], cover: Cover | None = None) -> tuple[Medians, ...]:
    """Return a row for every subset of a manifest."""
    urban = cover.urban if cover is not None else {}
    out = []
    for name in sorted({m.subset for m in members}):
        mine = [m for m in members if m.subset == name and m.role == "sample"]
        out.append(
            Medians(
                subset=name,
                n=len(mine),
                gap_days=_median(abs(m.gap_s) / DAY_S for m in mine),
                lr_cloud=_median(m.lr_cloud_frac for m in mine),
                hr_cloud=_median(m.hr_cloud_frac for m in mine),
                urban=_median(urban.get(m.site_id) for m in mine),
            )
        )
    return tuple(out)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
