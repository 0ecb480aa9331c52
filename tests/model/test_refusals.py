"""What would load and answer something else than it should: refused at load, each in one line that says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.auto import image_processing_auto

from tests.model import tiny
from workbench.errors import BackboneError
from workbench.model import backbone, embedder
from workbench.model.backbone import loading
from workbench.model.backbone.qwen25 import QwenPictures
from workbench.scoring.exceptions import in_words

MERGE = r'python -c "import peft, transformers as t; .*merge_and_unload\(\)\.save_pretrained'


@pytest.fixture(params=["qwen2_5_vl", "internvl3"])
def folder(request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint folder of one's own, to spoil."""
    if request.param in folders:
        return Path(shutil.copytree(folders[request.param], tmp_path / "model"))
    return tiny.save(tmp_path / "model", request.param)


def _write(file: Path, **values: Any) -> None:
    stated = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(stated | values))


def _adapter(folder: Path) -> None:
    _write(folder / "adapter_config.json", base_model_name_or_path="Qwen/Qwen2.5-VL-7B-Instruct", peft_type="LORA")
    lora = {"base_model.model.lm_head.lora_A.weight": torch.zeros(2, 2)}
    save_file(lora, folder / "adapter_model.safetensors")


def _adapter_by_another_name(folder: Path) -> None:
    save_file({"layers.0.q_proj.lora_A.default.weight": torch.zeros(2, 2)}, folder / "scratches.safetensors")


def _adapter_alone(folder: Path) -> None:
    for file in (*folder.glob("model*.safetensors"), folder / "config.json"):
        file.unlink()
    _adapter(folder)


def _adapter_as_a_pickle(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"")


def _quantised(method: str | None) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        _write(folder / "config.json", quantization_config={"quant_method": method, "bits": 4})

    return spoil


def _quantised_text_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["quantization_config"] = {"quant_method": "compressed-tensors"}
    (folder / "config.json").write_text(json.dumps(config))


def _quantised_in_a_file_of_its_own(folder: Path) -> None:
    _write(folder / "quantize_config.json", bits=4, group_size=128)


def _quantised_without_a_word(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(each for each in weights if each.endswith("q_proj.weight"))
    weights[name] = weights[name].to(torch.float8_e4m3fn)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _internlm2(folder: Path) -> None:
    own = {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]}
    _write(folder / "tokenizer_config.json", tokenizer_class="InternLM2Tokenizer", auto_map=own)


def _tokenizer_of_its_own(folder: Path) -> None:
    own = {"AutoTokenizer": ["own.OwnTokenizer", None]}
    _write(folder / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=own)


def _without_reserved_tokens(folder: Path) -> None:
    """As InternLM2's tokenizer is once the library reads it as Llama's."""
    for file in folder.glob("*token*.json"):
        text = file.read_text()
        file.write_text(text.replace("<|endoftext|>", "<|gone|>").replace("<|fim_pad|>", "<|plugin|>"))


SPOILED = [
    (_adapter, rf"model holds a LoRA adapter \(adapter_config.json\), .*{MERGE}"),
    (_adapter_by_another_name, rf"model holds a LoRA adapter \(scratches.safetensors\), .*{MERGE}"),
    (_adapter_alone, r"model holds a LoRA adapter .*from_pretrained\('Qwen/Qwen2.5-VL-7B-Instruct'.*merge_and_unload"),
    (_adapter_as_a_pickle, rf"model holds a LoRA adapter \(adapter_model.bin\), .*{MERGE}"),
    *((_quantised(method), rf"model is quantised \({method}\)") for method in ("awq", "gptq", "fp8", "bitsandbytes")),
    (_quantised(None), r"model is quantised \(quantization_config in its config.json\), and only plain weights"),
    (_quantised_text_model, r"model is quantised \(compressed-tensors\)"),
    (_quantised_in_a_file_of_its_own, r"model is quantised \(quantize_config.json\)"),
    (_quantised_without_a_word, r"model is quantised \(.*q_proj.weight is F8_E4M3\)"),
    (_internlm2, r"the tokenizer of .*model \(InternLM2Tokenizer\) is code of its own, which is never run"),
    (_tokenizer_of_its_own, r"the tokenizer of .*model \(OwnTokenizer\) is code of its own"),
    (_without_reserved_tokens, r"the tokenizer of .*model has none of the tokens that think tokens start as"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILED)
def test_what_would_answer_wrongly_or_not_at_all_is_refused_in_one_line(
    folder: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(folder)
    with pytest.raises(BackboneError, match=words) as caught:
        backbone.load(folder)
    assert "\n" not in str(caught.value)


def test_pixels_and_revision_are_the_same_where_torchvision_is_installed(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, picture = folders["qwen2_5_vl"], tiny.picture(1, 300, 200).image
    here = backbone.load(folder)
    monkeypatch.setattr(image_processing_auto, "is_torchvision_available", lambda: True)
    there = backbone.load(folder)
    assert isinstance(there.pictures, QwenPictures)
    assert type(there.pictures.processor).__name__ == "Qwen2VLImageProcessorPil"
    assert there.revision == here.revision
    assert torch.equal(there.prepare("", picture).pixels, here.prepare("", picture).pixels)


def test_the_revision_follows_the_image_processor(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folders["qwen2_5_vl"]
    first = backbone.load(folder).revision
    assert first.startswith(f"{backbone.weights_revision(folder)}+")
    # Another version of the library, whose class has other defaults than the folder states.
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil as Own

    stated = Own.to_dict
    monkeypatch.setattr(Own, "to_dict", lambda self: {**stated(self), "resample": 2})
    assert backbone.load(folder).revision.split("+")[0] == first.split("+")[0]
    assert backbone.load(folder).revision != first
    with pytest.raises(BackboneError, match=r"the image processor of .* \(object\) can't be had on Pillow"):
        loading.revision(folder, object())


def test_an_encoder_with_an_adapter_is_refused_too(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["qwen3_vl"], tmp_path / "model"))
    _adapter(folder)
    with pytest.raises(BackboneError, match="holds a LoRA adapter"):
        embedder.load(folder)


def test_an_error_without_a_message_says_where_it_was_raised() -> None:
    try:
        next(iter(()))
    except StopIteration as error:
        said = in_words(error)
    assert said.startswith("StopIteration without a message, raised in test_an_error_without_a_message")
    assert in_words(ValueError("\n two\nthree")) == "ValueError: two"
