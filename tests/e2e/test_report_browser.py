"""The page in a real browser: its own script runs, none of an archive's does."""

import shutil
import subprocess
from pathlib import Path

import pytest

from geosr_lake.lake import Lake, ledger
from geosr_lake.lake.tables import table_path
from geosr_lake.report.page import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)
ATTACKS = (
    "<script>document.title='owned'</script>",
    "</code></td></table><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "<svg onload=document.title='owned'>",
    "</title><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: `make services` installs it")
    return found


def attacked(root: Path) -> Lake:
    """A lake whose every text from outside tries to become a script."""
    from datetime import UTC, datetime

    from deltalake import write_deltalake

    from geosr_lake.lake import commits

    now = datetime(2024, 1, 1, tzinfo=UTC)
    lake = Lake.create(root)
    items = [
        {"archive": text, "collection": text, "item_id": text, "content_hash": str(i),
         "outcome": "quarantined", "reason": text, "source_file": text, "run_id": "r",
         "ingested_at": now}
        for i, text in enumerate(ATTACKS)
    ]  # fmt: skip
    runs = [
        {"run_id": text, "stage": text, "status": "failed", "started_at": now, "ended_at": now,
         "counts": [(text, 1)], "detail": "{}", "message": text, "code_version": text}
        for text in ATTACKS
    ]  # fmt: skip
    for table, rows in (("items", items), ("runs", runs)):
        write_deltalake(str(table_path(root, table)), ledger.rows_table(table, rows))
    commits.record(root, "scenes", "r")
    lake.refresh()
    return lake


def opened(browser: str, page: Path, profile: Path) -> tuple[str, str]:
    """Return the document after its scripts ran, and what the browser complained about."""
    done = subprocess.run(
        [browser, *QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr


def test_scripts_of_archives_do_not_run_and_its_own_does(browser: str, tmp_path: Path) -> None:
    lake = attacked(tmp_path / "<b>lake")
    page = tmp_path / "page.html"
    write_report(lake, page)
    document, complaints = opened(browser, page, tmp_path / "profile")
    assert "<title>&lt;b&gt;lake · geosr_lake</title>" in document
    assert 'class="js"' in document.split("<head>")[0]  # the page's own script ran
    assert document.count("<script") == 1
    assert document.count("document.title=") >= 3 * len(ATTACKS)  # shown, as text
    assert "Content Security Policy" not in complaints


def test_the_policy_stops_a_script_that_would_have_become_markup(
    browser: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    write_report(Lake.create(tmp_path / "lake"), page)
    broken = page.read_text().replace("<main", f"{ATTACKS[0]}{ATTACKS[2][2:]}<main")
    page.write_text(broken)
    document, complaints = opened(browser, page, tmp_path / "profile")
    assert "<title>owned" not in document
    assert "Content Security Policy" in complaints
