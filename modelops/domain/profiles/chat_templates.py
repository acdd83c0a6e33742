"""Chat templates for models whose repository has none: a name from the list, or the text itself.

vLLM takes a file name in the same place, and reads it: so only a text that begins with a brace passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.kinds import Kind, Problems, text

_CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_INSTRUCTION = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '### Response:\\n' + message['content'] + '\\n<|EOT|>\\n' }}"
    "{% else %}{{ message['content'] + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
)

NAMED_TEMPLATES: Mapping[str, str] = {"chatml": _CHATML, "deepseek-coder": _INSTRUCTION}
"""`chatml`: the turns of Qwen and many others; `deepseek-coder`: instruction and response headings."""

_LOADING_TAG = re.compile(r"\{%[-+]?\s*(include|import|from|extends)\b")
_TEXT = text(32_000, many_lines=True)


def read_template(field: str, value: Any, problems: Problems) -> str:
    template: str = _TEXT.read(field, value, problems)
    if not template or template in NAMED_TEMPLATES:
        return template
    if not template.startswith(("{{", "{%", "{#")):
        names = ", ".join(NAMED_TEMPLATES)
        reason = f"must be one of {names}, or a template that begins with a Jinja brace (never a path)"
        problems.append(FieldError(field, reason))
    elif _LOADING_TAG.search(template):
        problems.append(FieldError(field, fill_in("must not load other templates")))
    return template


def get_template_text(template: str) -> str:
    """The text of a named template, any other text as it is."""
    return NAMED_TEMPLATES.get(template, template)


TEMPLATE_KIND = Kind(
    "one of " + ", ".join(f"`{name}`" for name in NAMED_TEMPLATES) + ", or the template's text", read_template
)
