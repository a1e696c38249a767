"""Toy models of superposition: the model, the data, the reference, the fast engine."""

from tegum.toys.basis import ROTATION_GAP as ROTATION_GAP
from tegum.toys.basis import VECTOR_KURTOSIS as VECTOR_KURTOSIS
from tegum.toys.interchange import from_weights as from_weights
from tegum.toys.interchange import to_torch as to_torch
from tegum.toys.model import FACTORS as FACTORS
from tegum.toys.subject import ToyModels as ToyModels
from tegum.toys.training import TRAINING as TRAINING
