"""The Secret with Redis' password."""

import base64
import secrets

from tests.cluster.kube import Kube
from tests.cluster.release import Values

NAME = "redis-login"


class Login:
    """A password that the cluster knows by a Secret."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.password = ""
        self.rotate()

    def rotate(self, password: str = "") -> str:
        """Writes a new password, this one or any, into the Secret; the one before."""
        before, self.password = self.password, password or secrets.token_hex(12)
        data = {"redis-password": base64.b64encode(self.password.encode()).decode()}
        self._kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "data": data})
        return before

    @property
    def values(self) -> Values:
        """Values that make Redis ask for the password."""
        return {"global": {"redis": {"auth": {"existingSecret": NAME}}}}
