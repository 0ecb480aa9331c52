"""What the fork server imports before it forks (`processes.fork_server`): what takes seconds of a core each time.

Nothing here may start a thread, for a forked process has none of them and waits for them forever, nor ask for a CUDA
device, for no forked process could use one then. So Polars, PyArrow and LanceDB are left to each process; of LanceDB
the half that is plain Python is here.

SIGTERM and Ctrl-C are for the run, which ends its processes; a service manager and a terminal send them to all of them,
and without this server nobody would tell the run how a process ended, nor start one. Processes that are forked get
their usual meaning back.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from importlib import import_module

MODULES = (
    "torch",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
    "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl",
    "lance_namespace",
    "workbench.model.segmented_engine",
    "workbench.model.backbone.loading",
)

for number in (signal.SIGTERM, signal.SIGINT):  # first of all: the imports take seconds
    signal.signal(number, signal.SIG_IGN)
for name in MODULES:
    with suppress(ImportError):  # whoever needs it says so
        import_module(name)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which the server ignores itself, and gives back
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
