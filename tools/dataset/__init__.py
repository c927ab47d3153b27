"""The data of the quickstart: packages of Debian 12, and what an application that indexes them keeps in Redis."""
