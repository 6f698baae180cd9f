"""What every section of a recipe is: frozen, without unknown keys, with an id of what it means."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from geosr_lake.ids import ID_DIGITS
from geosr_lake.recipe.values import AS_WRITTEN


def as_text(meaning: Any) -> str:
    """Return values as JSON with sorted keys."""
    return json.dumps(meaning, sort_keys=True, separators=(",", ":"))


class Section(BaseModel):
    """A section of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    def canonical(self) -> str:
        """Return the section as JSON with sorted keys and every default that has an effect."""
        return as_text(self.model_dump(mode="json"))

    def written(self) -> dict[str, Any]:
        """Return the same values for people: durations with a unit, as a recipe writes them."""
        return self.model_dump(mode="json", context=AS_WRITTEN)

    def meaning(self) -> Any:
        """Return what the id depends on: the values, less what the stage does not read."""
        return self.model_dump(mode="json")

    @property
    def rule_id(self) -> str:
        """The id of the rule: a hash of what the section means."""
        return "rul-" + hashlib.sha256(as_text(self.meaning()).encode()).hexdigest()[:ID_DIGITS]
