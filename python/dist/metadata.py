"""What a wheel and an sdist say about the package, from pyproject.toml and the workspace."""

import pathlib
import re
import tomllib

WORKSPACE = pathlib.Path(__file__).resolve().parents[2]
PYTHON = WORKSPACE / "python"
LICENSES = ("LICENSE-APACHE", "LICENSE-MIT")


def project():
    """The table `project` of pyproject.toml."""
    return tomllib.loads((PYTHON / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def version():
    """The version of the workspace, which is the package's."""
    text = (WORKSPACE / "Cargo.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["workspace"]["package"]["version"]


def core_metadata():
    """The text of METADATA and PKG-INFO (core metadata 2.4)."""
    given = project()
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {given['name']}",
        f"Version: {version()}",
        f"Summary: {given['description']}",
        f"Keywords: {','.join(given['keywords'])}",
        f"Author: {', '.join(author['name'] for author in given['authors'])}",
        f"License-Expression: {given['license']}",
    ]
    lines += [f"License-File: {name}" for name in LICENSES]
    lines += [f"Classifier: {name}" for name in given["classifiers"]]
    lines += [f"Project-URL: {name}, {address}" for name, address in given["urls"].items()]
    lines.append(f"Requires-Python: {given['requires-python']}")
    for extra, wanted in given.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {name}; extra == "{extra}"' for name in wanted]
    lines.append("Description-Content-Type: text/markdown")
    readme = (PYTHON / given["readme"]).read_text(encoding="utf-8")
    return "\n".join(lines) + "\n\n" + readme


def file_name():
    """How files of the package begin, such as `tokenkeep-0.1.0`."""
    name = re.sub(r"[-_.]+", "_", project()["name"]).lower()
    return f"{name}-{version()}"
