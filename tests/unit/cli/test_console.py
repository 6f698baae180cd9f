"""What commands print, where, and with which exit code."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from geosr_lake import errors
from geosr_lake.cli import console

REPO = Path(__file__).parents[3]


@dataclass(frozen=True)
class Summary:
    """A summary as a stage returns it."""

    kept: int
    rule: str
    where: Path


def every_error(base: type[errors.GeoSRError]) -> list[type[errors.GeoSRError]]:
    """Return `base` and all classes below it."""
    return [base, *(e for below in base.__subclasses__() for e in every_error(below))]


@pytest.mark.parametrize("error", every_error(errors.GeoSRError), ids=lambda e: e.__name__)
def test_an_error_is_a_sentence_and_its_exit_code(
    error: type[errors.GeoSRError], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, console.exit_codes():
        raise error("It broke", where="a [file]", next_step="Mend it.")
    assert caught.value.exit_code == error.exit_code
    printed = capsys.readouterr()
    assert printed.err == "Error: It broke (a [file]). Mend it.\n"
    assert printed.out == ""


def test_what_the_system_refuses_is_a_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "file"
    with pytest.raises(typer.Exit) as caught, console.exit_codes():
        path.write_text("")
    assert caught.value.exit_code == 4
    said = capsys.readouterr().err
    assert said.startswith("Error: The system refused: No such file or directory")
    assert str(path) in said


def test_who_closes_our_output_early_gets_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenPipeError), console.exit_codes():
        raise BrokenPipeError
    assert capsys.readouterr().err == ""


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), console.exit_codes():
        _ = 1 // 0


def test_an_interruption_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["scenes", "ingest", "my items/", "s3://b/k?X-Amz-Signature=1234abcd", "--spark"]
    monkeypatch.setattr("sys.argv", ["/usr/bin/geosr", *words])
    with pytest.raises(typer.Exit) as caught, console.exit_codes():
        raise KeyboardInterrupt
    assert caught.value.exit_code == console.INTERRUPTED == 130
    said = capsys.readouterr().err
    assert "Go on with: geosr scenes ingest 'my items/' 's3://b/k?X-Amz-Signature=" in said
    assert said.endswith("--spark\n")
    assert "1234abcd" not in said


def test_what_follows_a_dry_run_is_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["geosr", "pairs", "build", "--dry-run", "--recipe", "a b"])
    assert console.typed(but="--dry-run") == "geosr pairs build --recipe 'a b'"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_cleanly(stop: signal.Signals, tmp_path: Path) -> None:
    script = (
        "import time, typer\n"
        "from geosr_lake.cli.console import exit_codes\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def work(lake: str):\n"
        "    with exit_codes():\n"
        "        print('working', flush=True)\n"
        "        time.sleep(60)\n"
        "app()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "my lake"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(stop)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Go on with: geosr 'my lake'" in said
    assert "Traceback" not in said


def test_json_is_the_summary_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(3, "rul-1", Path("x"))
    console.report(summary, as_json=True, show=lambda: pytest.fail("shown"), next_step="geosr sql")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"kept": 3, "rule": "rul-1", "where": "x"}
    assert printed.err == ""


def test_for_people_the_next_command_stands_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.report(
        Summary(3, "rul-1", Path("x")),
        as_json=False,
        show=lambda: console.print_counts("Kept", {"kept_samples": 12345, "rule": "rul-1"}),
        next_step="geosr sql 'SELECT [1]'",
    )
    printed = capsys.readouterr()
    assert "kept samples" in printed.out
    assert "12,345" in printed.out
    assert printed.err == "Next: geosr sql 'SELECT [1]'\n"


def test_text_from_outside_is_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("[bold]an id[/bold] [/oops]")
    console.print_rows(["[red]id[/red]"], [["[blink]x[/blink]"], [None]])
    printed = capsys.readouterr()
    assert printed.err == "[bold]an id[/bold] [/oops]\n"
    assert "[red]id[/red]" in printed.out
    assert "[blink]x[/blink]" in printed.out


def test_tables_are_not_cut_where_no_terminal_bounds_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    console.print_rows(["id", "text"], [["smp-1", long]])
    assert long in capsys.readouterr().out


def in_terminal(code: str, width: int) -> list[str]:
    """Run `code` where stdout counts as a terminal of that width; return its lines, uncoloured."""
    done = subprocess.run(
        [sys.executable, "-c", f"from geosr_lake.cli import console\n{code}"],
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(width), "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in done.stdout.splitlines()]


def test_what_fits_a_terminal_is_a_table() -> None:
    lines = in_terminal("console.print_rows(['id', 'text'], [['smp-1', 'y']], title='T')", 40)
    assert any("id" in line and "text" in line for line in lines)


def test_what_does_not_fit_stands_upright_and_whole() -> None:
    code = "console.print_rows(['id', 'text'], [['smp-01', 'y' * 60], ['smp-02', None]])"
    lines = in_terminal(code, 40)
    assert all(len(line) <= 40 for line in lines)
    assert "".join(lines).count("y") == 60, "every character is there"
    assert any("id" in line and "smp-02" in line for line in lines)


def test_long_counts_are_folded_not_cut() -> None:
    lines = in_terminal("console.print_counts('Found', {'catalog': 'z' * 70})", 40)
    assert all(len(line) <= 40 for line in lines)
    assert "".join(lines).count("z") == 70


def test_progress_is_plain_lines_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with console.progress_bar() as bar:
        bar.start("Reading files", 3)
        bar.advance()
        bar.start("Writing")
        bar.advance(2)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["Reading files (3) ...", "Writing ..."]
    assert "\x1b" not in printed.err
    assert printed.out == ""


def test_words_on_a_step_are_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with console.progress_bar() as bar:
        bar.start("Reading")
        bar.note("too early")
        monkeypatch.setattr(console, "NOTE_EVERY_S", 0.0)
        bar.note("1 of 2 [files]")
    assert capsys.readouterr().err == "Reading ...\n  1 of 2 [files]\n"


def test_nested_values_become_json() -> None:
    value = {"a": [Summary(1, "r", Path("p"))], 2: (1.5, None, True), "when": time.gmtime(0)[:3]}
    assert console._plain(value) == {
        "a": [{"kept": 1, "rule": "r", "where": "p"}],
        "2": [1.5, None, True],
        "when": [1970, 1, 1],
    }


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("ingest_scenes", "scenes ingest --spark"),
        ("build_pairs", "pairs build --spark"),
        ("build_manifest", "manifest build"),
    ],
)
def test_a_job_goes_on_as_the_command_that_it_is(
    job: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("geosr_lake.cli.app.app", lambda: said.append(console.typed()))
    monkeypatch.setattr("sys.argv", [f"/srv/{job}.py", "--lake", "my lake"])
    runpy.run_path(str(REPO / "jobs" / f"{job}.py"), run_name="__main__")
    assert said == [f"geosr {words} --lake 'my lake'"]
