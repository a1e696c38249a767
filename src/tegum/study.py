"""A study: a question, its designs, its subject, its measures, its claims."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from tegum.arrays import Artifact
from tegum.claims import Claim, Table, check_claim, planned_seeds
from tegum.claims.check import check_facts
from tegum.claims.given import (
    is_number,
    require_name,
    require_once,
    several,
    whole_numbers,
)
from tegum.claims.regions import plain
from tegum.design import Design, Factor, Row, unknown
from tegum.markup import Child, element, joined, lines, notebook_table
from tegum.measures.facts import Measure
from tegum.wording import levels_text


@runtime_checkable
class Subject(Protocol):
    """What turns rows into artifacts, under the row law.

    The bits of an artifact depend on its row alone. Raise `law` when they change. A
    subject may also have `input_digests` (name to digest of every external input, part
    of the keys), `instruction_set` (for the record), `made_elsewhere` (its artifacts
    existed before any registration, so that no verdict on them is confirmatory),
    `unit` (what a seed of it is, for the page: "block of text"), `labels` (what people
    call factors' values that are digests) and `wants_folders`:
    if true, `train` is also given `folders`, one path for each row, in which a row may
    keep checkpoints and what it goes on from after a kill.
    """

    @property
    def name(self) -> str:
        """Part of every key."""
        ...

    @property
    def law(self) -> int:
        """Raised whenever the same row gives other bits than before."""
        ...

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        ...

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked.

        Raises:
            ValueError: a row the subject can not train, with the reason.
        """
        ...

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """An artifact for each completed row; None for rows that `stop` cut short.

        `progress` is told the share of the work done, in [0, 1], from the calling
        thread; `stop` is asked at least once a second.
        """
        ...

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row."""
        ...

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is trained and stored."""
        ...


@dataclass(frozen=True)
class Convergence:
    """The limit that every arm of a claim must pass before it is judged.

    An arm passes when, in the median over its seeds, `number` lies within `limit` of 0
    on either side: a loss that rises has settled no more than one that still falls.

    Raises:
        ValueError: a limit that is no finite number above 0.
    """

    number: str
    limit: float

    def __post_init__(self) -> None:
        """Refuse a limit that nothing or everything would pass."""
        if not is_number(self.limit) or not 0.0 < self.limit < math.inf:
            raise ValueError(
                f"the limit of convergence is {self.limit!r}; it must be a finite "
                "number above 0; 0.01 is usual for loss_fall_last_tenth"
            )


@dataclass(frozen=True)
class Figure:
    """A picture that can be asked for by its name, apart from the headline.

    `draw(results, store)` returns a plotly figure of the rows whose factors equal
    `where`, of which it may read the weights: `store.artifact(key)`. `caption` says in
    a sentence what is drawn and how to read it.

    Raises:
        ValueError: a name that can not name a file.
    """

    name: str
    caption: str
    draw: Callable[[Any, Any], Any]
    where: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a name that a command could not be given."""
        require_name(self.name, of="figure")


@dataclass(frozen=True)
class Study:
    """A question put so that it can be answered, and said before it is.

    `designs` maps `demo`, `default` and `full` (or other names) to designs, each
    holding the one before it. The number of seeds that a design holds is the number
    planned. `alpha` bounds P(any wrong supported or refuted) over the whole study; it
    is shared equally by the designs. `pilot_seeds` were looked at before the claims
    were fixed. `picture(results, verdicts)` draws the headline, `figures` are further
    pictures, each with a name.

    Raises:
        ValueError: a name that can not name a file, no design, no measure, a design
            that drops rows of the one before it, a pilot seed in a design, two claims
            or measures of one name, a claim about a design, factor or number that the
            study lacks, a limit of convergence on such a number, or an argument of
            another kind than it must be.
    """

    name: str
    question: str
    subject: Subject
    designs: Mapping[str, Design]
    measures: Sequence[Measure]
    claims: Sequence[Claim]
    alpha: float
    convergence: Convergence | None = None
    pilot_seeds: Sequence[int] = ()
    background: str = ""
    answer: Callable[..., str] | None = None
    picture: Callable[..., Any] | None = None
    figures: Sequence[Figure] = ()
    _completed: dict[str, Design] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _tables: dict[str, Table] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Check what can be checked before anything is trained."""
        require_name(self.name, of="study")
        if not is_number(self.alpha) or not 0.0 < self.alpha < 1.0:
            raise ValueError(
                f"`alpha` is {self.alpha!r}; it must be a number strictly between 0 "
                "and 1; it is the chance of any wrong verdict, 0.05 is usual"
            )
        _require_subject(self.subject)
        kinds = (("measures", Measure), ("claims", Claim), ("figures", Figure))
        for name, kind in kinds:
            object.__setattr__(self, name, several(name, getattr(self, name), kind))
        object.__setattr__(
            self, "pilot_seeds", whole_numbers("pilot_seeds", self.pilot_seeds)
        )
        object.__setattr__(self, "designs", _designs(self.name, self.designs))
        self._check_measures()
        self._check_designs()
        self._check_claims()

    def _check_measures(self) -> None:
        if not self.measures:
            raise ValueError(f"the study `{self.name}` has no measure; give it one")
        for measure in self.measures:
            require_name(measure.name, of="measure")
            check_facts(measure)
        require_once((measure.name for measure in self.measures), what="measures")
        require_once(self.numbers, what="numbers of the measures")
        self._check_figures()
        factors = {factor.name for factor in self.subject.factors}
        both = sorted(factors & set(self.numbers))
        if both:
            raise ValueError(
                f"a number called `{both[0]}` would share its name with a factor; "
                "rename the number"
            )
        if self.convergence is not None and self.convergence.number not in self.numbers:
            text = unknown(self.convergence.number, self.numbers, what="number")
            raise ValueError(f"the limit of convergence: {text}")

    def _check_figures(self) -> None:
        require_once((figure.name for figure in self.figures), what="figures")
        factors = [factor.name for factor in self.subject.factors]
        for figure in self.figures:
            if figure.name == self.name:
                raise ValueError(
                    f"the figure `{figure.name}` is called like its study, whose "
                    "headline goes by that name; rename the figure"
                )
            for name in figure.where:
                if factors and name not in factors:
                    text = unknown(name, factors, what="factor")
                    raise ValueError(f"the figure `{figure.name}`: {text}")

    def _check_designs(self) -> None:
        pilots = set(self.pilot_seeds)
        earlier: tuple[Row, ...] = ()
        for name, design in self.designs.items():
            if "seed" not in design.factors:
                raise ValueError(
                    f"the design `{name}` has no seeds; give `grid(..., seeds=20)`"
                )
            seen = pilots & set(design.levels("seed"))
            if seen:
                raise ValueError(
                    f"the design `{name}` uses the pilot's seeds {sorted(seen)}; a "
                    "seed that was looked at can not enter a confirmatory estimate"
                )
            lost = self.completed(name).lacks(earlier)
            if lost:
                raise ValueError(
                    f"the design `{name}` lacks {lost} rows of the one before it; "
                    "designs are nested, so write `demo | grid(...)`"
                )
            earlier = self.completed(name).rows

    def _check_claims(self) -> None:
        require_once((claim.name for claim in self.claims), what="claims")
        for claim in self.claims:
            for design in claim.designs or ():
                if design not in self.designs:
                    raise ValueError(
                        f"the claim `{claim.name}`: "
                        f"{unknown(design, self.designs, what='design')}; without "
                        "`designs=` it is judged in all of them"
                    )
            for design in self.designs_of(claim):
                check_claim(claim, self._table(design), self.ranges)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every number that the measures declare."""
        return tuple(n for measure in self.measures for n in measure.numbers)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The declared range of every number."""
        return {
            number: measure.range_of(number)
            for measure in self.measures
            for number in measure.numbers
        }

    def completed(self, design: str) -> Design:
        """A design with every factor of the subject in every row.

        Raises:
            ValueError: no such design, or a row the subject refuses.
        """
        if design not in self.designs:
            raise ValueError(unknown(design, self.designs, what="design"))
        if design not in self._completed:
            given = self.designs[design]
            rows = tuple(self.subject.complete(given))
            if len(rows) != len(given):
                raise ValueError(
                    f"the subject `{self.subject.name}` completed {len(given)} rows of "
                    f"the design `{design}` to {len(rows)}; `complete` must return one "
                    "for each, in order, or raise a ValueError"
                )
            self._completed[design] = Design(rows)
        return self._completed[design]

    def designs_of(self, claim: Claim) -> tuple[str, ...]:
        """The designs in which a claim is judged."""
        if claim.designs is None:
            return tuple(self.designs)
        return tuple(name for name in self.designs if name in claim.designs)

    def claims_of(self, design: str) -> tuple[Claim, ...]:
        """The claims judged in a design."""
        return tuple(c for c in self.claims if design in self.designs_of(c))

    def alpha_of(self, design: str) -> float:
        """A design's share of alpha: the designs share it equally.

        Each design is a look at the same question, so that whoever reads the demo's
        verdicts and then the full ones is wrong with chance alpha at most.
        """
        if design not in self.designs:
            raise ValueError(unknown(design, self.designs, what="design"))
        return self.alpha / len(self.designs)

    def planned_seeds(self, design: str) -> dict[str, int]:
        """For each claim, the number of seeds that the design holds for its cells."""
        table = self._table(design)
        return {
            claim.name: planned_seeds(claim, table) for claim in self.claims_of(design)
        }

    def _table(self, design: str) -> Table:
        if design not in self._tables:
            self._tables[design] = Table.from_design(self.completed(design))
        return self._tables[design]

    def registration(self) -> dict[str, Any]:
        """What is said before: everything a verdict depends on, as plain data.

        It is the same after a trip through JSON; infinite numbers are text, floats have
        12 significant digits, and spaces and line breaks in texts count as one space.

        Raises:
            ValueError: a parameter of a measure that JSON can not hold.
        """
        limit = self.convergence
        return {
            "study": self.name,
            "question": " ".join(self.question.split()),
            "subject": {
                "name": self.subject.name,
                "law": self.subject.law,
                "inputs": plain(getattr(self.subject, "input_digests", {})),
            },
            "measures": [_measure_record(measure) for measure in self.measures],
            "claims": [
                claim.to_record() | {"designs": list(self.designs_of(claim))}
                for claim in self.claims
            ],
            "alpha": plain(self.alpha),
            "convergence": limit
            and {"number": limit.number, "limit": plain(limit.limit)},
            "planned_seeds": {name: self.planned_seeds(name) for name in self.designs},
            "designs": {name: self._design_digest(name) for name in self.designs},
            "pilot_seeds": list(self.pilot_seeds),
        }

    def _design_digest(self, design: str) -> str:
        return hashlib.sha256(
            "\n".join(sorted(_rows_as_json(self.completed(design).rows))).encode()
        ).hexdigest()

    def __repr__(self) -> str:
        """The name and the question, on one line."""
        return f"<Study {self.name}: {' '.join(self.question.split())}>"

    def _repr_html_(self) -> str:
        sizes: list[list[Child]] = [
            [name, f"{len(rows):,}", levels_text(rows.levels("seed"))]
            for name, rows in self.designs.items()
        ]
        said: list[list[Child]] = [
            [claim.name, claim.statement, lines(*(p.describe() for p in claim.parts))]
            for claim in self.claims
        ]
        question = f"{self.name}: {' '.join(self.question.split())}"
        error = f"Claims; P(any wrong verdict) at most {self.alpha:g}"
        head = ["claim", "statement", "said"]
        return joined(
            element("b", question),
            notebook_table("Designs", ["design", "rows", "seeds"], sizes),
            notebook_table(error, head, said) if said else None,
        ).text

    def digest(self) -> str:
        """SHA-256 of the registration: two studies that say the same share it."""
        return digest_of(self.registration())


def digest_of(registration: Mapping[str, Any]) -> str:
    """SHA-256 of what `Study.registration` returned, before or after JSON held it."""
    return hashlib.sha256(_json(registration).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _rows_as_json(rows: Sequence[Row]) -> list[str]:
    """`_json(plain(row))` of every row, each value of a factor written out once."""
    written: dict[tuple[str, int], str] = {}
    texts = []
    for row in rows:
        entries = []
        for name in sorted(row):
            value = row[name]
            known = written.get((name, id(value)))  # `rows` keeps every value alive
            if known is None:
                known = f"{_json(name)}:{_json(plain(value))}"
                written[name, id(value)] = known
            entries.append(known)
        texts.append("{" + ",".join(entries) + "}")
    return texts


def _measure_record(measure: Measure) -> dict[str, Any]:
    """A measure as it is registered: ranges and resolutions decide verdicts too."""
    try:
        parameters = plain(measure.parameters)
    except ValueError as error:
        raise ValueError(
            f"a parameter of the measure `{measure.name}`: {error}"
        ) from None
    return {
        "name": measure.name,
        "version": measure.version,
        "parameters": parameters,
        "numbers": {
            number: {
                "range": plain(measure.range_of(number)),
                "resolution": plain(measure.resolution_of(number)),
            }
            for number in measure.numbers
        },
    }


def _require_subject(subject: Any) -> None:
    if isinstance(subject, type):
        raise ValueError(
            f"the subject is the class {subject.__name__}; give an instance, "
            f"{subject.__name__}(...)"
        )
    lacking = [
        name
        for name in vars(Subject)
        if not name.startswith("_") and not hasattr(subject, name)
    ]
    if lacking:
        raise ValueError(
            f"the subject {subject!r} lacks {', '.join(lacking)}; give a Subject, such "
            "as ToyModels() or FunctionSubject(name, function)"
        )


def _designs(study: str, given: Any) -> Mapping[str, Design]:
    if not isinstance(given, Mapping):
        raise ValueError(
            f"`designs` is of type {type(given).__name__}; give a dictionary, such as "
            'designs={"demo": grid(..., seeds=20)}'
        )
    if not given:
        raise ValueError(f"the study `{study}` has no design; give it one")
    for name, design in given.items():
        require_name(name, of="design")
        if not isinstance(design, Design):
            raise ValueError(
                f"the design `{name}` is of type {type(design).__name__}; give a "
                "Design: grid(...), Design.from_rows(...) or Design.from_dataframe(...)"
            )
    return MappingProxyType(dict(given))
