"""The native module has what its stub says, no less and no more, and all of it is documented."""

import ast
import os
import sys

import tokenkeep._native as native

stub = os.path.join(os.path.dirname(os.path.realpath(sys.argv[2])), "_native.pyi")
with open(stub, encoding="utf-8") as file:
    tree = ast.parse(file.read())


def public(names):
    return {name for name in names if not name.startswith("_")}


def check(where, node, value):
    assert ast.get_docstring(node), f"{where} has no docstring in the stub"
    assert value.__doc__, f"{where} has no docstring"


written = {}
for node in tree.body:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        written[node.name] = node
    elif isinstance(node, ast.AnnAssign):
        written[node.target.id] = None
assert public(written) == public(dir(native)), public(written) ^ public(dir(native))
for name, node in written.items():
    if node is None or name.startswith("_"):
        continue
    check(name, node, getattr(native, name))
    if isinstance(node, ast.ClassDef):
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        there = public(vars(getattr(native, name)))
        assert public(methods) == there, (name, public(methods) ^ there)
        for method in public(methods):
            check(f"{name}.{method}", methods[method], getattr(getattr(native, name), method))


def parameters(node):
    arguments = node.args
    every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


for name, node in written.items():
    if not isinstance(node, ast.ClassDef):
        continue
    for part in node.body:
        if not isinstance(part, ast.FunctionDef) or part.name.startswith("__"):
            continue
        signature = getattr(getattr(getattr(native, name), part.name), "__text_signature__", None)
        if signature:
            words = signature.replace("(", " ").replace(")", " ").replace(",", " ").split()
            there = [word.split("=")[0] for word in words]
            there = [word for word in there if word.isidentifier() and word not in ("self", "None")]
            there = [word for word in there if word not in ("True", "False")]
            assert parameters(part) == there, (name, part.name, parameters(part), there)
print("done")
