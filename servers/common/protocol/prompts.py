"""Prompts: instructions that a person picks, for work that takes several tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types

from servers.common.protocol.mentions import Mentions


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
        """Return the prompt with its arguments, and with steps whose tools are listed. An unknown argument is a PromptError."""
        if unknown := sorted(set(given) - set(self.arguments)):
            raise PromptError(f"prompt {self.name} has no argument {unknown[0][:50]!r}")
        known = {name: value for name, value in given.items() if value}
        text = []
        for step in map(mentions.steps, self.steps):
            names = [name for name in self.arguments if "{" + name + "}" in step]
            if all(name in known for name in names):
                for name in names:
                    step = step.replace("{" + name + "}", known[name][:200])
                text.append(step)
        message = mcp_types.PromptMessage(role="user", content=mcp_types.TextContent(text="\n\n".join(text)))
        return mcp_types.GetPromptResult(description=self.description, messages=[message])
