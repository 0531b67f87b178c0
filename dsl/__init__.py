"""From the text of a ruleset to checked rules."""

from rulec.dsl.files import Loaded, load, load_text
from rulec.dsl.format import format_text
from rulec.dsl.render import render, to_record

__all__ = ["Loaded", "format_text", "load", "load_text", "render", "to_record"]
