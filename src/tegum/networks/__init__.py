"""Small transformers, trained with and without dropout at every site."""

from tegum.networks.corpus import Corpus as Corpus
from tegum.networks.factors import FACTORS as FACTORS
from tegum.networks.measures import TRANSFORMER_TRAINING as TRANSFORMER_TRAINING
from tegum.networks.model import build as build
from tegum.networks.model import parameters as parameters
from tegum.networks.model import save_folder as save_folder
from tegum.networks.subject import SmallTransformers as SmallTransformers
from tegum.networks.training import heldout_loss as heldout_loss
