"""What the class numbers of well-known land-cover layers mean."""

_IGBP = {
    0: "water", 1: "evergreen needleleaf forest", 2: "evergreen broadleaf forest",
    3: "deciduous needleleaf forest", 4: "deciduous broadleaf forest", 5: "mixed forest",
    6: "closed shrubland", 7: "open shrubland", 8: "woody savanna", 9: "savanna", 10: "grassland",
    11: "permanent wetland", 12: "cropland", 13: "urban and built-up",
    14: "cropland and natural mosaic", 15: "snow and ice", 16: "barren", 17: "water",
}  # fmt: skip
_WORLDCOVER = {
    10: "tree cover", 20: "shrubland", 30: "grassland", 40: "cropland", 50: "built-up",
    60: "bare or sparse vegetation", 70: "snow and ice", 80: "permanent water",
    90: "herbaceous wetland", 95: "mangroves", 100: "moss and lichen",
}  # fmt: skip
_NLCD = {
    11: "open water", 12: "perennial ice and snow", 21: "developed, open space",
    22: "developed, low intensity", 23: "developed, medium intensity",
    24: "developed, high intensity", 31: "barren", 41: "deciduous forest", 42: "evergreen forest",
    43: "mixed forest", 52: "shrub and scrub", 71: "grassland and herbs", 81: "pasture and hay",
    82: "cultivated crops", 90: "woody wetland", 95: "herbaceous wetland",
}  # fmt: skip
_BY_NAME = {"igbp": _IGBP, "mcd12": _IGBP, "worldcover": _WORLDCOVER, "nlcd": _NLCD}
"""A legend belongs to the layers whose name holds one of these: recipes name layers as they like.
"""


def class_name(layer: str, number: int) -> str:
    """Return what a class of a layer is called; its number where that is not known."""
    legend = next((found for part, found in _BY_NAME.items() if part in layer.lower()), {})
    name = legend.get(number)
    return f"class {number}" if name is None else f"{name} ({number})"
