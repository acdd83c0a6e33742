"""Reading single values from the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.env import (
    ConfigurationError,
    load_dotenv,
    one_of,
    parse_base_path,
    parse_boolean,
    parse_labels,
    parse_names,
    parse_origins,
    parse_process_count,
    read_value,
    seconds,
    url_with_scheme,
    whole_number,
)


def test_value_is_read_without_the_blanks_around_it() -> None:
    assert read_value({"PORT": " 80 \n"}, "PORT") == "80"


@pytest.mark.parametrize("environment", [{}, {"PORT": ""}, {"PORT": "  "}, {"PORT": "", "PORT_FILE": ""}])
def test_missing_and_empty_values_count_as_unset(environment: dict[str, str]) -> None:
    assert read_value(environment, "PORT") is None


def test_value_is_read_from_the_file_that_the_file_variable_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")

    assert read_value({"KEY_FILE": str(secret)}, "KEY") == "from the file"


def test_value_itself_wins_over_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file")

    assert read_value({"KEY": "itself", "KEY_FILE": str(secret)}, "KEY") == "itself"


def test_empty_file_counts_as_unset(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("\n")

    assert read_value({"KEY_FILE": str(secret)}, "KEY") is None


def test_unreadable_file_is_an_error_that_names_the_file_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^KEY_FILE: cannot read .*/absent") as caught:
        read_value({"KEY_FILE": str(tmp_path / "absent")}, "KEY")

    assert caught.value.name == "KEY_FILE"


def test_file_that_is_not_text_is_an_error_that_names_the_file_variable(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe random bytes")

    with pytest.raises(ConfigurationError, match=r"^KEY_FILE: "):
        read_value({"KEY_FILE": str(secret)}, "KEY")


def test_dotenv_lies_beneath_the_environment(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# comment\nGW_TEST_ONE=file\nexport GW_TEST_TWO='quoted value'\n")

    merged = load_dotenv(dotenv, {"GW_TEST_ONE": "environment", "GW_TEST_THREE": "3"})

    assert merged == {"GW_TEST_ONE": "environment", "GW_TEST_TWO": "quoted value", "GW_TEST_THREE": "3"}


def test_reading_dotenv_leaves_the_process_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GW_TEST_LEAK", raising=False)
    dotenv = tmp_path / ".env"
    dotenv.write_text("GW_TEST_LEAK=file\n")

    load_dotenv(dotenv, {})

    leaked = os.environ.pop("GW_TEST_LEAK", None)
    assert leaked is None


def test_without_dotenv_the_environment_is_all(tmp_path: Path) -> None:
    assert load_dotenv(tmp_path / ".env", {"A": "1"}) == {"A": "1"}


def test_secret_file_named_in_the_environment_wins_over_dotenv(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the mounted secret")
    dotenv = tmp_path / ".env"
    dotenv.write_text("GW_TEST_KEY=from dotenv\n")

    merged = load_dotenv(dotenv, {"GW_TEST_KEY_FILE": str(secret)})

    os.environ.pop("GW_TEST_KEY", None)
    assert read_value(merged, "GW_TEST_KEY") == "from the mounted secret"


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1", True), ("True", True), ("YES", True), ("on", True), ("0", False), ("off", False), ("No", False)],
)
def test_boolean_is_read_from_the_usual_words(raw: str, value: bool) -> None:
    assert parse_boolean("DEBUG", raw) is value


def test_whole_number_takes_both_of_its_bounds() -> None:
    parse = whole_number(1, 10)

    assert [parse("N", "1"), parse("N", "10")] == [1, 10]


def test_seconds_take_fractions() -> None:
    assert seconds(0)("WAIT", "0.25") == 0.25


def test_choice_is_found_whatever_its_case() -> None:
    assert one_of("json", "console")("LOG_FORMAT", "JSON") == "json"


def test_names_are_split_at_commas_and_stripped() -> None:
    assert parse_names("HOSTS", " a.example , ,b.example,") == ("a.example", "b.example")


@pytest.mark.parametrize("raw", ['["a.example", " b.example "]', '[ "a.example","b.example"]'])
def test_names_may_be_a_list_in_json(raw: str) -> None:
    assert parse_names("HOSTS", raw) == ("a.example", "b.example")


def test_empty_list_in_json_has_no_names() -> None:
    assert parse_names("HOSTS", "[]") == ()


def test_ipv6_address_in_brackets_is_a_name() -> None:
    assert parse_names("HOSTS", "[::1],a.example") == ("[::1]", "a.example")


def test_labels_are_pairs_whose_values_may_hold_anything_but_a_comma() -> None:
    assert parse_labels("LABELS", "a.b=c=d, team=") == (("a.b", "c=d"), ("team", ""))


def test_number_of_processes_may_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for cores in (1, 3, 64):
        monkeypatch.setattr("gateway.env.count_cores", lambda cores=cores: cores)
        counts.append(parse_process_count("WEB_CONCURRENCY", "auto"))

    assert counts == [1, 3, 4]
    assert parse_process_count("WEB_CONCURRENCY", "12") == 12


def test_url_loses_its_trailing_slash() -> None:
    assert url_with_scheme("http")("URL", "http://engine:8000/") == "http://engine:8000"


@pytest.mark.parametrize(
    ("raw", "path"), [("/gateway", "/gateway"), ("/team-a/chat/", "/team-a/chat"), ("/", "")]
)
def test_base_path_ends_without_a_slash(raw: str, path: str) -> None:
    assert parse_base_path("BASE_PATH", raw) == path


def test_origins_are_kept_as_browsers_send_them() -> None:
    origins = parse_origins("CORS", "https://a.example, http://b.example:3000")

    assert origins == ("https://a.example", "http://b.example:3000")
    assert parse_origins("CORS", "*") == ("*",)


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (parse_boolean, "perhaps"),
        (whole_number(1), "0"),
        (whole_number(1, 10), "11"),
        (whole_number(1), "1.5"),
        (whole_number(1), "many"),
        (parse_process_count, "0"),
        (parse_process_count, "65"),
        (parse_process_count, "many"),
        (seconds(0.1), "0"),
        (seconds(0), "-1"),
        (seconds(0), "nan"),
        (seconds(0), "inf"),
        (seconds(0), "5s"),
        (one_of("json", "console"), "xml"),
        (url_with_scheme("http"), "ftp://engine"),
        (url_with_scheme("http"), "engine:8000"),
        (url_with_scheme("http"), "http://[::1"),
        (url_with_scheme("http"), "http://"),
        (parse_base_path, "gateway"),
        (parse_base_path, "//gateway"),
        (parse_base_path, "/a/../b"),
        (parse_base_path, "/gateway?x"),
        (parse_base_path, "/채팅"),
        (parse_origins, "chat.example.com"),
        (parse_origins, "https://chat.example.com/path"),
        (parse_origins, "*,https://chat.example.com"),
        (parse_origins, "https://[::1"),
        (parse_origins, '["https://chat.example.com/path"]'),
        (parse_origins, '["https://chat.example.com",]'),
        (parse_names, '["a.example"'),
        (parse_labels, "team"),
        (parse_labels, "=value"),
        (parse_names, '["a.example", 1]'),
    ],
)
def test_malformed_value_is_an_error_that_names_the_variable(
    parse: Callable[[str, str], object], raw: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^SOME_VARIABLE: ") as caught:
        parse("SOME_VARIABLE", raw)

    assert caught.value.name == "SOME_VARIABLE"


def test_malformed_url_is_not_echoed_because_it_may_hold_a_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        url_with_scheme("postgres")("DATABASE_URL", "mysql://user:hunter2@host/db")

    assert "hunter2" not in str(caught.value)
