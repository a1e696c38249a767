"""Keys: what makes two models the same one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegum.design import Factor
from tegum.store import canonical_json, measure_key, model_key
from tiny import FACTORS, SIZE, Tiny

ROW = {"rate": 0.5, "profile": 1.0, "label": "plain", "extra": None, "seed": 3}


def key(subject=None, **changes):
    return model_key(subject or Tiny(), ROW | changes)


def test_the_key_is_the_digest_of_a_text_anyone_can_write():
    import hashlib

    text = '{"factors":{"rate":0.5,"seed":3},"law":1,"subject":"tiny"}'
    assert key() == hashlib.sha256(text.encode()).hexdigest()


def test_floats_count_to_twelve_digits():
    assert key(rate=0.1 + 0.2) == key(rate=0.3)
    assert key(rate=0.3 + 1e-11) != key(rate=0.3)


def test_a_whole_float_and_an_integer_are_one_value():
    assert key(rate=1) == key(rate=1.0)
    assert key(rate=-0.0) == key(rate=0.0)
    assert key(rate=True) != key(rate=1)


def test_large_seeds_are_told_apart():
    assert key(seed=2**53) != key(seed=2**53 + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 0.6},
        {"seed": 4},
        {"profile": (1.0, 2.0, 3.0)},
        {"label": "other"},
        {"extra": 0},
    ],
)
def test_every_factor_counts(changes):
    assert key(**changes) != key()


def test_name_law_and_external_inputs_count():
    class WithInputs(Tiny):
        input_digests = {"corpus": "ab12"}  # noqa: RUF012

    keys = {key(), key(Tiny(name="other")), key(Tiny(law=2)), key(WithInputs())}
    assert len(keys) == 4


def test_the_machine_does_not_count():
    assert key(Tiny(instruction_set="another")) == key()


def test_a_factor_added_later_voids_no_old_row():
    grown = Tiny(factors=(*FACTORS, Factor("noise", "new", float, 0.0)))
    assert model_key(grown, ROW | {"noise": 0.0}) == key()
    assert model_key(grown, ROW | {"noise": 0.1}) != key()


def test_a_seed_at_its_default_is_still_in_the_key():
    factors = (*FACTORS[:-1], Factor("seed", "the unit", int, 0))
    assert model_key(Tiny(factors=factors), ROW | {"seed": 3}) == key()
    renamed = Tiny(factors=tuple(f for f in FACTORS if f.name != "seed"))
    without = {name: value for name, value in ROW.items() if name != "seed"}
    assert model_key(Tiny(factors=factors), ROW | {"seed": 0}) != model_key(
        renamed, without
    )


def test_an_incomplete_row_is_refused():
    with pytest.raises(ValueError, match="lacks seed"):
        model_key(Tiny(), {name: v for name, v in ROW.items() if name != "seed"})


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}])
def test_what_has_no_text_is_refused(value):
    with pytest.raises(ValueError, match="can not be part of a key"):
        key(extra=value)


def test_version_and_parameters_of_a_measure_count():
    keys = {
        measure_key(key(), SIZE),
        measure_key(key(seed=4), SIZE),
        measure_key(key(), replace(SIZE, version=2)),
        measure_key(key(), replace(SIZE, name="other")),
        measure_key(key(), replace(SIZE, parameters={"offset": 1.0})),
        measure_key(key(), replace(SIZE, parameters={"offset": 2.0})),
    }
    assert len(keys) == 6
    whole = replace(SIZE, parameters={"offset": 1})
    assert measure_key(key(), whole) in keys


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain_values)
def test_the_text_of_a_value_does_not_depend_on_how_it_was_held(value):
    import json

    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text
    if isinstance(value, list) and value and all(type(v) is float for v in value):
        assert canonical_json(np.array(value)) == text
        assert canonical_json(tuple(value)) == text
