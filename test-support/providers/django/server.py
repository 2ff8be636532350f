"""django-oauth-toolkit on loopback for tests. It rotates refresh tokens with a leeway, and a
token's use after that ends its sign-in.

Arguments: a folder for its database, the seconds that an access token lives, and those of the
leeway.

The first line of its output names its endpoints as JSON. Then each refresh says "arrived", says
"rotated" if tokens were issued, and says "answered". It ends with its standard input, so it does
not outlive who started it.
"""

import json
import os
import secrets
import socket
import sys
import threading
import time
import uuid
from pathlib import Path

import django
from django.conf import settings
from jwcrypto import jwk

folder, lifetime, leeway = sys.argv[1:]

CLIENT = "client"
# A client of django-oauth-toolkit has one way to sign in.
DEVICE_CLIENT = "device"
PASSWORD = "a password of the tests"
SCOPE = "openid profile offline_access api.read"
TOKEN = "/o/token/"
REVOCATION = "/o/revoke_token/"
# Marks a request of the test's own: it is answered at once, and not counted.
ASIDE = "tokenkeep-test-aside"
LOGIN = "/login/"
APPS = ["auth", "contenttypes", "oauth2_provider"]

PAGES = {
    # Without the style sheets of other hosts.
    "oauth2_provider/base.html": "{% block content %}{% endblock %}",
    "login.html": '<form method="post">{% csrf_token %}{{ form }}<input type="hidden" name="next" '
    'value="{{ next }}"><button>Log in</button></form>',
}

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(folder, "provider.sqlite"),
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF",
                # A transaction that only reads first could not write beside another.
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    LOGGING={"version": 1, "disable_existing_loggers": False},
    LOGIN_URL=LOGIN,
    MIDDLEWARE=[
        "__main__.middleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    # The tables as they are today, without their history.
    MIGRATION_MODULES={app: None for app in APPS},
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(lifetime),
        # How often a device asks. A test should not wait long.
        "DEVICE_FLOW_INTERVAL": 1,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": jwk.JWK.generate(kty="RSA", size=2048)
        .export_to_pem(private_key=True, password=None)
        .decode(),
        "REFRESH_TOKEN_EXPIRE_SECONDS": 86400,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": int(leeway),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "ROTATE_REFRESH_TOKEN": True,
        "SCOPES": {scope: scope for scope in SCOPE.split()},
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", PAGES),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402
from oauth2_provider.settings import oauth2_settings  # noqa: E402

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path(LOGIN[1:], LoginView.as_view(template_name="login.html")),
]

lock = threading.Lock()
record = {"exchanges": 0, "refused": 0, "reuse": 0, "revoked": 0, "took": 0}
# Each refresh token that was issued, with the one that was spent for it.
issued = []
answers = "good"
delay = 0.0


def say(line):
    with lock:
        print(line, flush=True)


def middleware(handle):
    def answer(request):
        if request.path.startswith("/_test/"):
            return control(request)
        if request.path == TOKEN:
            return refresh(request, handle)
        response = handle(request)
        if request.path == REVOCATION and response.status_code == 200:
            with lock:
                record["revoked"] += 1
        return response

    return answer


def refresh(request, handle):
    global answers
    if ASIDE in request.headers:
        return count(request, handle(request), is_aside=True)
    begun = time.monotonic()
    say("arrived")
    if answers == "html":
        return HttpResponse("<html><body>Sign in to the network</body></html>")
    if answers == "unavailable":
        page = "<html><body>Service Unavailable</body></html>"
        return HttpResponse(page, status=503, headers={"Retry-After": "7"})
    if answers == "busy":
        error = {"error": "temporarily_unavailable"}
        return JsonResponse(error, status=429, headers={"Retry-After": "11"})
    response = count(request, handle(request))
    if response.status_code == 200:
        say("rotated")
    if answers == "cut":
        answers = "good"
        request.environ["tokenkeep.connection"].shutdown(socket.SHUT_RDWR)
    # The tokens are issued by then, so the delay is that of the way back.
    time.sleep(delay)
    with lock:
        record["took"] = (time.monotonic() - begun) * 1000
    return response


def count(request, response, is_aside=False):
    spent = request.POST.get("refresh_token")
    if spent is None:
        # Its client was killed while it sent.
        return response
    with lock:
        if not is_aside and any(spent == other["spent"] for other in issued):
            record["reuse"] += 1
        if response.status_code == 200:
            issued.append({"spent": spent, "token": json.loads(response.content)["refresh_token"]})
        if not is_aside:
            record["exchanges" if response.status_code == 200 else "refused"] += 1
    return response


def control(request):
    global answers, delay
    parameters = request.GET
    if request.path == "/_test/sign-in":
        return HttpResponse(sign_in(parameters["user"]))
    if request.path == "/_test/record":
        with lock:
            return JsonResponse({**record, "issued": issued[int(parameters["from"]) :]})
    if request.path == "/_test/answers":
        answers = parameters["answers"]
        delay = float(parameters["milliseconds"]) / 1000
        return HttpResponse()
    return HttpResponse(status=404)


def sign_in(name):
    """The refresh token of a new grant, as if the user had agreed in a browser."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    common = {"user": user, "application": Application.objects.get(client_id=CLIENT)}
    access_token = AccessToken.objects.create(
        **common, token=secrets.token_urlsafe(), expires=timezone.now(), scope=SCOPE
    )
    token = secrets.token_urlsafe()
    RefreshToken.objects.create(
        **common, token=token, access_token=access_token, token_family=uuid.uuid4()
    )
    return token


class Handler(WSGIRequestHandler):
    def get_environ(self):
        return {**super().get_environ(), "tokenkeep.connection": self.connection}

    def handle_one_request(self):
        super().handle_one_request()
        if getattr(self, "path", None) == TOKEN and ASIDE not in self.headers:
            say("answered")

    def log_message(self, *_):
        pass


def end_with_input():
    sys.stdin.read()
    os._exit(0)


call_command("migrate", run_syncdb=True, verbosity=0)
for client, grant, redirect_uris in (
    (CLIENT, Application.GRANT_AUTHORIZATION_CODE, "http://127.0.0.1/callback"),
    (DEVICE_CLIENT, Application.GRANT_DEVICE_CODE, ""),
):
    Application.objects.create(
        client_id=client,
        client_secret="",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=grant,
        redirect_uris=redirect_uris,
        algorithm="RS256",
    )
get_user_model().objects.create_user("ada", password=PASSWORD)
threading.Thread(target=end_with_input, daemon=True).start()
server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
server.set_app(get_wsgi_application())
origin = f"http://127.0.0.1:{server.server_port}"
oauth2_settings.OAUTH_DEVICE_VERIFICATION_URI = f"{origin}/o/device/"
endpoints = {
    "control": f"{origin}/_test",
    "issuer": f"{origin}/o",
    "token_endpoint": f"{origin}{TOKEN}",
    "revocation_endpoint": f"{origin}{REVOCATION}",
}
say(json.dumps(endpoints))
server.serve_forever()
