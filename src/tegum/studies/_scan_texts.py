"""What the page of a scan says: its background, and what each picture shows."""

from __future__ import annotations

import functools

from tegum.studies._scan_beforehand import FEWEST_SAMPLED
from tegum.studies._scan_claims import Scanned, blocks_needed
from tegum.studies._scan_figures import first_token, outliers
from tegum.studies._scan_ranks import ranked
from tegum.studies._scan_units import heaviest, largest
from tegum.study import Figure
from tegum.wording import counted

MAPS = (
    "Each kind of units has a panel, that with the largest gap first, and its title "
    "says what stands in a cell; where columns are many that is told on hovering. In "
    "the residual stream a row is one unit at every point, chosen by the sum over "
    "points; attention heads and neurons are other units in every layer, so that there "
    "a row is a rank."
)
"""How to read a map of units."""


def background_of(scanned: Scanned, *, claims: int, alpha: float) -> str:
    """What was fixed beforehand, and what the verdicts can not say."""
    said = [
        f"{scanned.text}, cut into {counted(scanned.blocks, 'block')} of consecutive "
        "sequences. The unit is the block, which the tables call a seed. A verdict "
        "speaks of this model on text like this, and of its median block where the "
        "text changes along its way; it says nothing of other models. Neighbouring "
        "blocks are alike (on program text a correlation of 0.1 to 0.2, and eight of "
        "ten 95 % intervals held the median of a text ten times as long), so "
        "intervals are somewhat narrow for a text that drifts.",
        "At each hook point the kurtosis in excess of the Gaussian's 3 is set beside "
        "that of the same vectors in a basis at random. Per vector it is taken across "
        "the coordinates of each vector and averaged over vectors (Elhage et al. "
        "2023); over all rotations it is -6/(m + 1) exactly, with m units. Per unit it "
        "is taken over the tokens of each unit and averaged over units by their "
        "variance, and beside it stand fixed rotated copies of a sample of the "
        "sequences. The first token of each sequence is left out of both and shown "
        "apart.",
        f"A block has about {scanned.sampled:,} tokens of which the kurtosis per unit "
        "is taken, and the claim is about blocks of so many: what is much rarer is in "
        "few of them. The table has the gap of the whole text beside."
        + (
            ""
            if scanned.long_enough
            else f" With fewer than {FEWEST_SAMPLED:,} a claim per unit can not come "
            'to "no gap".'
        ),
        f"A gap of {scanned.smallest_gap:g} was fixed as the smallest worth claiming "
        "before anything was measured; it is larger where one basis at random reaches "
        "as much by chance, and where two models are compared two bases. Per vector "
        "that is known from the number of units; per unit it was taken from "
        f"{scanned.calibration.bases} bases at random on "
        f"{scanned.calibration.tokens:,} tokens, read before anything was claimed. A "
        "gap shows a privileged basis. No gap, a kurtosis of 3 like that of a rotated "
        "copy, does not show that there is none: features that are "
        "Gaussian along the axes leave no trace in it (the asymmetry that Elhage et "
        "al. 2023 state).",
        f"Over all {claims} claims P(any wrong verdict) is at most {alpha:g} for which "
        f"blocks there were, and {alpha:g} for which basis the model has. To "
        f"decide any of so many takes {blocks_needed(claims)} blocks that agree; the "
        f"scan has {scanned.blocks}.",
        *(
            f"{label} came in train mode and was scanned in eval mode, without dropout."
            for label in scanned.put_into_eval
        ),
    ]
    if scanned.mode == "train":
        said.append("Scanned in train mode, as asked: dropout was on.")
    return "\n\n".join(said)


def figures_of(scanned: Scanned) -> list[Figure]:
    """The further pictures of a scan."""
    drawn = {
        "scan-large-units": (
            largest,
            "The largest units over the whole text: a few of them carry the kurtosis "
            "across coordinates. Colour is a unit's root mean square, that of the "
            f"median unit being 1. {MAPS} A row there that is bright from end to end "
            "is one direction of the residual stream.",
        ),
        "scan-heavy-units": (
            heaviest,
            "The units that carry the kurtosis over tokens, over the whole text: those "
            "with the largest share of variance times excess kurtosis. Colour is the "
            f"unit's excess kurtosis. {MAPS}",
        ),
        "scan-ranks": (
            ranked,
            "Every unit's excess kurtosis over the whole text, the heaviest first. A "
            "panel is a kind of points, a curve one hook point, darker nearer the "
            "input; dotted in grey are "
            "the same units after one rotation. A few units far above the rest carry a "
            "privileged basis; a curve that lies above the grey from end to end is one "
            "in every unit.",
        ),
        "scan-first-token": (
            first_token,
            "The first token of each sequence beside all later ones: in many models it "
            "is a vector of another kind, which is why it is kept apart. Medians over "
            "blocks.",
        ),
        "scan-outliers": (
            outliers,
            "Outlier dimensions under each definition, how unequal the units' "
            "variances are, and over which share of the units the variance is spread. "
            "What has |x| > 6 depends on the scale of the activations; what is six "
            "times as strong as the median unit does not. Medians over blocks.",
        ),
    }
    return [
        Figure(name, caption, functools.partial(draw, scanned=scanned))
        for name, (draw, caption) in drawn.items()
    ]
