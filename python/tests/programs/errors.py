"""Clauses that programs with msal-extensions have go on catching, and nothing secret is said."""

import errno
import json
import os
import pickle
import sys

import tokenkeep
from tokenkeep import _native, errors

folder = sys.argv[1]

bases = {
    "PersistenceNotFound": OSError,
    "PersistenceUnavailable": RuntimeError,
    "PersistenceTimeout": TimeoutError,
    "PersistenceDenied": PermissionError,
    "PersistenceCorrupt": json.JSONDecodeError,
    "PersistenceKeyGone": errors.PersistenceDecryptionError,
    "LockError": RuntimeError,
    "InvalidError": ValueError,
}
for name, base in bases.items():
    assert issubclass(getattr(errors, name), base), name
for name in errors.__all__:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.Error), name
    if name.startswith("Persistence"):
        assert issubclass(kind, errors.PersistenceError) and issubclass(kind, OSError), name
    error = errors.make(name, "what failed", None, "/a/file", {"kind": "Kind"})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and str(copy) == str(error) == "what failed", name
    assert error.next_step and error.__doc__
made = errors.PersistenceError(-2146893813, "text", "/a/file")
assert (made.errno, made.strerror, made.filename) == (-2146893813, "text", "/a/file")
assert errors.PersistenceNotFound().errno == errno.ENOENT


def raises(kind, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


store = _native.Store.plaintext(os.path.join(folder, "missing", "deep", "file"))
error = raises(errors.PersistenceNotFound, store.save, b"x")
assert error.errno == errno.ENOENT and error.kind == "MissingParent", (error.errno, error.kind)
error = raises(errors.PersistenceNotFound, store.time_last_modified)
assert error.errno == errno.ENOENT and error.filename.endswith("file")

error = raises(ValueError, tokenkeep.open, "a name with blanks")
assert error.kind == "Invalid" and error.next_step == "correct the input"

key = tokenkeep.KeySource.key_file(os.path.join(folder, "key", "k.key"))
place = os.path.join(folder, "sealed")
cache = tokenkeep.open("errors", folder=place, key_sources=[key])
authority = "https://login.example.com/tenant"
secret = "a-secret-that-nobody-says"
answer = json.dumps({"access_token": secret, "expires_in": 3600})
cache.add_response("client", authority, ["read"], answer)
os.unlink(os.path.join(folder, "key", "k.key"))
again = tokenkeep.open("errors", folder=place, key_sources=[key])
error = raises(errors.PersistenceKeyGone, again.accounts)
assert error.is_sign_in_needed and error.filename.startswith(place), error.filename

with open(os.path.join(place, "cache.sealed"), "r+b") as file:
    file.write(b"no")
error = raises(OSError, tokenkeep.open("errors", folder=place, key_sources=[key]).accounts)
assert secret not in str(error) + repr(error) + str(error.source)

plain = os.path.join(folder, "plain")
with open(plain, "w", encoding="utf-8") as file:
    file.write('{"AccessToken": {"%s"' % secret)
error = raises(json.JSONDecodeError, _native.Store.plaintext(plain).cache().accounts)
assert isinstance(error, errors.PersistenceError) and error.kind == "Corrupt"
assert secret not in str(error) + repr(error) + str(error.source) and error.doc == ""

if os.name == "posix":
    # A folder that anybody may change is found out by a look, which makes nothing.
    public = os.path.join(folder, "public")
    os.mkdir(public)
    os.chmod(public, 0o777)
    store = _native.Store.plaintext(os.path.join(public, "sub", "file"))
    error = raises(errors.PersistenceUnsafe, store.reach)
    assert error.filename == os.path.realpath(public) and error.kind == "UnsafePath"
    assert os.listdir(public) == []
    _native.Store.plaintext(os.path.join(folder, "sub", "file")).reach()
    assert not os.path.exists(os.path.join(folder, "sub"))

# What a callback raises comes out as it is.
def no_key(name, key_id, is_new):
    raise LookupError(name)


source = tokenkeep.KeySource.callback(no_key)
cache = tokenkeep.open("callback", folder=os.path.join(folder, "callback"), key_sources=[source])
assert raises(LookupError, cache.prepare).args == ("callback",)

for bad in (-1.0, float("nan")):
    raises(ValueError, _native.Lock, "x", timeout=bad)
print("done")
