"""The models a run works with, from its settings: the answering model with its engine, and retrieval's encoder."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import torch

from warehouse import private
from workbench import embedded
from workbench.inspection.errors import EncoderError
from workbench.inspection.plan import GPU_IMAGES_PER_BLOCK, IMAGES_PER_BLOCK
from workbench.model import backbone, embedder, naive, segments
from workbench.model.embedder import Encoder
from workbench.model.engine import Engine
from workbench.settings import Machine, Settings

EMBEDDED = "embedded"
DEFAULT_ENCODER = "google/siglip2-base-patch16-224"


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers, ready."""

    engine: Engine
    weights: str  # hash of the weights
    patch_encoder: str  # see `patch_encoder`
    demo: bool
    embedding_scale: float  # s as these weights have it on this device

    def use_scale(self, stored: float | None) -> None:
        """Reason with the s that a run began with, whatever device it goes on with; None: with its own."""
        self.engine.backbone.embedding_scale = self.embedding_scale if stored is None else stored


def devices(machine: Machine) -> tuple[str, ...]:
    """The devices a setting names, one process each: `auto` is CUDA where there is one, `all` every CUDA device."""
    named = machine.device
    if named == "all":
        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count())) or ("cpu",)
    if named == "auto":
        return ("cuda",) if torch.cuda.is_available() else ("cpu",)
    return tuple(named.split(","))


def block_images(machine: Machine) -> int:
    """How many images are answered together unless told otherwise."""
    return IMAGES_PER_BLOCK if "cpu" in devices(machine) else GPU_IMAGES_PER_BLOCK


def placed(machine: Machine) -> Machine:
    """The same with `auto` and `all` settled; bfloat16 on CUDA, except for the embedded model."""
    named = devices(machine)
    big = all(device.startswith("cuda") for device in named) and machine.model != EMBEDDED
    dtype = machine.dtype if machine.dtype != "auto" else "bfloat16" if big else "float32"
    return dataclasses.replace(machine, device=",".join(named), dtype=dtype)


def alone(machine: Machine) -> Machine:
    """The same on the first of its devices."""
    return dataclasses.replace(machine, device=devices(machine)[0])


def load_answering(machine: Machine) -> Answering:
    """The model and engine of settled settings, on their one device.

    The embedded model gets one thread unless told otherwise: it is too small to gain much from two, and on a machine
    whose cores are taken, threads that wait for each other made it twenty times slower.

    Raises:
        BackboneError: there is no such model, or no such device.
    """
    assert machine.dtype != "auto"
    demo = machine.model == EMBEDDED
    if machine.threads or demo:
        torch.set_num_threads(machine.threads or 1)
    if ":" in machine.device and torch.cuda.is_available():
        torch.cuda.set_device(machine.device)  # what names no device means this one
    with private.users_umask():  # what is fetched lies in a cache that users may share
        body = backbone.load(
            embedded.CHECKPOINT if demo else machine.model,
            device=machine.device,
            dtype=machine.dtype,
            max_image_tokens=machine.max_image_tokens or None,
        )
    if machine.attention_layers:
        body.score_by([int(layer) for layer in machine.attention_layers.split(",")])
    memory = int(machine.memory_gib * segments.GIB) if machine.memory_gib else None
    engine = naive.NaiveEngine(body) if machine.engine == "naive" else segments.SegmentedEngine(body, memory)
    return Answering(engine, body.revision, patch_encoder(machine.model, body.revision), demo, body.embedding_scale)


def patch_encoder(model: str, weights: str) -> str:
    """What the vectors of a model's patches are named after."""
    return f"{model}@{weights}"


def load_encoder(settings: Settings) -> Encoder:
    """Retrieval's encoder: the named one, else the embedded model's own, else SigLIP 2.

    Raises:
        EncoderError: it can't be loaded.
    """
    name = settings.support.encoder or (EMBEDDED if settings.machine.model == EMBEDDED else DEFAULT_ENCODER)
    if name == EMBEDDED:
        return embedded.encoder()
    try:
        return embedder.load(name, settings.machine.device)
    except Exception as error:
        raise EncoderError(
            f"the retrieval encoder {name} can't be loaded ({error}); give another with --encoder, "
            "or do without: --knowledge product or --knowledge none"
        ) from error


def device_name(machine: Machine) -> str:
    """The device for people: the card's name, or the CPU with its threads."""
    if machine.device.startswith("cuda"):
        return str(torch.cuda.get_device_name(machine.device))
    return f"cpu, {torch.get_num_threads()} of {os.cpu_count()} threads"
