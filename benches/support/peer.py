"""Processes that each make some updates of one cache of msal-extensions.

Arguments: the cache's file, how many processes, how many updates each, after how many seconds to stop anyhow, a JSON
list of an event for each process. An update that failed is tried again.
Prints how many updates were made, how many failed, and the seconds until the last process had ended.
"""

import json
import os
import sys
import time

# The lock that msal-extensions has as installed, whether or not portalocker is here.
sys.modules["portalocker"] = None
from msal_extensions import FilePersistence, PersistedTokenCache


def work(location, event, go, updates, seconds):
    cache = PersistedTokenCache(FilePersistence(location))
    os.read(go, 1)
    end = time.monotonic() + seconds
    made = failed = 0
    while made < updates and time.monotonic() < end:
        event["response"]["access_token"] = str(made)
        try:
            cache.add(event)
            made += 1
        except Exception:
            failed += 1
    return made, failed


def main():
    location, processes, updates, seconds, events = sys.argv[1:]
    events = json.loads(events)
    cache = PersistedTokenCache(FilePersistence(location))
    for event in events:
        cache.add(event)
    go_read, go_write = os.pipe()
    told_read, told_write = os.pipe()
    for number in range(int(processes)):
        if os.fork() == 0:
            os.close(go_write)
            made, failed = work(location, events[number], go_read, int(updates), float(seconds))
            os.write(told_write, b"%d %d\n" % (made, failed))
            os._exit(0)
    os.close(told_write)
    begun = time.monotonic()
    os.close(go_write)
    with os.fdopen(told_read) as told:
        counts = [[int(word) for word in line.split()] for line in told]
    print(sum(made for made, _ in counts), sum(failed for _, failed in counts), time.monotonic() - begun)


main()
