"""An environment of your own, and what nobody wants of it: the same questions.

Gymnasium's CliffWalking; an overseer does not want the middle of the cliff's edge
walked on, along which the shortest way leads. Run it with
`tegum run examples/planning/cliff_walking.py` after `pip install 'tegum[planning]'`.
"""

import gymnasium

from tegum.planning import from_gymnasium
from tegum.studies.unwanted_outcomes import study_of

EDGE = {29, 30}
CLIFF = from_gymnasium(
    gymnasium.make("CliffWalking-v1"),
    unwanted=lambda state: state in EDGE,
    discount=1.0,
)
STUDY = study_of(CLIFF, name="cliff-walking", steps=30_000)
