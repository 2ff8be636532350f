"""The client of HTTP that msal's tests give to msal, without a network."""


class MinimalResponse:
    def __init__(self, requests_resp=None, status_code=None, text=None, headers=None):
        self._given = requests_resp
        self.status_code = getattr(requests_resp, "status_code", status_code)
        self.text = getattr(requests_resp, "text", text)
        headers = getattr(requests_resp, "headers", headers)
        if headers is not None:
            # One test wants a response that has no headers at all.
            self.headers = headers

    def raise_for_status(self):
        if self._given is not None:
            self._given.raise_for_status()


class MinimalHttpClient:
    def __init__(self, verify=True, proxies=None, timeout=None):
        self.settings = (verify, proxies, timeout)

    def post(self, url, **_request):
        raise ConnectionError(f"there is no network for {url}")

    def get(self, url, **_request):
        raise ConnectionError(f"there is no network for {url}")

    def close(self):
        """There is nothing to close."""
