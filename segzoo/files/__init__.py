"""Files that are whole or not there: written, locked, downloaded, unpacked and named."""
