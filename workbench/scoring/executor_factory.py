"""Which executor answers a run's blocks: this process, or one process per device where several are named."""

from __future__ import annotations

from collections.abc import Callable

from workbench.scoring import executor, models
from workbench.scoring.executor import Executor
from workbench.scoring.own_tower import EarlyModel
from workbench.scoring.process_pool import Processes
from workbench.scoring.run_resources import RunResources
from workbench.settings import Settings


def create(
    settings: Settings, resources: RunResources, step: Callable[[str], None], early: EarlyModel | None = None
) -> Executor:
    """The executor of settled settings, its models loaded: one process per device where several are named.

    Args:
        settings: settled ones.
        resources: texts, normal pictures and what the questions declare.
        step: is told what is being done.
        early: the model, where planning loaded it already.

    Raises:
        EncoderError: retrieval's encoder can't be loaded.
        BackboneError: the model can't be loaded, or a device isn't there.
    """
    devices = models.devices(settings.machine)
    if len(devices) > 1:
        step(f"loading {settings.machine.model} on {len(devices)} devices")
        if early:
            early.drop()
        return Processes(devices, settings, resources)
    step(f"loading {settings.machine.model}")
    return executor.create_local(settings, resources, step, early.evaluator if early else None)
