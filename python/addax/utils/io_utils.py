"""Printing what a person follows during training: to the terminal, or to `logging` where interactive logging is off."""

from __future__ import annotations

import logging
import sys

from addax import config

logger = logging.getLogger("addax")


def print_msg(message: str, line_break: bool = True) -> None:
    """Prints a message, or logs it if `addax.config.disable_interactive_logging()` was called.

    Args:
        message: The text.
        line_break: Whether to end the line.

    Example:

    >>> print_msg("Epoch 1/2")
    Epoch 1/2
    """
    if config.is_interactive_logging_enabled():
        # sys.stdout is looked up now: notebooks and tests replace it.
        try:
            sys.stdout.write(message + "\n" if line_break else message)
        except UnicodeEncodeError:
            plain = message.encode("ascii", errors="replace").decode("ascii")
            sys.stdout.write(plain + "\n" if line_break else plain)
        sys.stdout.flush()
    else:
        logger.info(message)


def resolve_verbose(verbose: str | int) -> int:
    """Turns the `verbose` argument of `fit` and its kin into a number.

    Args:
        verbose: `"auto"`, 0 (silent), 1 (bar) or 2 (one line an epoch); booleans count as 0 and 1.

    Returns:
        0, 1 or 2; `"auto"` is the bar, or one line an epoch where interactive logging is off.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> resolve_verbose("auto"), resolve_verbose(2)
    (1, 2)
    """
    if isinstance(verbose, str) and verbose == "auto":
        return 1 if config.is_interactive_logging_enabled() else 2
    if not isinstance(verbose, (bool, int)) or verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
    return int(verbose)
