"""The Zot of the tests beyond what was recorded: counting, failing, restarting, paging, tokens."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.servers import images
from tests.servers.access import Anonymous, Bearer, Htpasswd
from tests.servers.certificates import Authority
from tests.servers.model import Model
from tests.servers.recordings import Answer, ask
from tests.servers.tokens import TokenServer
from tests.servers.zot import ZotServer
from tests.servers.zot_search import BEFORE_2_1_15

_TAGS = "/v2/team/app/tags/list"


def _model(*tags: str) -> Model:
    model = Model()
    model.push_all("team/app", [(tag, images.image(labels={"tag": tag})) for tag in tags])
    return model


def _search(server: ZotServer, query: str) -> Answer:
    return ask(server.url, "GET", f"/v2/_zot/ext/search?query={quote(query)}")


def _told(server: ZotServer, fields: str) -> Any:
    query = f'{{ExpandedRepoInfo(repo:"team/app"){{Images{{{fields}}}}}}}'
    return _search(server, query).json["data"]["ExpandedRepoInfo"]["Images"]


def test_requests_are_noted_as_served() -> None:
    with ZotServer(_model("v1")) as zot:
        ask(zot.url, "GET", f"{_TAGS}?n=1")
        ask(zot.url, "HEAD", "/v2/team/app/manifests/v9")

    noted = [(each.method, each.target, each.status) for each in zot.requests]
    assert noted == [("GET", f"{_TAGS}?n=1", 200), ("HEAD", "/v2/team/app/manifests/v9", 404)]
    assert zot.targets("HEAD") == ["/v2/team/app/manifests/v9"]


def test_a_connection_serves_many_requests() -> None:
    with ZotServer(_model("v1")) as zot:
        connection = http.client.HTTPConnection(zot.address)
        for _ in range(3):
            connection.request("GET", _TAGS)
            connection.getresponse().read()
        connection.close()

    assert (zot.connections, len(zot.requests)) == (1, 3)


def test_the_next_requests_fail_as_wanted() -> None:
    with ZotServer(_model("v1")) as zot:
        zot.fail_next(503, None)
        assert ask(zot.url, "GET", _TAGS).status == 503
        with pytest.raises(http.client.RemoteDisconnected):
            ask(zot.url, "GET", _TAGS)
        assert ask(zot.url, "GET", _TAGS).status == 200

    assert [each.status for each in zot.requests] == [503, 0, 200]


def test_a_restart_keeps_the_address_and_what_is_held() -> None:
    zot = ZotServer(_model("v1", "v2"))
    with zot:
        url = zot.url
        zot.stop()
        with pytest.raises(ConnectionRefusedError):
            ask(url, "GET", _TAGS)
        zot.model.forget("team/app", ["v2"])
        zot.start()
        listed = ask(url, "GET", _TAGS).json["tags"]
        known = [each["Tag"] for each in _told(zot, "Tag")]

    assert (listed, known) == (["v1", "v2"], ["v1"])


def test_a_repository_that_search_lost_is_an_error_and_still_listed() -> None:
    with ZotServer(_model("v1")) as zot:
        zot.model.forget("team/app")
        answer = _search(zot, '{ExpandedRepoInfo(repo:"team/app"){Images{Tag}}}').json
        assert ask(zot.url, "GET", _TAGS).json["tags"] == ["v1"]

    assert answer["data"] is None
    assert answer["errors"][0]["message"] == "repo metadata not found for given repo name"


def test_requests_wait_while_they_are_held_back() -> None:
    answers: list[int] = []
    with ZotServer(_model("v1")) as zot:
        asking = [
            threading.Thread(target=lambda: answers.append(ask(zot.url, "GET", _TAGS).status))
            for _ in range(5)
        ]
        with zot.held():
            for each in asking:
                each.start()
            zot.wait_for(5)
            assert (answers, zot.requests) == ([], [])
        for each in asking:
            each.join()

    assert answers == [200] * 5


def test_no_thread_and_no_connection_outlives_the_server() -> None:
    before = threading.active_count()
    zot = ZotServer(_model("v1"))
    with zot:
        connection = http.client.HTTPConnection(zot.address)
        connection.request("GET", _TAGS)
        connection.getresponse().read()
    connection.close()

    assert threading.active_count() == before


def test_a_walk_is_cut_where_its_tag_is_deleted_between_two_pages() -> None:
    with ZotServer(_model("v1", "v2", "v3")) as zot:
        first = ask(zot.url, "GET", f"{_TAGS}?n=2")
        zot.model.delete("team/app", "v2")
        second = ask(zot.url, "GET", f"{_TAGS}?n=2&last=v2")

    assert first.headers["link"] == f'<{_TAGS}?n=2&last=v2>; rel="next"'
    assert (second.status, second.body) == (404, "")


def test_getting_a_manifest_counts_as_a_pull_and_looking_does_not() -> None:
    with ZotServer(_model("v1")) as zot:
        digest = _told(zot, "Digest")[0]["Digest"]
        ask(zot.url, "HEAD", "/v2/team/app/manifests/v1")
        ask(zot.url, "GET", f"/v2/team/app/blobs/{digest}")
        before = _told(zot, "DownloadCount")
        ask(zot.url, "GET", "/v2/team/app/manifests/v1")

        assert (before, _told(zot, "DownloadCount")) == (
            [{"DownloadCount": 0}],
            [{"DownloadCount": 1}],
        )


def test_an_older_zot_refuses_newer_fields_and_answers_the_rest() -> None:
    with ZotServer(_model("v1"), lacks=BEFORE_2_1_15) as zot:
        query = '{ExpandedRepoInfo(repo:"team/app"){Images{Tag TaggedTimestamp}}}'
        refused = _search(zot, query)

        assert refused.status == 422
        assert "TaggedTimestamp" in refused.json["errors"][0]["message"]
        assert _told(zot, "PushTimestamp") == [{"PushTimestamp": "2026-01-01T00:00:00Z"}]


def test_complaints_come_with_the_data() -> None:
    """A real Zot does so; who takes any error for a failure loses an answer."""
    history = [{"created": "2026-01-01T00:00:00Z"}] * 2
    model = Model()
    model.push("team/app", "v1", images.image(history=history))
    with ZotServer(model) as zot:
        answer = _search(zot, '{ExpandedRepoInfo(repo:"team/app"){Images{Tag}}}')

    assert answer.status == 200
    assert answer.json["data"] == {"ExpandedRepoInfo": {"Images": [{"Tag": "v1"}]}}
    assert "error generating history" in answer.json["errors"][0]["message"]


def test_a_scan_is_told_where_there_are_data() -> None:
    model = _model("v1", "v2")
    model.scan(model.repositories["team/app"].tags["v1"], ("CVE-2026-1", "HIGH"))
    with ZotServer(model, cve="data") as zot:
        told = _told(zot, "Tag Vulnerabilities{MaxSeverity}")
        listed = _search(zot, '{CVEListForImage(image:"team/app:v1"){Tag CVEList{Id Severity}}}')

    severities = {each["Tag"]: each["Vulnerabilities"]["MaxSeverity"] for each in told}
    assert severities == {"v1": "HIGH", "v2": ""}
    assert listed.json["data"]["CVEListForImage"]["CVEList"] == [
        {"Id": "CVE-2026-1", "Severity": "HIGH"}
    ]


def test_rates_are_for_each_path_and_fill_up_again() -> None:
    times = iter([0.0, 0.0, 0.0, 0.5, 0.6])
    with ZotServer(_model("v1"), rate=2, clock=times.__next__) as zot:
        answers = [ask(zot.url, "GET", _TAGS) for _ in range(3)]
        later = ask(zot.url, "GET", _TAGS)
        other = ask(zot.url, "GET", "/v2/_catalog")

    assert [each.status for each in answers] == [200, 200, 429]
    assert [each.headers["ratelimit-remaining"] for each in answers] == ["1", "0", "0"]
    assert (later.status, other.status) == (200, 200)


def test_a_delay_and_the_cost_of_passwords_are_asked_for_each_request() -> None:
    asked: list[str] = []
    access = Htpasswd({"alice": "made-up"}, cost=0.001)

    def delay(request: Any) -> float:
        asked.append(request.path)
        return 0.0

    with ZotServer(_model("v1"), access=access, delay=delay) as zot:
        login = {"Authorization": "Basic YWxpY2U6bWFkZS11cA=="}
        assert ask(zot.url, "GET", _TAGS, login).status == 200

    assert asked == [_TAGS]
    assert access.seconds(zot.requests[0].request) == 0.001


@pytest.mark.parametrize(
    "header",
    ["Basic !!!", "Basic /w==", "Basic", "Digest x", "Basic YWxpY2U6d3Jvbmc="],
    ids=["no base 64", "no UTF-8", "empty", "another scheme", "a wrong password"],
)
def test_bad_logins_are_refused(header: str) -> None:
    with ZotServer(_model("v1"), access=Htpasswd({"alice": "made-up"})) as zot:
        assert ask(zot.url, "GET", _TAGS, {"Authorization": header}).status == 401


def test_credentials_are_no_matter_where_nobody_asks_for_them() -> None:
    with ZotServer(_model("v1"), access=Anonymous()) as zot:
        assert ask(zot.url, "GET", _TAGS, {"Authorization": "Bearer x"}).status == 200


def _token(tokens: TokenServer, scope: str, login: str = "") -> Answer:
    headers = {"Authorization": login} if login else {}
    return ask(tokens.url, "GET", f"/auth/token?service=x&scope={scope}", headers)


def test_tokens_open_what_they_name_until_they_expire() -> None:
    now = [1_000.0]
    with TokenServer(lifetime=60, clock=lambda: now[0]) as tokens:
        access = Bearer(tokens.realm, tokens.granted)
        with ZotServer(_model("v1"), access=access) as zot:
            given = _token(tokens, "repository:team/app:pull,push").json
            header = {"Authorization": f"Bearer {given['token']}"}
            fresh = ask(zot.url, "GET", _TAGS, header)
            elsewhere = ask(zot.url, "GET", "/v2/team/other/tags/list", header)
            now[0] += 60
            expired = ask(zot.url, "GET", _TAGS, header)

    assert given["expires_in"] == 60
    assert (fresh.status, elsewhere.status, expired.status) == (200, 401, 401)
    assert 'scope="repository:team/other:pull"' in elsewhere.headers["www-authenticate"]
    assert "www-authenticate" not in expired.headers


def test_a_token_server_leaves_out_what_it_refuses() -> None:
    def allow(user: str, scope: str) -> bool:
        return user == "alice" and scope.endswith(":pull")

    server = TokenServer({"alice": "made-up"}, allow=allow, fields=["access_token"], stated=None)
    with server as tokens:
        login = "Basic YWxpY2U6bWFkZS11cA=="
        given = _token(tokens, "repository:a:pull,push", login).json
        anonymous = _token(tokens, "repository:a:pull").json
        wrong = _token(tokens, "repository:a:pull", "Basic YWxpY2U6d3Jvbmc=")
        elsewhere = ask(tokens.url, "POST", "/auth/token")
        granted = tokens.granted(given["access_token"])
        tokens.revoke()

    assert granted == frozenset({"repository:a:pull"})
    assert tokens.granted(given["access_token"]) is None
    assert list(anonymous) == ["access_token"]
    assert (wrong.status, elsewhere.status) == (401, 404)


def test_tls_is_spoken_with_the_certificates_of_the_tests(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with ZotServer(_model("v1"), tls=authority.server_context()) as zot:
        assert ask(zot.url, "GET", _TAGS, tls=trusting).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(zot.url, "GET", _TAGS, tls=ssl.create_default_context())


def test_a_client_without_a_certificate_is_sent_away(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.file))
    with ZotServer(_model("v1"), tls=authority.server_context(clients=True)) as zot:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(zot.url, "GET", _TAGS, tls=context)
        client = authority.client()
        context.load_cert_chain(client.certificate_file, client.key_file)
        assert ask(zot.url, "GET", _TAGS, tls=context).status == 200


def test_a_question_may_come_by_get_or_post_with_variables() -> None:
    query = "query Q($r: String!) { a: ImageList(repo: $r) { Page { TotalCount } } }"
    with ZotServer(_model("v1", "v2")) as zot:
        answer = ask(
            zot.url,
            "POST",
            "/v2/_zot/ext/search",
            {"Content-Type": "application/json; charset=utf-8"},
            json.dumps({"query": query, "variables": {"r": "team/app"}}).encode(),
        )

    assert answer.json == {"data": {"a": {"Page": {"TotalCount": 2}}}}
