"""The annotation application over HTTP: who gets in, what an answer does, and what is refused."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vestige.errors import VestigeError
from vestige.units.annotate.access import Access, is_loopback
from vestige.units.annotate.app import LARGEST_FORM, Site, make_app, suggested
from vestige.units.annotate.store import Shown, open_store

JPEG = b"\xff\xd8 tile"


class Pictures:
    """Their content says which they are."""

    def tile(self, layer, unit, place):
        return JPEG + f"{layer}:{unit}/{place}".encode()

    def whole(self, row):
        return JPEG + f"row {row}".encode()


UNITS = tuple(Shown("conv5", unit, tuple(range(100 * unit, 100 * unit + 60)), (100 * unit + 7,)) for unit in range(3))


def site(folder, guarded=False, hosts=(), **settings):
    store = open_store(folder / "answers.sqlite", **settings)
    store.ask(UNITS)
    return Site("units", store, Pictures(), Access(store.secret, guarded), hosts)


def client(site):
    return TestClient(make_app(site), base_url="http://127.0.0.1", follow_redirects=False)


def field(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def enter(browser, name="Ada"):
    assert (
        browser.post("/", data={"csrf": field(browser.get("/"), "csrf"), "name": name}).headers["location"] == "/task"
    )
    return browser


def answer(browser, page, places=(7,), **changed):
    ids = re.findall(r'name="marked" value="([^"]*)"', page.text)
    form = {key: field(page, key) for key in ("csrf", "ticket", "attempt")}
    form |= {"concept": "lamps", "group": "object", "marked": [ids[place] for place in places]} | changed
    return browser.post("/answer", data=form)


def link(site, name):
    return f"/join/{site.access.personal(name, site.store.invitations.invite(name))}"


def test_answer_is_kept(tmp_path):
    served = site(tmp_path)
    browser = enter(client(served))
    page = browser.get("/task")
    assert page.status_code == 200
    assert answer(browser, page, places=(7, 9), seconds="12.5").headers["location"] == "/task?said=kept"
    (kept,) = served.store.answers()
    assert (kept.annotator, kept.concept, kept.group, kept.tries, kept.passed) == ("Ada", "lamps", "object", 1, True)
    assert kept.marked == tuple(100 * kept.unit + place for place in (7, 9))
    assert kept.precision == pytest.approx(58 / 59)
    assert "Ada" in browser.get("/export?form=csv").text
    assert len(json.loads(browser.get("/export?form=json").text)["answers"]) == 1


def test_answer_that_misses_a_planted_picture_is_asked_again_and_then_failed(tmp_path):
    served = site(tmp_path)
    browser = enter(client(served))
    for attempt in (1, 2, 3):
        page = browser.get("/task")
        assert field(page, "attempt") == str(attempt)
        told = answer(browser, page, places=(9,)).headers["location"]
    assert told == "/task?said=failed"
    assert [each.passed for each in served.store.every_try()] == [False] * 3
    assert field(browser.get("/task"), "attempt") == "1"


def test_same_answer_sent_twice_counts_once_and_another_is_refused(tmp_path):
    served = site(tmp_path)
    browser = enter(client(served))
    page = browser.get("/task")
    assert [answer(browser, page).status_code for _ in range(2)] == [303, 303]
    assert answer(browser, page, concept="chairs").status_code == 409
    assert len(served.store.every_try()) == 1


def test_nobody_is_told_to_wait_for_a_unit_that_only_others_can_answer(tmp_path):
    browser = enter(client(site(tmp_path)))
    for _ in UNITS:
        for _ in range(3):
            answer(browser, browser.get("/task"), places=(9,))
    rest = browser.get("/task").text
    assert "Look for another unit" not in rest
    assert f"{len(UNITS)} units still need an answer of somebody else" in " ".join(rest.split())


def test_skipped_units_come_back_when_asked_for(tmp_path):
    browser = enter(client(site(tmp_path)))
    for _ in UNITS:
        page = browser.get("/task")
        assert browser.post("/skip", data={key: field(page, key) for key in ("csrf", "ticket")}).status_code == 303
    assert 'name="ticket"' not in browser.get("/task").text
    assert 'name="ticket"' in browser.get("/task?again").text


def test_pictures_are_served_by_id_and_to_those_who_are_in(tmp_path):
    served = site(tmp_path)
    assert client(served).get("/picture/1-0").status_code == 403
    browser = enter(client(served))
    assert browser.get("/picture/1-3").content == JPEG + b"conv5:0/3"
    assert browser.get("/picture/2-3/whole").content == JPEG + b"row 103"
    for id in ("1-60", "9-0", "1", "1-", "-1", "1--1", "..%2F..%2Fetc", "²-1", "1-0x1", "9" * 30 + "-1"):
        assert browser.get(f"/picture/{id}").status_code == 404, id


def test_forms_of_other_pages_are_refused(tmp_path):
    served = site(tmp_path)
    browser = enter(client(served))
    page = browser.get("/task")
    for csrf in ("", "0" * 32, field(enter(client(served), "Eve").get("/task"), "csrf")):
        assert answer(browser, page, csrf=csrf).status_code == 403
        assert browser.post("/skip", data={"csrf": csrf, "ticket": field(page, "ticket")}).status_code == 403
    assert client(served).post("/", data={"name": "Eve"}).status_code == 403
    assert served.store.every_try() == ()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"concept": ""}, 400),
        ({"concept": "x" * 201}, 400),
        ({"concept": "a\x00b"}, 400),
        ({"concept": "x" * LARGEST_FORM}, 413),
        ({"group": "part"}, 400),
        ({"attempt": "2"}, 400),
        ({"attempt": "one"}, 400),
        ({"ticket": "99"}, 403),
        ({"ticket": ["1", "1"]}, 400),
        ({"marked": ["1-60"]}, 400),
        ({"marked": ["x"]}, 400),
        ({"marked": ["1-1"] * 500}, 400),
        ({"seconds": "nan"}, 400),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path, changed, status):
    served = site(tmp_path)
    browser = enter(client(served))
    assert answer(browser, browser.get("/task"), **changed).status_code == status
    assert served.store.every_try() == ()


def test_units_of_others_cannot_be_answered(tmp_path):
    served = site(tmp_path)
    page = enter(client(served)).get("/task")
    eve = enter(client(served), "Eve")
    theirs = eve.get("/task")
    assert field(theirs, "ticket") != field(page, "ticket")
    assert answer(eve, page, csrf=field(theirs, "csrf")).status_code == 403


def test_nobody_gets_into_a_guarded_one_without_a_link(tmp_path):
    served = site(tmp_path, guarded=True)
    stranger = client(served)
    for address in ("/", "/export", "/picture/1-0", "/concepts", "/join/QWRh.00", "/?key=", "/?key=00"):
        assert stranger.get(address).status_code == 403, address
    assert stranger.get("/task").headers["location"] == "/"


def test_a_personal_link_lets_one_in_and_no_further(tmp_path):
    served = site(tmp_path, guarded=True)
    ada = client(served)
    assert ada.get(link(served, "Ada Ünal")).status_code == 303
    page = ada.get("/task")
    assert "Ada Ünal" in page.text
    assert ada.get("/export").status_code == 403
    assert ada.post("/", data={"csrf": field(page, "csrf"), "name": "Eve"}).status_code == 403
    assert answer(ada, page).status_code == 303


def test_one_person_s_link_is_withdrawn_and_nobody_else_s(tmp_path):
    served = site(tmp_path, guarded=True)
    links = {name: link(served, name) for name in ("Ada", "Bo")}
    assert link(served, "Ada") == links["Ada"]  # a link is the same however often it is asked for
    people = {name: client(served) for name in links}
    for name, browser in people.items():
        browser.get(links[name])
    page = people["Ada"].get("/task")
    served.store.invitations.withdraw(["Ada"])
    assert answer(people["Ada"], page).status_code == 403
    assert people["Ada"].get("/task").headers["location"] == "/"
    assert people["Ada"].get(links["Ada"]).status_code == 403
    assert people["Bo"].get("/task").status_code == 200
    assert link(served, "Ada") != links["Ada"]
    assert people["Ada"].get(links["Ada"]).status_code == 403
    assert people["Ada"].get(link(served, "Ada")).status_code == 303
    assert answer(people["Ada"], people["Ada"].get("/task")).status_code == 303
    with pytest.raises(VestigeError, match="'Eve'"):
        served.store.invitations.withdraw(["Bo", "Eve"])
    assert served.store.invitations.all() == {"Ada": 2, "Bo": 1}


def test_a_script_is_told_where_to_go_and_how_long_it_took_is_kept(tmp_path):
    served = site(tmp_path)
    ada = enter(client(served))
    ada.headers["accept"] = "application/json"
    page = ada.get("/task")
    told = answer(ada, page, places=(1,), seconds="0")
    assert (told.status_code, told.json()) == (200, {"next": "/task"})
    assert answer(ada, ada.get("/task"), seconds="1e8").json() == {"next": "/task?said=kept"}
    first, second = served.store.every_try()
    assert first.seconds == 0
    assert second.seconds < 100  # no longer than the unit was there
    skipped = ada.post("/skip", data={key: field(ada.get("/task"), key) for key in ("csrf", "ticket")})
    assert skipped.json() == {"next": "/task?said=skipped"}


def test_the_key_lets_its_owner_in(tmp_path):
    served = site(tmp_path, guarded=True)
    browser = client(served)
    assert browser.get(f"/?key={served.access.key}").status_code == 303
    assert enter(browser).get("/export").status_code == 200


def test_sessions_cannot_be_made_up(tmp_path):
    served = site(tmp_path, guarded=True)
    sealed = served.access.sealed(served.access.opened(name="Ada"))
    other = Access(b"another secret", guarded=True)
    browser = client(served)
    for forged in (
        other.sealed(other.opened(name="Ada", owner=True)),
        sealed[:-1] + "x",
        sealed.partition(".")[0],
        "é",
    ):
        browser.cookies.clear()
        browser.get("/task", headers={"cookie": f"{served.access.cookie}={forged}".encode()})
        assert browser.get("/export").status_code == 403


def test_other_names_of_this_machine_are_refused(tmp_path):
    browser = client(site(tmp_path, hosts=("127.0.0.1", "localhost", "::1")))
    assert browser.get("/").status_code == 200
    for host, status in {
        "evil.example": 421,
        "localhost:8000": 200,
        "[::1]:80": 200,
        "127.0.0.1.evil.example": 421,
    }.items():
        assert browser.get("/", headers={"host": host}).status_code == status


def test_every_answer_says_what_a_browser_may_do(tmp_path):
    browser = client(site(tmp_path))
    for address in ("/", "/nothing", "/static/style.css"):
        policy = browser.get(address).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy


def test_earlier_concepts_are_offered():
    concepts = ("Lamps", "street lamp", "clamp", "lamp posts")
    assert suggested(concepts, " lAM") == ["Lamps", "lamp posts", "street lamp"]
    assert suggested([str(k) for k in range(20)], "") == [str(k) for k in range(8)]


def test_loopback():
    assert [is_loopback(each) for each in ("127.0.0.1", "127.1.2.3", "::1", "localhost")] == [True] * 4
    assert [is_loopback(each) for each in ("0.0.0.0", "::", "192.168.0.1", "example.org", "")] == [False] * 5


@given(
    st.sampled_from(["/", "/answer", "/skip", "/join/{}", "/picture/{}", "/picture/{}/whole", "/static/{}", "/export"]),
    st.text(max_size=30),
    st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: f"csrf={text}&ticket={text}".encode())),
    st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_is_sent_ends_in_an_error_of_the_server(entered, address, text, body, signed):
    """The test's client raises what an application raises."""
    served, browser, csrf = entered
    path = address.format(quote(text, safe=""))
    assert (
        browser.get(path, params={"q": text, "key": text, "form": text, "again": text, "said": text}).status_code < 500
    )
    if signed:
        body = f"csrf={csrf}&".encode() + body
    assert browser.post(path, content=body).status_code in (400, 403, 404, 405)
    assert served.store.every_try() == ()


@pytest.fixture(scope="module")
def entered(tmp_path_factory):
    """A site, a browser whose user has a unit, and what its forms are signed with."""
    served = site(tmp_path_factory.mktemp("site"))
    browser = enter(client(served))
    return served, browser, field(browser.get("/task"), "csrf")
