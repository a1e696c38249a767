"""Shapes are enforced while tests run; properties are not timed on a busy machine."""

from hypothesis import settings
from jaxtyping import install_import_hook

# Every annotated shape in tegum is checked at run time, in tests only.
install_import_hook("tegum", "shapes.check")

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
