"""The sections of a recipe, validated; a section's `rule_id` is a hash of what it means."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from geosr_lake.errors import RecipeError
from geosr_lake.recipe.rules import Rule, Side, each_once
from geosr_lake.recipe.section import Section
from geosr_lake.recipe.subsets import SR, Quotas, Subset
from geosr_lake.recipe.values import ClassSet, Duration, Fraction, Instant, NameSet, NotNegative

Sensor = Literal["modis", "landsat", "sentinel2", "naip"]
COARSE_TO_FINE: tuple[Sensor, ...] = get_args(Sensor)
"""By the size of their finest pixels."""
TaskName = Literal["modis_landsat8", "s2_naip"]
Split = Literal["train", "val", "test"]

MAX_WINDOW_DAYS = 3660


class SceneFilter(Section):
    """Which scenes of one sensor can be in a pair."""

    sensor: Sensor = Field(description="modis, landsat, sentinel2 or naip")
    products: NameSet = Field(
        default=(), description="Products as scenes.product has them; empty: all"
    )
    platforms: NameSet = Field(
        default=(), description="Platforms as scenes.platform has them; empty: all"
    )


class PairRule(Section):
    """What makes two scenes a pair: sensors, window, overlap."""

    lr: SceneFilter = Field(description="Scenes of low resolution")
    hr: SceneFilter = Field(description="Scenes of high resolution")
    window: Duration = Field(description="|gap| <= window, with a unit: 10 d, 12 h")
    start: Instant | None = Field(
        default=None, description="Scenes that end before are left out; null: no bound"
    )
    end: Instant | None = Field(
        default=None, description="Scenes that start at or after are left out; null: no bound"
    )
    min_overlap_frac: Fraction = Field(
        default=0.0, description="Least share of the HR footprint that the LR footprint covers"
    )

    def of(self, side: Side) -> SceneFilter:
        """Return the filter of one side."""
        return self.lr if side == "lr" else self.hr

    @property
    def window_us(self) -> int:
        """The window in microseconds."""
        return self.window // timedelta(microseconds=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.lr.sensor == self.hr.sensor:
            raise ValueError("lr and hr must be two sensors")
        if COARSE_TO_FINE.index(self.lr.sensor) > COARSE_TO_FINE.index(self.hr.sensor):
            raise ValueError(f"lr must be the coarser one of {' > '.join(COARSE_TO_FINE)}")
        if not timedelta(0) <= self.window <= timedelta(days=MAX_WINDOW_DAYS):
            raise ValueError(f"the window must lie between 0 and {MAX_WINDOW_DAYS} days")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("start must lie before end")
        return self


class UrbanRule(Section):
    """Which sites count as urban, by the share of some classes of a land-cover layer."""

    layer: str = Field(description="Name of the layer, as site_cover.layer has it")
    classes: ClassSet = Field(min_length=1, description="Classes that count as urban")
    min_frac: Fraction = Field(description="A site is urban at this share or more")


class SplitRule(Section):
    """How samples are split; the shares must add up to 1."""

    mode: Literal["blocks", "paper"] = Field(
        default="blocks",
        description="blocks: whole spatial blocks go to a split; paper: single samples, by order, "
        "as in the official release, so that neighbours can be in two splits",
    )

    train: Fraction = Field(default=0.72, description="Share to learn from")
    val: Fraction = Field(default=0.08, description="Share to choose by")
    test: Fraction = Field(default=0.20, description="Share to report on")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError("train, val and test must add up to 1")
        return self


class SelectRule(Section):
    """How samples are chosen among the sites that pairs show whole."""

    seed: int = Field(default=0, description="Changes which sites are drawn and kept")
    sites_per_tile_pair: int = Field(
        ge=1, description="Sites that each tile pair may draw; more where quotas are not met"
    )
    margin_m: NotNegative = Field(
        default=0.0, description="Metres by which a site must lie inside both footprints"
    )
    rules: Annotated[tuple[Rule, ...], AfterValidator(each_once)] = Field(
        default=(),
        description="What a candidate must pass, asked in this order; each once, or once a side",
    )
    urban: UrbanRule
    scale: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Factor on every quota; what it gives is rounded up",
    )
    quotas: Quotas | None = Field(
        default=None, description="Short for a single subset, sr, with these quotas"
    )
    subsets: tuple[Subset, ...] = Field(
        default=(), description="What the manifest holds; the first listed chooses first"
    )
    pairs_per_site: int = Field(
        default=1, ge=1, description="Samples of one site at most, each of another pair"
    )
    shared_ground: Literal["drop", "keep"] = Field(
        default="drop", description="What to do with a site whose frame overlaps a chosen one"
    )
    reserve_frac: Fraction = Field(
        default=0.1, description="Reserves for each sample that is asked for"
    )
    block_deg: float = Field(gt=0, le=30, description="Edge of a spatial block in degrees")
    buffer_m: NotNegative | None = Field(
        default=None,
        description="Least distance between sites of two splits, metres; with blocks only; null: "
        "they may touch, and frames of chips may share ground if shared_ground is keep",
    )
    split: SplitRule = SplitRule()

    @model_validator(mode="after")
    def _subsets_are_told_once(self) -> Self:
        if (self.quotas is None) == (not self.subsets):
            raise ValueError("either quotas or subsets must be given")
        names = [subset.name for subset in self.subsets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two subsets are called {twice[0]}")
        if self.pairs_per_site > 1 and any(s.spread and s.spread.months for s in self.subsets):
            raise ValueError("a spread over months takes one pair of a site: pairs_per_site is 1")
        return self

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What its rules can say of a candidate, in the order in which they are asked."""
        return tuple(name for rule in self.rules for name in rule.verdicts)

    @property
    def parts(self) -> tuple[Subset, ...]:
        """The subsets, in their order."""
        return self.subsets or (Subset(name=SR, quotas=self.quotas or Quotas()),)

    @property
    def apart(self) -> str:
        """How far samples of two splits are apart at least, in a sentence for who uses them."""
        if self.split.mode == "paper":
            return (
                "Splits are cut sample by sample, as in the official release, so that neighbours "
                "can be in two of them."
            )
        whole = "Splits are whole blocks of ground"
        if self.buffer_m:
            return f"{whole}; samples of two splits are at least {self.buffer_m:,g} m apart."
        chips = any(subset.sites == "chips" for subset in self.parts)
        if self.buffer_m is None and chips and self.shared_ground == "keep":
            return f"{whole}, but at their edges samples of two splits can share ground."
        return f"{whole}; samples of two splits share none, but they can lie side by side."

    def meaning(self) -> dict[str, Any]:
        """Return what the choice depends on: quotas and scale are the subsets' scaled quotas.

        What has no effect is left out: a buffer where splits are not by blocks, subsets that ask
        for nothing, what becomes of shared ground where no chips are. Subsets of chips stand
        first, since they choose first wherever they are listed. The task and the pairs stand in
        other ids: those of a manifest and of its rows.
        """
        asking = [subset for subset in self.parts if any(subset.quotas.model_dump().values())]
        asking.sort(key=lambda subset: subset.sites != "chips")
        idle = {"quotas", "scale", "subsets"}
        idle |= {"buffer_m"} if self.split.mode == "paper" else set()
        idle |= set() if any(s.sites == "chips" for s in asking) else {"shared_ground"}
        told: dict[str, Any] = self.model_dump(mode="json", exclude=idle)
        return told | {"subsets": [subset.meaning(self.scale) for subset in asking]}


class CubeRule(Section):
    """How the pixels of a manifest are written."""

    shard_samples: int = Field(default=16, ge=1, le=256, description="Samples a shard group")
    codec: Literal["train", "archive"] = Field(
        default="train", description="train: lz4 and bitshuffle; archive: zstd and shuffle"
    )
    min_lr_valid_frac: Fraction = Field(
        default=0.99, description="Least share of LR pixels that are not nodata"
    )
    min_hr_valid_frac: Fraction = Field(
        default=0.99, description="Least share of HR pixels that are not nodata"
    )
    min_lr_clear_frac: Fraction = Field(
        default=0.99, description="Least share of LR pixels without any flag"
    )
    min_hr_clear_frac: Fraction = Field(
        default=0.99, description="Least share of HR pixels without any flag"
    )


class Recipe(Section):
    """The whole rule of a benchmark, or of one variant of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$", description="Name of the recipe")
    task: TaskName | None = Field(
        default=None, description="The SR task: site size, grids and bands follow from it"
    )
    pairs: PairRule
    select: SelectRule | None = Field(
        default=None, description="How samples are chosen; null: the recipe ends at pairs"
    )
    cubes: CubeRule = CubeRule()

    @model_validator(mode="after")
    def _sensors_fit_the_task(self) -> Self:
        wanted = {"modis_landsat8": ("modis", "landsat"), "s2_naip": ("sentinel2", "naip")}
        found = (self.pairs.lr.sensor, self.pairs.hr.sensor)
        if self.task is not None and found != wanted[self.task]:
            raise ValueError(f"the task {self.task} pairs {' with '.join(wanted[self.task])}")
        if self.select is not None and self.task is None:
            raise ValueError("a recipe with select must name its task")
        return self

    @property
    def selection(self) -> tuple[TaskName, SelectRule]:
        """Task and selection.

        Raises:
            RecipeError: If the recipe ends at pairs.
        """
        if self.task is None or self.select is None:
            raise RecipeError(
                f"The recipe {self.name} has no task and select: it ends at pairs",
                next_step="Add both sections to build a manifest.",
            )
        return self.task, self.select
