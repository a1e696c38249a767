"""Claims, said before the data, and the one rule that judges them."""

from tegum.claims.check import arms as arms
from tegum.claims.check import check_claim as check_claim
from tegum.claims.check import planned_seeds as planned_seeds
from tegum.claims.claim import Claim as Claim
from tegum.claims.claim import Part as Part
from tegum.claims.claim import PartVerdict as PartVerdict
from tegum.claims.claim import Verdict as Verdict
from tegum.claims.claim import Verdicts as Verdicts
from tegum.claims.estimands import Estimand as Estimand
from tegum.claims.estimands import adjacent_differences as adjacent_differences
from tegum.claims.estimands import difference as difference
from tegum.claims.estimands import level as level
from tegum.claims.estimands import paired_difference as paired_difference
from tegum.claims.estimands import paired_ratio as paired_ratio
from tegum.claims.estimands import proportion as proportion
from tegum.claims.estimands import rank_correlation as rank_correlation
from tegum.claims.estimands import slope as slope
from tegum.claims.judging import judge as judge
from tegum.claims.judging import median_farthest_from_0 as median_farthest_from_0
from tegum.claims.judging import plan_seeds as plan_seeds
from tegum.claims.regions import Region as Region
from tegum.claims.regions import above as above
from tegum.claims.regions import below as below
from tegum.claims.regions import between as between
from tegum.claims.table import Table as Table
