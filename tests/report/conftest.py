"""The two sample runs, built once."""

from __future__ import annotations

import pytest
import sample
from page import Page

from nndebug.report import build, html


@pytest.fixture(scope="session")
def sick(tmp_path_factory):
    """The report of the run that the first update kills."""
    return build(*sample.sick(tmp_path_factory.mktemp("runs") / "blog-relu"))


@pytest.fixture(scope="session")
def healthy(tmp_path_factory):
    """The report of the run that learns."""
    return build(*sample.healthy(tmp_path_factory.mktemp("runs") / "blog-relu-fixed"))


@pytest.fixture(scope="session")
def sick_page(sick):
    return Page(html.render(sick))


@pytest.fixture(scope="session")
def healthy_page(healthy):
    return Page(html.render(healthy))
