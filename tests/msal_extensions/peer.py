"""msal-extensions at work: what it is told on the command line, with standard input and output.

Usage: peer.py IDENTITY COMMAND LOCATION, where IDENTITY is `default`, `file`, or JSON of LibsecretPersistence's arguments.
"""

import json
import sys
import time

from msal_extensions import (
    FilePersistence,
    LibsecretPersistence,
    PersistedTokenCache,
    build_encrypted_persistence,
)
from msal_extensions.persistence import PersistenceNotFound


class DotNet:
    """The shape of .NET's items: base64, and a schema that is stored but not asked for."""

    def __init__(self, schema, attributes):
        from gi.repository import Secret

        kinds = {name: Secret.SchemaAttributeType.STRING for name in attributes}
        self.secret, self.attributes = Secret, attributes
        self.schema = Secret.Schema.new(schema, Secret.SchemaFlags.DONT_MATCH_NAME, kinds)

    def save(self, content):
        import base64

        content = base64.b64encode(content.encode()).decode()
        assert self.secret.password_store_sync(
            self.schema, self.attributes, None, "label", content, None
        )

    def load(self):
        import base64

        return base64.b64decode(
            self.secret.password_lookup_sync(self.schema, self.attributes, None)
        ).decode()


def persistence(identity, location):
    if identity == "file":
        return FilePersistence(location)
    if identity == "default":
        return build_encrypted_persistence(location)
    arguments = json.loads(identity)
    if "dotnet" in arguments:
        return DotNet(*arguments["dotnet"])
    return LibsecretPersistence(location, **arguments)


def find(cache, client_id):
    found = cache.search("AccessToken", target=["s1"], query={"client_id": client_id})
    return " ".join(entry["secret"] for entry in found)


def update(cache, event):
    """Keeps a whole sign-in, and then one changed token of it, and prints the seconds that each took."""
    begun = time.perf_counter()
    cache.add(event)
    added = time.perf_counter()
    (token,) = cache.search(
        "AccessToken", target=event["scope"], query={"client_id": event["client_id"]}
    )
    found = time.perf_counter()
    cache.modify("AccessToken", token, {"secret": "modified"})
    print(added - begun, time.perf_counter() - found, flush=True)


def main():
    identity, command, location = sys.argv[1:]
    place = persistence(identity, location)
    if command == "save":
        place.save(sys.stdin.read())
    elif command == "load":
        try:
            sys.stdout.write(place.load())
        except PersistenceNotFound:
            sys.exit(3)
    elif command == "clear":
        place._agent.clear()
    elif command == "add":
        PersistedTokenCache(place).add(json.load(sys.stdin))
    elif command == "find":
        cache = PersistedTokenCache(place)
        for line in sys.stdin:
            print(find(cache, line.strip()), flush=True)
    elif command == "update":
        cache = PersistedTokenCache(place)
        for line in sys.stdin:
            update(cache, json.loads(line))


main()
