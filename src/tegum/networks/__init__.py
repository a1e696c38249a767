"""Small transformers, trained with and without dropout at every site."""
