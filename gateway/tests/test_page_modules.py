"""The modules that pages name in their heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import page_modules
from gateway.page_modules import STATIC_FILES, list_imported_modules

SOURCES = {
    "pages/main.js": """// @ts-check
/** Imports "./comment.js" in words only. */
import { one } from "./one.js";
import {
  many,
  more,
} from "./inner/many.js";
import "./effect.js";
import * as all from '../vendor/all.js';
export { one } from "./passed_on.js";
/** @typedef {import("./type.js").Type} Type */
const late = () => import("./late.js");
export const from = "./no_module.js";
""",
    "pages/one.js": 'import { one } from "./inner/many.js";\nimport { back } from "./main.js";\n',
    "pages/inner/many.js": 'import { deep } from "../deep.js";\n',
    "pages/deep.js": "",
    "pages/effect.js": "",
    "pages/passed_on.js": "",
    "vendor/all.js": "",
}


@pytest.fixture
def static_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(page_modules, "STATIC_FILES", tmp_path)


@pytest.mark.usefixtures("static_files")
def test_static_imports_of_all_modules_are_found_once() -> None:
    found = list_imported_modules.__wrapped__("pages/main.js")

    assert found == (
        "pages/one.js",
        "pages/inner/many.js",
        "pages/effect.js",
        "vendor/all.js",
        "pages/passed_on.js",
        "pages/deep.js",
    )


@pytest.mark.parametrize("page", ["chat", "account"])
def test_every_module_of_a_page_is_there(page: str) -> None:
    found = list_imported_modules(f"pages/js/{page}/main.js")

    assert "pages/js/ui.js" in found
    assert all((STATIC_FILES / name).is_file() for name in found)
