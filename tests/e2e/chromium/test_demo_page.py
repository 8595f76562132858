"""The demo page in Chromium: what a person sees in the first minutes."""
import json
import sqlite3
import urllib.parse

import pytest

from chromium import browser as chromium
from support.waiting import wait_until

pytestmark = pytest.mark.chromium

INSERT = ("INSERT INTO ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload)"
          " VALUES (?, 'KitchenTask', '7', 'kitchen.task.claimed', ?)")


def insert_by_sql(daemon, tenant, payload):
    with sqlite3.connect(daemon.folder / "dev.db", timeout=60) as db:
        db.execute(INSERT, (tenant, json.dumps(payload)))
    db.close()


def publish(daemon, room, type="note", data=None):
    answer = daemon.post("/api/publish", {"room": room, "type": type, "data": data}, key="dev")
    assert answer.status == 200, answer
    return answer.json()


def milliseconds(text):
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


# ---- the first minute ----
def test_from_start_to_the_first_message_it_is_one_press(request, open_page):
    page = open_page(request.getfixturevalue("dev_daemon"))
    page.wait_text("state", "connected")
    page.wait(lambda: page.text("epoch") != "", "the answer to subscribe")
    page.press("outbox-form")
    page.wait_events(1, "kitchen.task.claimed")


def test_page_loads_without_errors_and_asks_nobody_but_its_daemon(open_page, browser, daemon):
    page = open_page(room="tenant:load").wait_joined()
    page.click("sse")
    page.wait_text("sse-state", "(connected)")
    urls = {url for url in chromium.requested_urls(browser)
            if urllib.parse.urlsplit(url).scheme not in ("chrome", "data")}
    assert {urllib.parse.urlsplit(url).netloc for url in urls} == {daemon.host}, urls
    assert {urllib.parse.urlsplit(url).path for url in urls} == {"/", "/ws", "/sse"}
    assert chromium.console_errors(browser) == []


def test_page_is_not_served_outside_of_dev_mode(make_daemon):
    daemon = make_daemon(mode="serve")
    assert daemon.get("/").status == 404
    assert daemon.post("/dev/outbox", {}).status == 404


# ---- events ----
def test_a_row_of_the_form_appears_with_its_latency(open_page):
    page = open_page(room="tenant:form").wait_joined()
    assert page.element("tenant").get_attribute("value") == "form"
    page.insert_row({"taskId": 7})
    (event,) = page.wait_events(1)
    assert event["type"] == "kitchen.task.claimed"
    assert event["data"]["payload"] == {"taskId": 7}
    assert event["data"]["tenantId"] == "form"
    assert event["offset"] == f"#{page.text('position')}"
    assert 0 <= milliseconds(event["latency"]) < 60_000
    assert not event["recovered"]
    page.wait(lambda: "seen here after" in page.text("outbox-result"), "when it was seen")
    assert page.text("received") == "1"


def test_a_row_of_another_program_appears_with_its_latency(open_page, daemon):
    page = open_page(room="tenant:sql:kitchen").wait_joined()
    insert_by_sql(daemon, "sql", {"taskId": 8})
    (event,) = page.wait_events(1)
    assert event["data"]["payload"] == {"taskId": 8}
    assert 0 <= milliseconds(event["latency"]) < 60_000


@pytest.mark.parametrize("room", ["chat:publish", "tenant:publish"])
def test_publishing_over_either_way_arrives(open_page, room):
    page = open_page(room=room).wait_joined()
    page.fill("data", '{"by": "websocket"}')
    page.press("publish-form")
    page.wait_events(1, "message:new")
    page.run('document.getElementById("publish-by").value = "http"')
    page.fill("data", '{"by": "http"}')
    page.press("publish-form")
    events = page.wait_events(2, "message:new")
    assert [event["data"]["by"] for event in events] == ["http", "websocket"]
    assert events[0]["id"] != events[1]["id"]
    page.wait(lambda: "seen here after" in page.text("publish-result"), "when it was seen")


@pytest.mark.parametrize("form, field, text, wrong", [
    ("publish-form", "data", '{"text": ', "JSON"),
    ("publish-form", "data", "", "JSON"),
    ("outbox-form", "payload", '{"a": nope}', "JSON"),
    ("outbox-form", "payload", "[1, 2]", "expected an object"),
    ("outbox-form", "payload", "null", "expected an object"),
])
def test_bad_json_is_named_at_its_field_and_not_sent(open_page, browser, form, field, text, wrong):
    page = open_page(room="tenant:json").wait_joined()
    page.fill(field, text)
    page.press(form)
    assert wrong in page.text(f"{field}-wrong")
    assert page.element(field).get_attribute("aria-invalid") == "true"
    assert browser.switch_to.active_element.get_attribute("id") == field
    assert not any("/dev/outbox" in url for url in chromium.requested_urls(browser))
    page.fill(field, '{"right": true}')
    assert page.text(f"{field}-wrong") == ""
    page.press(form)
    page.wait_events(1)


def test_what_the_server_refuses_is_shown_with_its_reason(open_page):
    page = open_page(room="tenant:refused").wait_joined()
    page.fill("publish-type", "subscribed")
    page.press("publish-form")
    page.wait(lambda: page.shown("errors"), "the error")
    assert page.text("error-text").startswith("VALIDATION_ERROR: ")
    page.click("error-dismiss")
    assert not page.shown("errors")
    page.insert_row({"a": 1}, tenant="not a part")
    page.wait(lambda: page.shown("errors"), "the error")
    assert "tenantId" in page.text("error-text")


def test_a_room_that_is_no_room_is_refused_and_another_can_be_opened(open_page):
    page = open_page(room="tenant:*")
    page.wait(lambda: page.shown("errors"), "the error")
    assert page.text("error-text").startswith("VALIDATION_ERROR: ")
    page.fill("room", "tenant:good")
    page.press("session-form")
    page.wait_joined()
    assert "room=tenant%3Agood" in page.driver.current_url
    page.insert_row({"a": 1})
    page.wait_events(1)


@pytest.mark.parametrize("room", ["chat:<img src=x onerror=alert(1)>", "tenant:markup"])
def test_what_comes_from_outside_is_text_never_markup(open_page, browser, daemon, room):
    markup = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
    page = open_page(room=room).wait_joined()
    elements = page.run('return document.querySelectorAll("script, img").length')
    publish(daemon, room, type="<b>type</b>", data={"text": markup, markup: 1})
    (event,) = page.wait_events(1)
    assert event["type"] == "<b>type</b>"
    assert event["data"] == {"text": markup, markup: 1}
    page.fill("publish-type", "ringcast:<script>")  # comes back in the error's text
    page.press("publish-form")
    page.wait(lambda: page.shown("errors"), "the error")
    assert page.run('return document.querySelectorAll("script, img").length') == elements
    assert page.driver.title == "Ringcast demo"


def test_the_list_keeps_the_newest_200(open_page):
    page = open_page(room="chat:many").wait_joined()
    page.run("""for (let n = 1; n <= 205; n++)
      client.on.event({type: "note", room, id: String(n), time: new Date().toISOString(), data: n}, {});""")
    events = page.events()
    assert [event["data"] for event in events] == list(range(205, 5, -1))
    assert page.text("received") == "205"


def test_sse_shows_the_same_events_beside_the_websocket(open_page):
    page = open_page(room="tenant:sse").wait_joined()
    page.click("sse")
    page.wait_text("sse-state", "(connected)")
    page.insert_row({"a": 1})
    page.wait(lambda: page.events() and page.events()[0]["sse"], "the badge of SSE")
    assert page.events()[0]["sse"].startswith("SSE ")
    page.click("sse")
    page.wait_text("sse-state", "")


# ---- presence ----
def test_two_windows_see_each_other_come_and_go(open_page):
    ann = open_page(room="project:7", user="ann").wait_joined("ann")
    bob = open_page(room="project:7", user="bob").wait_joined("bob")
    bob.wait(lambda: set(bob.users()) == {"ann", "bob (you)"}, "ann beside bob")
    ann.focus().wait(lambda: set(ann.users()) == {"ann (you)", "bob"}, "bob beside ann")
    assert ann.text("users-count") == "(2)"
    bob.focus().click("visible")
    bob.wait(lambda: bob.users() == ["ann"], "bob gone from his own list")
    ann.focus().wait(lambda: ann.users() == ["ann (you)"], "bob gone")
    bob.focus().click("visible")
    ann.focus().wait(lambda: len(ann.users()) == 2, "bob back")
    bob.focus().driver.close()
    ann.focus().wait(lambda: ann.users() == ["ann (you)"], "bob's window closed")


def test_the_second_window_is_another_user_of_the_same_room(open_page, browser):
    page = open_page(room="project:8", user="ann").wait_joined("ann")
    known = set(browser.window_handles)
    page.click("second")
    wait_until(lambda: set(browser.window_handles) - known, "the second window")
    page.wait(lambda: len(page.users()) == 2, "the second user")
    assert any(user.startswith("ann-") for user in page.users())


# ---- cut and come back ----
@pytest.mark.parametrize("room", ["tenant:cut", "tenant:cut2:kitchen", "chat:cut"])
def test_what_was_missed_while_cut_arrives_after_it(open_page, room):
    page = open_page(room=room).wait_joined()
    page.press("publish-form")
    page.wait_events(1)
    page.click("cut")
    page.wait_text("state", "cut")
    page.click("insert-three")
    page.wait(lambda: any("3 " in note for note in page.notes()), "three in the store")
    assert len(page.events()) == 1, "nothing may arrive over a cut connection"
    page.click("reconnect")
    page.wait_text("recovery", "recovered: true, 3 missed events arrived")
    events = page.events()
    assert [event["recovered"] for event in events] == [True, True, True, False]
    assert (page.text("received"), page.text("recovered"), page.text("duplicates")) == ("4", "3", "0")
    offsets = [int(event["offset"][1:]) for event in events]
    assert offsets == sorted(offsets, reverse=True)
    page.wait_joined()
    page.press("publish-form")
    assert not page.wait_events(5)[0]["recovered"]
    assert page.text("recovery") == "recovered: true, 3 missed events arrived"


def test_a_cut_ends_by_itself(open_page):
    page = open_page(room="tenant:alone").wait_joined()
    page.click("cut")
    page.wait_text("state", "cut")
    assert not page.element("cut").is_enabled()
    # The page's own clock, 20 s later.
    page.run("const now = performance.now.bind(performance); performance.now = () => now() + 20000;")
    page.wait_joined()
    page.wait_text("recovery", "recovered: true, 0 missed events arrived")
    assert not page.shown("reconnect")


def test_a_crash_of_the_daemon_loses_no_row(dev_daemon, open_page):
    daemon = dev_daemon.wait_ready()
    page = open_page(daemon, room="tenant:42").wait_joined()
    page.insert_row({"n": 1})
    page.wait_events(1)
    epoch = page.text("epoch")
    daemon.kill()
    page.wait_text("state", "connection lost")
    for n in (2, 3):
        insert_by_sql(daemon, "42", {"n": n})
    daemon.start()
    page.wait_joined()
    page.wait_text("recovery", "recovered: true, 2 missed events arrived")
    assert [event["data"]["payload"]["n"] for event in page.events()] == [3, 2, 1]
    assert page.text("epoch") == epoch
    page.insert_row({"n": 4})
    assert page.wait_events(4)[0]["data"]["payload"] == {"n": 4}


def test_a_memory_room_says_that_a_crash_has_lost_its_past(dev_daemon, open_page):
    daemon = dev_daemon
    page = open_page(daemon, room="chat:1").wait_joined()
    publish(daemon, "chat:1")
    page.wait_events(1)
    daemon.kill()
    page.wait_text("state", "connection lost")
    daemon.start()
    page.wait_joined()
    page.wait(lambda: page.text("recovery").startswith("recovered: false"), "recovered: false")
    publish(daemon, "chat:1")
    page.wait_events(2)


# ---- looks ----
NAMELESS = """return [...document.querySelectorAll("input, select, textarea, button")]
  .filter((e) => !(e.labels?.[0] ?? e).textContent.trim()).map((e) => e.outerHTML)"""
# Contrast (WCAG 2.1, 1.4.3) of every element that has text of its own.
CONTRAST = """
const channel = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255)
                             + 0.0722 * channel(b / 255);
const behind = (e) => {
  const color = numbers(getComputedStyle(e).backgroundColor);
  return color[3] === 0 && e.parentElement ? behind(e.parentElement) : color;
};
return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.disabled
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
  const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName, e.textContent.slice(0, 30)];
}).filter(([ratio]) => ratio < 4.5);"""


@pytest.fixture
def page_with_everything(open_page, daemon):
    page = open_page(room="tenant:looks", user="a" * 60).wait_joined()
    page.insert_row({"word": "x" * 600})
    page.wait_events(1)
    page.click("cut")
    page.click("insert-three")
    page.wait(lambda: any("3 " in note for note in page.notes()), "three rows")
    page.click("reconnect")
    page.wait_text("recovery", "recovered: true, 3 missed events arrived")
    publish(daemon, "tenant:looks", type="y" * 128, data=None)
    page.wait_events(5)
    page.fill("publish-type", "ping")
    page.press("publish-form")
    page.fill("data", "{")
    page.wait(lambda: page.shown("errors"), "the error")
    page.run('document.querySelectorAll("details").forEach((e) => { e.open = true; })')
    yield page
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_nothing_sticks_out_at_any_width_and_all_can_be_read(page_with_everything, tmp_path):
    page = page_with_everything
    assert page.run(NAMELESS) == []
    for scheme in ("light", "dark"):
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        assert page.run(CONTRAST) == [], scheme
    for width in (360, 400, 560, 700, 801, 1000, 1280, 1400):
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
        # The inner boxes as well: a card may not hide what does not fit.
        wide = page.run("""return [...document.querySelectorAll("html, .card, #events-box, .event")]
            .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.className || e.tagName)""")
        assert wide == [], width
    assert page.driver.save_screenshot(str(tmp_path / "page.png"))


def test_everything_can_be_done_from_the_keyboard(open_page, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = open_page(room="tenant:keys").wait_joined()
    page.run('document.activeElement.blur()')
    reached = []
    for _ in range(30):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    fields = page.run('return [...document.querySelectorAll("input, select, textarea, #events-box, button[id]")]'
                      '.filter((e) => e.checkVisibility() && !e.disabled).map((e) => e.id)')
    assert set(fields) <= set(reached)
    page.element("tenant").send_keys(Keys.ENTER)
    page.wait_events(1)
