"""The browser's libraries that are part of the project."""

from __future__ import annotations

from gateway.vendoring.files import folder_of, hash_files, read_hashes, read_packages


def test_libraries_are_the_files_that_were_copied() -> None:
    assert hash_files() == read_hashes()


def test_every_library_has_its_licence_beside_it() -> None:
    for name in read_packages():
        assert (folder_of(name) / "LICENSE").is_file(), name
