"""What a web app on msal for Python does for each request, and what becomes of parallel updates.

Arguments: the port of Redis. The first line of the input is a user's cache as a JSON string, the second a JSON object with
the names `client_id`, `authority`, `home_account_id`, `scope`. Each further line is a piece of work and a count:

`request`: read the user's cache from Redis, ask msal for a token, write the cache back if it changed.
`memory`: ask msal for a token, with the user's cache and the application kept in memory.
`lost`: so many updates of one user, by 16 threads.

For the first two it prints seconds of CPU and of the clock for all, for the last how many updates were lost.
"""

import json
import random
import sys
import threading
import time

import msal
import redis

USERS = 1000
THREADS = 16


class Answer:
    status_code = 200
    headers = {}

    def __init__(self, authority):
        self.text = json.dumps({
            "authorization_endpoint": authority + "/oauth2/v2.0/authorize",
            "token_endpoint": authority + "/oauth2/v2.0/token",
            "issuer": authority + "/v2.0",
        })

    def raise_for_status(self):
        pass


class NoNetwork:
    """Answers the one question that msal asks before it looks into its cache: what the authority's addresses are."""

    def __init__(self, authority):
        self.answer = Answer(authority)

    def get(self, url, **_):
        return self.answer

    def post(self, url, **_):
        raise RuntimeError("the token is in the cache")

    def close(self):
        pass


class Peer:
    def __init__(self, port, document, names):
        self.port, self.names = port, names
        self.redis = redis.Redis(port=port)
        self.network = NoNetwork(names["authority"])
        for user in range(USERS):
            self.redis.set(f"peer:{user}", document)
        self.kept = self.application(self.cache(document))

    def cache(self, document):
        cache = msal.SerializableTokenCache()
        if document:
            cache.deserialize(document)
        return cache

    def application(self, cache):
        return msal.ConfidentialClientApplication(
            self.names["client_id"],
            client_credential="secret",
            authority=self.names["authority"],
            token_cache=cache,
            instance_discovery=False,
            http_client=self.network,
        )

    def ask(self, application):
        home = self.names["home_account_id"]
        account = next(one for one in application.get_accounts() if one["home_account_id"] == home)
        token = application.acquire_token_silent([self.names["scope"]], account=account)
        if "access_token" not in (token or {}):
            raise RuntimeError("msal finds no token")

    def request(self):
        key = f"peer:{random.randrange(USERS)}"
        cache = self.cache(self.redis.get(key).decode())
        self.ask(self.application(cache))
        if cache.has_state_changed:
            self.redis.set(key, cache.serialize())

    def memory(self):
        self.ask(self.kept)

    def lost(self, updates):
        self.redis.delete("peer:hot")
        threads = [threading.Thread(target=self.update, args=(n, updates // THREADS)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cache = self.cache(self.redis.get("peer:hot").decode())
        return updates // THREADS * THREADS - len(list(cache.search("AccessToken")))

    def update(self, thread, updates):
        connection = redis.Redis(port=self.port)
        for number in range(updates):
            stored = connection.get("peer:hot")
            cache = self.cache(stored.decode() if stored else None)
            cache.add({
                "client_id": self.names["client_id"],
                "scope": [f"scope.{thread}.{number}"],
                "token_endpoint": self.names["authority"] + "/oauth2/v2.0/token",
                "response": {"access_token": "a" * 30, "expires_in": 3600, "token_type": "Bearer"},
            })
            connection.set("peer:hot", cache.serialize())


def main():
    peer = Peer(int(sys.argv[1]), *(json.loads(sys.stdin.readline()) for _ in range(2)))
    print(msal.__version__, flush=True)
    for line in sys.stdin:
        work, count = line.split()
        if work == "lost":
            print(peer.lost(int(count)), flush=True)
            continue
        work = getattr(peer, work)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            work()
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


main()
