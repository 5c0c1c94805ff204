"""Lets mkdocstrings read the docstrings as they are written here."""

import re

import griffe

ROLE = re.compile(r':(?:attr|class|func|math|meth|mod):`~?([^`]+)`')


class Docstrings(griffe.Extension):
    """Make examples of ``Example:``, and code of the roles of Sphinx."""

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        """Change the text before it is parsed."""
        if obj.docstring:
            text = ROLE.sub(r'`\1`', obj.docstring.value)
            obj.docstring.value = re.sub(
                r'^Example:$', 'Examples:', text, flags=re.M
            )
