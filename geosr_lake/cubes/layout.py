"""The layout of a store: `schemas/zarr_cube.json` worked out for one task and split."""

import json
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from geosr_lake.errors import ContractError
from geosr_lake.resources import resource_dir
from geosr_lake.sensors.model import Band
from geosr_lake.sensors.quality import MASK_MEANINGS
from geosr_lake.sensors.tasks import Task


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Codec(_Frozen):
    """One step of an array's encoding, as Zarr names it."""

    name: str
    configuration: dict[str, Any]


class _ArrayTerms(_Frozen):
    name: str
    dimensions: tuple[str, ...]
    dtype: str
    fill: int | str | bool
    description: str
    unit: str | None = None


class PixelTerms(_ArrayTerms):
    """An array of pixels: one shard file a shard group."""

    codecs: Literal["recipe", "plain"]
    flags: bool = False
    sensors: tuple[str, ...] = Field(default=(), description="Only for these; empty: for all")

    @property
    def side(self) -> str:
        """The side, `lr` or `hr`, whose pixels it holds or describes."""
        return self.name.split("_", 1)[0]


class CoordinateTerms(_ArrayTerms):
    """An array of one value or a few a sample, written when the store is complete."""


class CubeContract(_Frozen):
    """What `schemas/zarr_cube.json` says."""

    layout: str
    version: int
    description: str
    path: str
    dimensions: dict[str, str]
    hr_chunk_px: int
    coordinate_chunk: int
    codecs: dict[str, tuple[Codec, ...]]
    pixels: tuple[PixelTerms, ...]
    coordinates: tuple[CoordinateTerms, ...]
    attributes: dict[str, str]


class ArraySpec(_Frozen):
    """One array, worked out.

    Attributes:
        name: Its name in the group.
        dimensions: Names of its dimensions.
        shape: Its shape.
        chunk: What is compressed as one piece.
        shard: What one file holds; None for an array whose chunks are files.
        dtype: NumPy name, or ``string``.
        fill: What an unwritten pixel reads as.
        codecs: After the bytes.
        attributes: CF attributes and others.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...] | None
    dtype: str
    fill: int | float | str | bool
    codecs: tuple[Codec, ...]
    attributes: dict[str, Any]


@cache
def cube_contract() -> CubeContract:
    """Return the contract of the stores."""
    text = (resource_dir("schemas") / "zarr_cube.json").read_text(encoding="utf-8")
    return CubeContract.model_validate(json.loads(text))


def bands_of(task: Task, side: str) -> tuple[Band, ...]:
    """Return the bands of a side, in the order of the cube."""
    sensor, roles = (task.lr, task.lr_bands) if side == "lr" else (task.hr, task.hr_bands)
    return tuple(sensor.band(role) for role in roles)


def pixel_dtype(task: Task, side: str) -> str:
    """Return the type in which the numbers of a side lie on disk."""
    return str(_shared(task, side, "dtype", [band.dtype for band in bands_of(task, side)]))


def nodata_dn(task: Task, side: str) -> int:
    """Return the number written where a side has no data: the sensor's, or 0 if it has none."""
    nodata = _shared(task, side, "nodata", [band.nodata for band in bands_of(task, side)])
    return 0 if nodata is None else nodata


def pixel_arrays(
    task: Task, n_slots: int, shard_samples: int, codec: Literal["train", "archive"]
) -> tuple[ArraySpec, ...]:
    """Return the arrays of pixels of one split of `task`.

    Args:
        task: The SR task.
        n_slots: Length of the first dimension.
        shard_samples: Samples a shard group; a shard file holds as many, whole.
        codec: The recipe's choice for the images; masks have their own.
    """
    contract = cube_contract()
    sizes = _sizes(task, n_slots)
    specs = []
    for terms in contract.pixels:
        sensor = task.lr_sensor if terms.side == "lr" else task.hr_sensor
        if terms.sensors and sensor not in terms.sensors:
            continue
        shape = tuple(sizes[name] for name in terms.dimensions)
        chunk = tuple(
            1
            if name == "sample"
            else min(contract.hr_chunk_px, sizes[name])
            if name in ("hr_y", "hr_x")
            else sizes[name]
            for name in terms.dimensions
        )
        image = terms.dtype == "bands"
        specs.append(
            ArraySpec(
                name=terms.name,
                dimensions=terms.dimensions,
                shape=shape,
                chunk=chunk,
                shard=(shard_samples, *shape[1:]),
                dtype=pixel_dtype(task, terms.side) if image else terms.dtype,
                fill=nodata_dn(task, terms.side) if terms.fill == "nodata" else terms.fill,
                codecs=contract.codecs[codec if terms.codecs == "recipe" else terms.codecs],
                attributes=_image_attributes(task, terms) if image else _flag_attributes(terms),
            )
        )
    return tuple(specs)


def coordinate_arrays(task: Task, n_slots: int) -> tuple[ArraySpec, ...]:
    """Return the arrays of one value or a few a sample, and the names of the bands."""
    contract = cube_contract()
    sizes = _sizes(task, n_slots)
    specs = []
    for terms in contract.coordinates:
        shape = tuple(sizes[name] for name in terms.dimensions)
        specs.append(
            ArraySpec(
                name=terms.name,
                dimensions=terms.dimensions,
                shape=shape,
                chunk=(max(1, min(contract.coordinate_chunk, n_slots)), *shape[1:]),
                shard=None,
                dtype=terms.dtype,
                fill=float("nan") if terms.fill == "NaN" else terms.fill,
                codecs=contract.codecs["plain"],
                attributes=_described(terms),
            )
        )
    return (*specs, *(_band_names(task, side) for side in ("lr", "hr")))


def store_attributes(
    task: Task, manifest_id: str, split: str, shard_samples: int, codec: str
) -> dict[str, Any]:
    """Return the attributes of a store, without its state."""
    return {
        "Conventions": "CF-1.11",
        # Tells xarray which variables describe the samples.
        "coordinates": " ".join(terms.name for terms in cube_contract().coordinates),
        "geosr:layout": cube_contract().version,
        "geosr:task": task.name,
        "geosr:split": split,
        "geosr:manifest_id": manifest_id,
        "geosr:shard_samples": shard_samples,
        "geosr:codec": codec,
    }


def _band_names(task: Task, side: str) -> ArraySpec:
    n = len(bands_of(task, side))
    return ArraySpec(
        name=f"{side}_band",
        dimensions=(f"{side}_band",),
        shape=(n,),
        chunk=(n,),
        shard=None,
        dtype="string",
        fill="",
        codecs=cube_contract().codecs["plain"],
        attributes={"long_name": f"Bands of {side}"},
    )


def _sizes(task: Task, n_slots: int) -> dict[str, int]:
    return {
        "sample": n_slots,
        "lr_band": len(task.lr_bands),
        "lr_y": task.lr_px,
        "lr_x": task.lr_px,
        "hr_band": len(task.hr_bands),
        "hr_y": task.hr_px,
        "hr_x": task.hr_px,
        "edge": 4,
        "affine": 6,
        "bound": 2,
    }


def _shared(task: Task, side: str, what: str, values: list[Any]) -> Any:
    """Return the one value that all bands share: one array can hold no two."""
    if len(set(values)) != 1:
        raise ContractError(f"The {side} bands of {task.name} do not share one {what}: {values}")
    return values[0]


def _described(terms: _ArrayTerms) -> dict[str, Any]:
    attributes: dict[str, Any] = {"long_name": terms.description}
    if terms.unit is not None:
        attributes["units"] = terms.unit
    if terms.dtype.startswith("int") and terms.name != "epsg":
        attributes["_FillValue"] = terms.fill
    return attributes


def _image_attributes(task: Task, terms: PixelTerms) -> dict[str, Any]:
    bands = bands_of(task, terms.side)
    attributes: dict[str, Any] = {
        "long_name": terms.description,
        "bands": [
            {"name": b.role, "description": b.name, "center_wavelength_um": b.wavelength_um}
            for b in bands
        ],
    }
    scale = _shared(task, terms.side, "scale", [band.scale for band in bands])
    offset = _shared(task, terms.side, "offset", [band.offset for band in bands])
    if bands[0].nodata is not None:
        attributes["_FillValue"] = bands[0].nodata
    if (scale, offset) == (1.0, 0.0):
        attributes["units"] = "digital number"
    else:
        attributes |= {
            "standard_name": "surface_bidirectional_reflectance",
            "units": "1",
            "scale_factor": scale,
            "add_offset": offset,
        }
    return attributes


def _flag_attributes(terms: PixelTerms) -> dict[str, Any]:
    attributes = _described(terms)
    if terms.flags:
        attributes |= {
            "flag_masks": [int(bit) for bit in MASK_MEANINGS],
            "flag_meanings": " ".join(
                words.replace(",", "").replace(" ", "_") for words in MASK_MEANINGS.values()
            ),
        }
    return attributes
