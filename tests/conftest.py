"""Shapes are enforced while tests run."""

from jaxtyping import install_import_hook

# Every annotated shape in tegum is checked at run time, in tests only.
install_import_hook("tegum", "shapes.check")
