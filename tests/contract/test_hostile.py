"""Whatever is sent, by whomever: what the document says is answered, alike on both databases, and never a 5xx."""

import copy
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import schemathesis
from schemathesis.generation import GenerationMode

from app.core.settings import Settings
from tests.conftest import Report
from tests.contract.hostile import Mixer, accepts_what_is_forbidden, from_document, prepared
from tests.contract.twins import Twins, twins
from tests.document import expanded
from tests.effort import effort

CASES = effort("GENERATED", 24, long=1500)  # requests to each database
VARIANTS = 6 if CASES <= 1500 else 12  # of each request, all but the first with something else in it
EXAMPLES = 1 if CASES <= 100 else 4 if CASES <= 1500 else 16
"""Requests of an operation and mode at a time: to generate one costs more than to send all of its variants to both."""
ROUTES = re.compile(os.environ.get("ROUTES", ""))
"""Which routes are asked: `ROUTES=people|roles` takes those whose paths match."""


def can_be_wrong(operation: schemathesis.APIOperation) -> bool:
    """Whether a request can break the document: with nothing but an id in its path, any id at all fits."""
    return bool(operation.body or operation.query or operation.headers)


def ask(pair: Twins, operation: schemathesis.APIOperation, mode: GenerationMode, number: int) -> None:
    """Send generated requests to an operation, each as somebody else."""
    mixer, callers = Mixer(pair.servers[0].things, pair.servers[0].bodies), sorted(pair.servers[0].callers)

    def send(case: schemathesis.Case) -> None:
        whole = copy.deepcopy((case.path_parameters, case.query, case.body))
        for number in range(VARIANTS):
            case.path_parameters, case.query, case.body = copy.deepcopy(whole)
            send_variant(case, number > 0 and mixer.mix(case))

    def send_variant(case: schemathesis.Case, changed: bool) -> None:
        headers = {"If-Match": "*"} if case.method not in {"GET", "HEAD"} and random.random() < 0.9 else {}
        caller = random.choice(["admin", *callers])
        request = prepared(case, headers)
        if request is None:
            return
        answer = pair.send(operation.label, request, caller)
        is_forbidden = mode is GenerationMode.NEGATIVE and not (changed or headers)
        if is_forbidden and accepts_what_is_forbidden(case, request, answer):
            pair.note(f"{operation.label}: accepts what the document forbids", request, caller)

    from_document(operation, mode, number, send)


@pytest.mark.long
def test_generated_requests(
    all_settings: Settings,
    tmp_path: Path,
    sqlite_template: Path,
    postgres_url: str,
    empty_postgres: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    report: Report,
) -> None:
    shutil.copy(sqlite_template, tmp_path / "broadsheet.db")
    empty_postgres()
    urls = {"SQLite": f"sqlite:///{tmp_path / 'broadsheet.db'}", "PostgreSQL": postgres_url}
    settings = all_settings.model_copy(update={"data_dir": tmp_path / "data"})
    with twins(settings, urls, monkeypatch) as pair:
        document = expanded(pair.servers[0].checked.document)
        for _, methods in document["paths"].items():  # who calls is chosen here, and not generated
            for operation in methods.values():
                operation["security"] = []
        every = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
        every = [operation for operation in every if ROUTES.search(operation.path)]
        rounds = [(operation, mode) for operation in every for mode in GenerationMode]
        rounds = [each for each in rounds if each[1] is GenerationMode.POSITIVE or can_be_wrong(each[0])]
        while pair.asked < CASES:
            random.shuffle(rounds)
            for operation, mode in rounds:
                ask(pair, operation, mode, EXAMPLES)
                if pair.asked >= CASES:
                    break
    statuses = Counter(status for seen in pair.statuses.values() for status in seen)
    report(requests=pair.asked, operations=len(pair.statuses), operations_by_status=dict(sorted(statuses.items())))
    assert not pair.faults, "\n\n".join(f"{what}\n  {sent[:900]}" for what, sent in sorted(pair.faults.items()))
