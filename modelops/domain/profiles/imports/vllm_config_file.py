"""The file of `vllm serve --config FILE`: flags as keys of YAML, without their dashes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut

MODEL_KEYS = ("model", "model_tag", "model-tag")


def read_vllm_config(document: Mapping[str, Any]) -> EngineCommand:
    """The command line that the file stands for. Raises FieldError where it names no model."""
    model = next((document[key] for key in MODEL_KEYS if document.get(key)), None)
    if not isinstance(model, str):
        raise FieldError("model", fill_in("is missing: the file names no model"))
    words = [model]
    left_out = []
    for name, value in document.items():
        if name in MODEL_KEYS:
            continue
        if value is None:
            left_out.append(LeftOut(str(name), fill_in("has no value")))
        else:
            words += _write_flag(str(name), value)
    return EngineCommand(tuple(words), left_out=tuple(left_out))


def _write_flag(name: str, value: Any) -> Iterator[str]:
    """As `FlexibleArgumentParser.load_config_file` (vllm/utils/argparse_utils.py) makes words of it."""
    if value is True:
        yield f"--{name}"
    elif value is False:
        yield f"--no-{name}"
    elif isinstance(value, list):
        yield f"--{name}"
        yield from (str(each) for each in value)
    else:
        yield f"--{name}"
        yield json.dumps(value) if isinstance(value, Mapping) else str(value)
