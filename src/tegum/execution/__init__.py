"""From a study to rows, numbers and verdicts.

`execute` registers a study, trains the artifacts that the store lacks and takes the
numbers that it lacks; `judge` holds the claims against them. Both may be called again
at any time: what is there is never made twice.
"""

from tegum.execution.judgement import judge as judge
from tegum.execution.judgement import last_verdicts as last_verdicts
from tegum.execution.progress import Progress as Progress
from tegum.execution.run import Plan as Plan
from tegum.execution.run import describe as describe
from tegum.execution.run import execute as execute
from tegum.execution.run import load as load
from tegum.execution.run import plan as plan
