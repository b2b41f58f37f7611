"""Callbacks: what `fit`, `evaluate` and `predict` call on the way."""

from addax.callbacks.callback import Callback
from addax.callbacks.callback_list import CallbackList
from addax.callbacks.csv_logger import CSVLogger
from addax.callbacks.early_stopping import EarlyStopping
from addax.callbacks.history import History
from addax.callbacks.lambda_callback import LambdaCallback
from addax.callbacks.learning_rate_scheduler import LearningRateScheduler
from addax.callbacks.model_checkpoint import ModelCheckpoint
from addax.callbacks.progbar_logger import ProgbarLogger
from addax.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from addax.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
