"""What stands for files, and for several of anything."""

from hashlib import sha256
from pathlib import Path

from geosr_lake.ids import files_version, version_of


def test_of_one_file_it_is_the_sum_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"pixels" * 1_000)
    assert files_version([path]) == sha256(path.read_bytes()).hexdigest()


def test_of_several_files_each_counts_wherever_it_lies(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.img", "a.ige")]
    for path in paths:
        path.write_text(path.suffix)
    before = files_version(paths)
    assert before == files_version(reversed(paths))
    assert before not in {files_version([path]) for path in paths}
    moved = [path.rename(tmp_path / f"b{path.suffix}") for path in paths]
    assert files_version(moved) == before
    for path in moved:
        kept = path.read_text()
        path.write_text("other")
        assert files_version(moved) != before
        path.write_text(kept)


def test_versions_count_in_any_order() -> None:
    assert version_of(["b", "a"]) == version_of(iter(["a", "b"])) == sha256(b"a|b").hexdigest()
    assert version_of(["a"]) == "a"
