"""Writes an sdist, from which maturin builds the package: `sdist.py FOLDER`.

It has the whole workspace as version control has it, so that it builds with the lock file.
"""

import gzip
import io
import pathlib
import subprocess
import sys
import tarfile

import metadata


def pyproject():
    """pyproject.toml for the root of the sdist, where the crate is one folder further down."""
    text = (metadata.PYTHON / "pyproject.toml").read_text(encoding="utf-8")
    for there, here in {
        'readme = "README.md"': 'readme = "python/README.md"',
        'manifest-path = "Cargo.toml"': 'manifest-path = "python/Cargo.toml"',
        'python-source = "python"': 'python-source = "python/python"',
        'include = ["python"]': 'include = ["python/python"]',
    }.items():
        if text.count(there) != 1:
            raise SystemExit(f"pyproject.toml does not have `{there}` once")
        text = text.replace(there, here)
    return text


def files():
    """The files of the sdist, by their names in it."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=metadata.WORKSPACE, check=True, stdout=subprocess.PIPE)
    for name in sorted(listed.stdout.decode().split("\0")):
        path = metadata.WORKSPACE / name
        if name and path.is_file():
            yield name, path.read_bytes()
    yield "pyproject.toml", pyproject().encode()
    yield "PKG-INFO", metadata.core_metadata().encode()


def write(folder):
    """Writes the sdist, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = metadata.file_name()
    path = folder / f"{begin}.tar.gz"
    # Without a time, so that the same input makes the same file.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in files():
                entry = tarfile.TarInfo(f"{begin}/{name}")
                entry.size = len(content)
                entry.mode = 0o644
                archive.addfile(entry, io.BytesIO(content))
    return path


if __name__ == "__main__":
    print(write(pathlib.Path(sys.argv[1])))
