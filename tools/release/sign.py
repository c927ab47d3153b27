"""bazel run //servers/redis:sign -- --repository R --key K: signs the image's index, and the images in it, with cosign."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.backends.runfiles import enter_working_directory, program
from tools.release import oci


def main() -> None:
    enter_working_directory()
    parser = argparse.ArgumentParser(
        prog="sign",
        description="Signs the image as it is built here, in the repository it was pushed to, with a key of cosign's.",
        epilog="cosign reads the key's password from COSIGN_PASSWORD or asks for it; logins are docker's own.",
    )
    parser.add_argument("--repository", required=True, help="where the image is, such as registry.example/team/mcp/redis")
    parser.add_argument("--key", required=True, help="what cosign takes: a file, env://VARIABLE, or a key service's URI")
    parser.add_argument("--digest", help="sign this digest in place of the one that is built here: sha256:...")
    parser.add_argument("--provenance", type=Path, help="attest this statement too: NAME.provenance.json of the release")
    parser.add_argument("--transparency-log", action="store_true", help="enter the signature into the public log of Sigstore")
    parser.add_argument("--plain-http", action="store_true", help="speak HTTP without TLS to the registry")
    given = parser.parse_args()
    cosign = shutil.which("cosign")
    if not cosign:
        sys.exit("sign: cosign is not on PATH: install it (https://docs.sigstore.dev/cosign/system_config/installation/)")
    reference = f"{given.repository}@{given.digest or oci.top(program('INDEX')).digest}"
    flags = ["--key", given.key, "--yes", f"--tlog-upload={str(given.transparency_log).lower()}"]
    flags += ["--allow-http-registry"] if given.plain_http else []
    commands = [[cosign, "sign", "--recursive", *flags, reference]]
    with tempfile.TemporaryDirectory(prefix="sign.") as folder:
        if given.provenance:
            try:
                statement = json.loads(given.provenance.read_text())
                predicate = statement["predicate"]
                subjects = {f"sha256:{subject['digest']['sha256']}" for subject in statement["subject"]}
            except (OSError, ValueError, KeyError, TypeError) as error:
                sys.exit(f"sign: {given.provenance} is no provenance of a release: {error}")
            if reference.rsplit("@", 1)[1] not in subjects:
                sys.exit(f"sign: {given.provenance} is about another image than {reference}")
            file = Path(folder, "predicate.json")
            file.write_text(json.dumps(predicate))
            commands.append([cosign, "attest", "--type=slsaprovenance1", "--predicate", str(file), *flags, reference])
        for command in commands:
            done = subprocess.run(command, check=False)
            if done.returncode:
                sys.exit(f"sign: cosign {command[1]} failed for {reference}: see above; was the image pushed?")
    print(f"signed {reference}")


if __name__ == "__main__":
    main()
