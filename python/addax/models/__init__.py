"""Models: layers that can be trained, saved and summarized."""

from addax.models.cloning import clone_model
from addax.models.functional import Functional
from addax.models.model import Model, model_from_json
from addax.models.sequential import Sequential
from addax.saving import load_model, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
