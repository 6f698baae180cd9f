"""The subsets of a manifest: how many samples of what, where they may lie, what they are for."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from geosr_lake.recipe.section import Section
from geosr_lake.recipe.values import MonthSet, NameSet, Number

SR = "sr"
"""The subset of the super-resolution pairs; subsets with labels have names of their own."""


def _is_box(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    west, south, east, north = bounds
    inside = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90
    if not inside or west == east or (west, east) == (180, -180):
        raise ValueError(
            "bounds are [west, south, east, north] in degrees; west is greater than east only "
            "over 180 degrees"
        )
    # The meridian has two names: a box begins at -180 and ends at 180.
    return (-west if west == 180 else west, south, -east if east == -180 else east, north)


Outline = Literal["conus", "vermont"]
"""The conterminous United States, the state of Vermont."""

Bounds = Annotated[tuple[Number, Number, Number, Number], AfterValidator(_is_box)]


class Quotas(Section):
    """How many samples a subset holds at most, by stratum."""

    urban: int = Field(default=0, ge=0, description="Samples at sites that count as urban")
    non_urban: int = Field(default=0, ge=0, description="Samples at all other sites")
    natural: int = Field(
        default=0, ge=0, description="Samples at sites of either stratum, as they come"
    )


def month_name(month: int) -> str:
    """Return what the part of a spread is called that holds a month, 1 to 12."""
    return f"month {month}"


class Spread(Section):
    """Parts that share each quota evenly: what one lacks is not made up by another."""

    months: MonthSet = Field(
        default=(), description="Months (1 to 12) in which the HR scene starts, UTC"
    )
    latitudes: tuple[Number, ...] = Field(
        default=(), description="Edges of bands of latitude, rising, degrees; south edge inclusive"
    )
    ecoregions: NameSet = Field(
        default=(), description="Names of regions, as the file of --ecoregions has them"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(map(bool, (self.months, self.latitudes, self.ecoregions))) != 1:
            raise ValueError("a spread is over one of months, latitudes, ecoregions")
        edges = self.latitudes
        if edges and (len(edges) < 2 or any(a >= b for a, b in pairwise(edges))):
            raise ValueError("latitudes are two edges of bands or more, rising")
        return self

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the parts."""
        if self.months:
            return tuple(map(month_name, self.months))
        if self.latitudes:
            return tuple(f"{low:.15g} to {high:.15g}" for low, high in pairwise(self.latitudes))
        return self.ecoregions


class Crop(Section):
    """The middle of a sample's frame that its label shows: who loads both is to cut it.

    Where an odd number of pixels is left over, the odd one stays on the right and below. A chip's
    frame is snapped to the site grid, so that its middle lies up to half a step of it off the
    chip's.
    """

    lr_px: int = Field(ge=1, description="LR pixels along an edge")
    hr_px: int = Field(ge=1, description="HR pixels along an edge")


class LabelRule(Section):
    """What a subset is labelled with. For who loads it: the choice of samples does not read it."""

    product: str = Field(description="The label's product")
    px: int = Field(ge=1, description="Label pixels along an edge")
    crop: Crop | None = Field(default=None, description="null: the whole frame")


class Subset(Section):
    """One subset of a manifest. Of two that want the same site the one listed first gets it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$", description="Name of the subset")
    sites: Literal["grid", "chips"] = Field(
        default="grid",
        description="grid: cells of the task's grid; chips: frames centred on the chips of a label "
        "product, from the file of --chips, chosen before the others",
    )
    bounds: Bounds | None = Field(
        default=None,
        description="[west, south, east, north], degrees: sites lie inside; null: anywhere",
    )
    extent: Outline | None = Field(
        default=None,
        description="An outline that ships with the project (catalog/outlines), inside which sites "
        "lie; --extent names another one instead; null: none",
    )
    quotas: Quotas
    spread: Spread | None = Field(default=None, description="null: quotas are not divided")
    label: LabelRule | None = Field(default=None, description="null: no label")

    def meaning(self, scale: float = 1.0) -> dict[str, Any]:
        """Return what the choice of samples depends on, with scaled quotas."""
        told = self.model_dump(mode="json", exclude={"label"})
        if self.extent is None:  # as before there were any
            del told["extent"]
        told["quotas"] = {name: scaled(n, scale) for name, n in told["quotas"].items()}
        return told


def scaled(n: int, scale: float) -> int:
    """Return a quota times a factor, rounded up."""
    # 10 times 0.1 is a little more than one in binary: no sample for a rounding.
    product = n * scale
    return max(int(product) + (product - int(product) > 1e-9), int(product > 0))
