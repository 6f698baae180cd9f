"""A generated archive that shows and tests the whole path without any download."""
