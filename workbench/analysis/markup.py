"""HTML files from Jinja templates: every value is text and is escaped, but for what is `Markup` already."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(package: str, template: str, **values: object) -> Markup:
    """A template of a package, filled in.

    Args:
        package: whose folder `templates/` holds it.
        template: the file's name.
        values: what the template names; text is escaped.

    Raises:
        jinja2.UndefinedError: the template names a value that was not given.
    """
    return Markup(_environment(package).get_template(template).render(**values))  # noqa: S704  autoescaped
