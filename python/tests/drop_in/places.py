"""Places for a cache that programs may make themselves."""

import time

from tokenkeep.msal_extensions import BasePersistence
from tokenkeep.msal_extensions.persistence import PersistenceNotFound


class InMemory(BasePersistence):
    """What a program may keep in Redis."""

    def __init__(self, location):
        self.location, self.content, self.saves, self.time = location, None, 0, 0

    def save(self, content):
        self.content, self.saves, self.time = content, self.saves + 1, self.time + 1

    def load(self):
        if self.content is None:
            raise PersistenceNotFound()
        return self.content

    def time_last_modified(self):
        if self.content is None:
            raise PersistenceNotFound()
        return self.time

    def get_location(self):
        return self.location


class Slow(InMemory):
    """A place that takes its time, as vaults do."""

    def __init__(self, location, seconds):
        super().__init__(location)
        self.seconds = seconds

    def save(self, content):
        time.sleep(self.seconds)
        super().save(content)
