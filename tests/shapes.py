"""The type checker that holds every annotated shape of tegum while tests run."""

from beartype import BeartypeConf, beartype

# A whole number is welcome where a float is annotated, as Python's typing has it.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
