"""Weights as safetensors: numbers and text, nothing that runs when it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from geosr_lake.errors import CorruptDataError
from geosr_lake.train.network import X16Network

KIND = "geosr_lake.train X16Network 1"
_KEY = "geosr"
"""The one entry of the file's metadata, JSON: safetensors writes several in no fixed order."""


def save_network(network: X16Network, path: Path, about: Mapping[str, str]) -> None:
    """Write the network to `path`, whole or not at all, with what it was trained on.

    Args:
        network: On any device.
        path: The file; its folder is made.
        about: Names and values that `load_network` gives back.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    header = {"kind": KIND, "config": network.config, "about": dict(about)}
    content = save(tensors, metadata={_KEY: json.dumps(header, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def load_network(path: Path) -> tuple[X16Network, dict[str, str]]:
    """Return the network in `path` and what was written about it.

    Raises:
        CorruptDataError: If the file is not one that `save_network` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.get("kind") != KIND:
            raise CorruptDataError("These are no weights of this network", where=str(path))
        network = X16Network(**header["config"])
        network.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptDataError("The weights cannot be read", where=str(path)) from error
    return network, dict(header["about"])
