"""What a run works with, from its settings: the evaluator that answers, evidence sources, retrieval's encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from warehouse import file_permissions
from warehouse.records.scoring import Description
from warehouse.vectors import Vectors
from workbench import embedded
from workbench.errors import BackboneError, EncoderError
from workbench.model import backbone, embedder, naive_engine, segmented_engine
from workbench.model.embedder import Encoder
from workbench.model.engine import Engine
from workbench.scoring import retrieval
from workbench.scoring.evidence import Source
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.plan import GPU_IMAGES_PER_BLOCK, IMAGES_PER_BLOCK
from workbench.settings import COMPARE, LIKENESS, SWAPPED, TEXTS, Machine, Settings

EMBEDDED = "embedded"
DEFAULT_ENCODER = "google/siglip2-base-patch16-224"


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
    big = all(device.startswith("cuda") for device in named) and machine.model not in (EMBEDDED, COMPARE)
    dtype = machine.dtype if machine.dtype != "auto" else "bfloat16" if big else "float32"
    return replace(machine, device=",".join(named), dtype=dtype)


def alone(machine: Machine) -> Machine:
    """The same on the first of its devices."""
    return replace(machine, device=devices(machine)[0])


def effective(settings: Settings) -> Settings:
    """The same without what its model or its sources leave aside: a comparison reads no text and no reference."""
    support = settings.support
    if settings.machine.model == COMPARE:
        support = replace(support, knowledge="none", shots=0, evidence="none")
    elif TEXTS not in support.shows:
        support = replace(support, knowledge="none")
    return settings if support == settings.support else replace(settings, support=support)


def compares(settings: Settings) -> bool:
    """Whether pictures are compared with normal ones: to answer, to be shown what that says, or to propose patches."""
    if settings.machine.model == COMPARE or settings.method.proposes_by_comparison:
        return True
    return bool({COMPARE, SWAPPED} & settings.support.shows)


def likens_references(settings: Settings) -> bool:
    """Whether each picture's normal reference is chosen by likeness, where nobody named one."""
    support = settings.support
    if support.reference_choice is None:
        return bool(support.shots) and bool({COMPARE, SWAPPED} & support.shows)
    return bool(support.shots) and support.reference_choice == LIKENESS


def load_evaluator(machine: Machine) -> LocalEvaluator:
    """The evaluator of settled settings: their model and engine, on their one device.

    The embedded model gets one thread unless told otherwise: it is too small to gain much from two, and on a machine
    whose cores are taken, threads that wait for each other made it twenty times slower.

    Raises:
        BackboneError: there is no such model, or no such device; it is no language model.
    """
    if machine.model == COMPARE:
        raise BackboneError("comparing with normal pictures is no language model; give one with --model")
    assert machine.dtype != "auto"
    demo = machine.model == EMBEDDED
    if machine.threads or demo:
        torch.set_num_threads(machine.threads or 1)
    if ":" in machine.device and torch.cuda.is_available():
        torch.cuda.set_device(machine.device)  # what names no device means this one
    with file_permissions.users_umask():  # what is fetched lies in a cache that users may share
        body = backbone.load(
            embedded.CHECKPOINT if demo else machine.model,
            device=machine.device,
            dtype=machine.dtype,
            max_image_tokens=machine.max_image_tokens or None,
        )
    if machine.attention_layers:
        body.score_by([int(layer) for layer in machine.attention_layers.split(",")])
    memory = int(machine.memory_gib * segmented_engine.GIB) if machine.memory_gib else None
    naively = machine.engine == "naive"
    engine: Engine = naive_engine.NaiveEngine(body) if naively else segmented_engine.SegmentedEngine(body, memory)
    return LocalEvaluator(machine.engine, machine.model, engine, demo)


def load_sources(
    settings: Settings, descriptions: Sequence[Description], encoder: Encoder | None = None
) -> list[Source]:
    """The evidence sources that the settings put to work.

    Args:
        descriptions: the knowledge's texts; without any the knowledge is no source.
        encoder: retrieval's, where it is loaded already.

    Raises:
        EncoderError: retrieval's encoder can't be loaded.
    """
    support = settings.support
    if support.knowledge == "none" or not descriptions:
        return []
    if support.knowledge == "product":
        return [retrieval.ByProduct(descriptions)]
    encoder = encoder or load_encoder(settings)
    return [retrieval.Nearest(descriptions, encoder, Vectors(settings.work.data), support.top_k)]


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
