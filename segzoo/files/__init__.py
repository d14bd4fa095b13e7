"""Files: written atomically, locked, downloaded, unpacked and named."""
