"""An answer of a provider, as msal reads one."""


class MinimalResponse:
    def __init__(self, status_code=None, text=None, headers=None):
        self.status_code = status_code
        self.text = text
        self.headers = headers or {}

    def raise_for_status(self):
        if self.status_code is None or self.status_code >= 400:
            raise RuntimeError(f"the provider answered {self.status_code}")
