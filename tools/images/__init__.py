"""OCI layouts on this machine: unpacked, and run as processes from their own files."""
