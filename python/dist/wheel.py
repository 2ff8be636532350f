"""Writes a wheel from the sources and a native module: `wheel.py LIBRARY FOLDER [PLATFORM]`.

PLATFORM is a platform tag. Without it, it is found out on Linux from the C library that the module
needs, and elsewhere it is that of this Python.
"""

import base64
import hashlib
import pathlib
import re
import sys
import sysconfig
import zipfile

import metadata

# The oldest date that a zip file can have: the same input makes the same wheel.
DATE = (1980, 1, 1, 0, 0, 0)


def platform_tag(library):
    """The platform tag of a native module."""
    ours = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if not sys.platform.startswith("linux"):
        return ours
    machine = ours.split("_", 1)[1]
    bytes_ = library.read_bytes()
    minors = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", bytes_)]
    if not minors:
        raise SystemExit(f"{library} names no version of the GNU C library; give the platform")
    return f"manylinux_2_{max(minors)}_{machine}"


def native_name():
    """The name of the native module in the package."""
    return "_native.pyd" if sys.platform == "win32" else "_native.abi3.so"


def contents(library):
    """The files of the package, by their names in the wheel."""
    source = metadata.PYTHON / "python"
    for path in sorted((source / "tokenkeep").rglob("*")):
        if path.suffix in (".py", ".pyi") or path.name == "py.typed":
            yield path.relative_to(source).as_posix(), path.read_bytes()
    yield f"tokenkeep/{native_name()}", library.read_bytes()


def write(library, folder, tag):
    """Writes the wheel, and returns its path."""
    begin = metadata.file_name()
    info = f"{begin}.dist-info"
    tags = f"cp39-abi3-{tag}"
    said = f"Wheel-Version: 1.0\nGenerator: tokenkeep\nRoot-Is-Purelib: false\nTag: {tags}\n"
    files = dict(contents(library))
    files[f"{info}/METADATA"] = metadata.core_metadata().encode()
    files[f"{info}/WHEEL"] = said.encode()
    for name in metadata.LICENSES:
        files[f"{info}/licenses/{name}"] = (metadata.WORKSPACE / name).read_bytes()
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    lines.append(f"{info}/RECORD,,\n")
    files[f"{info}/RECORD"] = "".join(lines).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{begin}-{tags}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if name.endswith(".so") else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    return wheel


def main():
    library, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    tag = sys.argv[3] if len(sys.argv) > 3 else platform_tag(library)
    print(write(library, folder, tag))


if __name__ == "__main__":
    main()
