"""Commands that listen stay on this machine unless told otherwise; what commands write is private."""

import os
import stat

import pytest

from salus.cli.binding import check_host, loopback
from salus.errors import InputError
from tests.cli.town import empty, town  # noqa: F401

BEYOND = ["0.0.0.0", "::", "192.0.2.1", "hospital.example", "", "0", "2130706433", "127.0.0.1.example"]
HERE = ["127.0.0.1", "127.9.9.9", "::1", "localhost"]


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_this_machine_only_when_it_was_said(host):
    assert not loopback(host)
    with pytest.raises(InputError) as caught:
        check_host(host, "TCP", behind_proxy=False)
    assert (caught.value.what, caught.value.remedy) == ("plain TCP beyond this machine", "--behind-proxy")
    check_host(host, "TCP", behind_proxy=True)


@pytest.mark.parametrize("host", HERE)
def test_this_machine_needs_no_word(host):
    assert loopback(host)
    check_host(host, "TCP", behind_proxy=False)


def test_listen_refuses_to_listen_beyond_this_machine(town):  # noqa: F811
    done = town.run("listen", "--mllp", "0.0.0.0:0", "--as", "operator")
    assert (done.status, done.out) == (1, "")
    assert "plain TCP beyond this machine (--behind-proxy)" in done.err


def test_a_witness_refuses_to_listen_beyond_this_machine(empty):  # noqa: F811
    done = empty.run("witness", "--state", "w", "--name", "w", "--log", "x", "--host", "0.0.0.0")
    assert done.status == 1
    assert "plain HTTP beyond this machine (--behind-proxy)" in done.err
    assert not (empty.folder / "w").exists()


def test_reports_are_private_even_over_a_file_that_was_not(town):  # noqa: F811
    for name in ("report.html", "plan.json"):
        (town.folder / name).touch()
        (town.folder / name).chmod(0o644)
    before = os.umask(0)
    try:
        done = town.run("plan", "p1", "--as", "pat", "--html", "report.html", "--fhir", "plan.json")
    finally:
        os.umask(before)
    assert done.status == 0, done.err
    for name in ("report.html", "plan.json"):
        found = (town.folder / name).stat()
        assert found.st_size > 1000
        assert stat.S_IMODE(found.st_mode) == 0o600


def test_an_empty_path_is_not_the_current_folder(town):  # noqa: F811
    for words in (["intake", ""], ["plan", "p1", "--html", ""]):
        done = town.run(*words, "--as", "operator")
        assert done.status == 2
        assert "an empty path" in done.err
