"""Weights: a round trip, and files that must not be trusted."""

import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from geosr_lake.errors import CorruptDataError  # noqa: E402
from geosr_lake.train.network import X16Network  # noqa: E402
from geosr_lake.train.weights import load_network, save_network  # noqa: E402

pytestmark = pytest.mark.train


def network() -> X16Network:
    torch.manual_seed(0)
    return X16Network(7, [2, 0], features=8, blocks=1)


def test_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "weights.safetensors"
    trained = network()
    save_network(trained, path, {"task": "s2_naip", "seed": "0"})
    loaded, about = load_network(path)
    assert about == {"task": "s2_naip", "seed": "0"}
    image = torch.rand(1, 7, 16, 16)
    assert torch.equal(loaded(image), trained(image))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_network(network(), tmp_path / name, {"task": "s2_naip"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class _Bomb:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("exploded"),)


def test_a_pickle_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bomb").write_bytes(pickle.dumps(_Bomb()))
    torch.save({"weights": _Bomb()}, "torch_bomb")
    for name in ("bomb", "torch_bomb"):
        with pytest.raises(CorruptDataError):
            load_network(Path(name))
    assert not Path("exploded").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights"
    with pytest.raises(CorruptDataError):
        load_network(path)
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(CorruptDataError, match="no weights of this network"):
        load_network(path)
    save_network(network(), path, {})
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CorruptDataError):
        load_network(path)
