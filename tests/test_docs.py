"""Links and references of the documentation."""

import json
import re
from pathlib import Path

import pytest

import robomtl
from robomtl.adaptation.adapting import configure
from robomtl.registry import METHODS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not link.startswith(("http", "mailto")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            docs = ROOT / "docs"  # The site that is built of it has nothing else.
            assert not page.is_relative_to(docs) or target.is_relative_to(docs), link
            assert not anchor or anchor in anchors(target), link


def test_every_method_has_its_equation_source_cost_and_command():
    sections = (ROOT / "docs" / "methods.md").read_text().split("\n### ")[1:]
    found = dict(section.split("\n", 1) for section in sections)
    assert sorted(found) == sorted(METHODS.names())
    for name, section in found.items():
        parts = ("\n    ", "- Source: ", "- Departures: ", "- Cost: ", "- Command: `")
        assert all(part in section for part in parts), name
        command = section.split("- Command: `")[1].split("`")[0]
        assert f"--methods {name}" in command
        assert ("--train" in command) == (METHODS.get(name).objective is not None)
        for given in re.findall(rf"{name}\.(\w+=\S+)", command):
            setting, value = given.split("=")
            read = json.loads(value) if value[0].isdigit() else value
            configure(name, {setting: read})


def test_the_reference_names_everything_that_the_package_offers():
    page = (ROOT / "docs" / "api.md").read_text()
    named = re.findall(r"auto(?!module)\w+:: robomtl\.(\w+)", page)
    assert sorted(named) == sorted(robomtl.__all__)
