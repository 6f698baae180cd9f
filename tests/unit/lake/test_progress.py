"""Who listens is told what a part of the work says, under the part's name."""

from geosr_lake.lake.progress import Within


class Heard:
    def __init__(self) -> None:
        self.said: list[object] = []

    def start(self, label: str, total: int | None = None) -> None:
        self.said.append((label, total))

    def advance(self, amount: int = 1) -> None:
        self.said.append(amount)

    def note(self, text: str) -> None:
        self.said.append(text)


def test_the_part_stands_before_its_steps() -> None:
    part = Within(heard := Heard(), "s2_naip")
    part.start("Tiles that meet", 3)
    part.advance(2)
    part.note("two of three")
    assert heard.said == [("s2_naip: tiles that meet", 3), 2, "two of three"]
