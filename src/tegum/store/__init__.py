"""What is kept: rows, measures, artifacts, and the registry of what was said.

rows/          Parquet: key, factors, status, provenance
measures/      Parquet: measure key, named numbers; NaN undefined, null unmeasured
artifacts/     safetensors, one file per chunk, named by the rows
checkpoints/   a folder for each network that kept some, named by its key
registry.jsonl registrations and every verdict, append-only
store.json     the format's version
"""

from tegum.store.artifacts import artifact_digest as artifact_digest
from tegum.store.keys import canonical_json as canonical_json
from tegum.store.keys import measure_key as measure_key
from tegum.store.keys import model_key as model_key
from tegum.store.keys import model_keys as model_keys
from tegum.store.places import StoreError as StoreError
from tegum.store.places import StoreWarning as StoreWarning
from tegum.store.provenance import Provenance as Provenance
from tegum.store.registry import digest_of as digest_of
from tegum.store.registry import made_under as made_under
from tegum.store.store import Store as Store
