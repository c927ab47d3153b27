"""Prompts: instructions that a person picks, for work that takes several tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types

from servers.common.protocol.mentions import Mentions

LONGEST_ARGUMENT = 10_000
"""Characters of an argument of a prompt."""


class PromptError(Exception):
    """Wrong arguments of a prompt; the message says what is wrong."""


@dataclass(frozen=True)
class Prompt:
    """A prompt whose text is a template. `arguments` are names to descriptions; each may be left out, with the sentence that
    names it."""

    name: str
    title: str
    description: str
    steps: Sequence[str]
    """Paragraphs; one with {argument} in it is used only where that argument is given."""

    arguments: Mapping[str, str]
    tool: str
    """The tool that the prompt is about; without this tool the prompt is not listed."""

    needs: Callable[[Any], bool] | None = None
    """Whether a reached backend supports the prompt; None: always."""

    def definition(self) -> mcp_types.Prompt:
        return mcp_types.Prompt(
            name=self.name,
            title=self.title,
            description=self.description,
            arguments=[
                mcp_types.PromptArgument(name=name, description=meaning, required=False)
                for name, meaning in self.arguments.items()
            ],
        )

    def get(self, given: Mapping[str, str], mentions: Mentions) -> mcp_types.GetPromptResult:
        """Return the prompt with its arguments, and with steps whose tools are listed. Raise PromptError for an argument that is
        unknown or too long."""
        if unknown := sorted(set(given) - set(self.arguments)):
            raise PromptError(f"prompt {self.name} has no argument {unknown[0][:50]!r}")
        known = {name: value for name, value in given.items() if value}
        if long := [name for name, value in known.items() if len(value) > LONGEST_ARGUMENT]:
            raise PromptError(f"argument {long[0]!r} has {len(known[long[0]])} characters, more than {LONGEST_ARGUMENT}")
        text = []
        for step in map(mentions.steps, self.steps):
            names = [name for name in self.arguments if "{" + name + "}" in step]
            if all(name in known for name in names):
                for name in names:
                    step = step.replace("{" + name + "}", known[name])
                text.append(step)
        message = mcp_types.PromptMessage(role="user", content=mcp_types.TextContent(text="\n\n".join(text)))
        return mcp_types.GetPromptResult(description=self.description, messages=[message])
