"""tegum: a laboratory for how neural networks represent and choose."""
