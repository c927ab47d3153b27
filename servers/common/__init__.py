"""What every MCP sidecar is: settings, tools, limits, HTTP and stdio, health, metrics, logs, lifecycle."""

VERSION = "0.1.0"
"""The version of the sidecars; MODULE.bazel has the same."""
