"""The page's RingcastClient against a socket made of a script: the rules for clients of
docs/native-protocol.md, in the orders that a real server shows rarely."""
import pytest

from chromium.demo_page import DemoPage

pytestmark = pytest.mark.chromium

# A client on made-up sockets; whatever it tells is kept in `told`, what it sends in `sent`.
SETUP = """
window.made?.stop();
window.own ??= {setTimeout: window.setTimeout, clearTimeout: window.clearTimeout};
Object.assign(window, own);
window.sockets = []; window.told = []; window.made = null;
const names = ["state", "subscribed", "unsubscribed", "event", "duplicate", "gap", "error"];
const on = Object.fromEntries(names.map((name) => [name, (...values) => told.push([name, ...values])]));
made = new RingcastClient("ws://nowhere", on, () => {
  const socket = {sent: [], closed: false, send(text) { this.sent.push(JSON.parse(text)); },
                  close() { this.closed = true; }};
  sockets.push(socket);
  return socket;
});
window.hear = (message) => sockets.at(-1).onmessage({data: JSON.stringify(message)});
"""


class Script:
    def __init__(self, page):
        self.page = page
        page.run(SETUP)

    def run(self, script, *arguments):
        return self.page.run(script, *arguments)

    def start(self, *rooms):
        self.run("arguments[0].forEach((room) => made.subscribe(room)); made.start();"
                 "hear({type: 'connected', session: 's'});", rooms)

    def say(self, **message):
        self.run("hear(arguments[0])", message)

    def event(self, offset=None, id=None, room="r", time="2026-01-01T00:00:00.000Z"):
        message = {"type": "note", "room": room, "id": id or f"id-{offset}", "time": time, "data": 1}
        self.say(**message, **({} if offset is None else {"offset": offset}))

    def subscribed(self, offset, epoch="e", room="r", **more):
        self.say(type="subscribed", room=room, offset=offset, epoch=epoch, **more)

    def lose(self, code=1006):
        self.run("sockets.at(-1).onclose({code: arguments[0], reason: ''})", code)

    def sent(self, type=None):
        return [m for m in self.run("return sockets.at(-1).sent") if type in (None, m["type"])]

    def told(self, *names):
        return [one for one in self.run("return told") if one[0] in names]

    def seen(self):
        return [event.get("offset") for _, event, _ in self.told("event")]

    def duplicates(self):
        return [event["offset"] for _, event in self.told("duplicate")]

    def recover_asked(self):
        """What the next connection asks for."""
        self.lose()
        self.run("made.start(); hear({type: 'connected', session: 's'})")
        return self.sent("subscribe")[0].get("recover")


@pytest.fixture(scope="module")
def page(browser, daemon):
    """One for all: each test makes a client of its own."""
    page = DemoPage(browser, daemon, room="chat:client").wait_joined()
    page.run("client.stop()")
    return page


@pytest.fixture
def script(page):
    return Script(page.focus())


def test_the_first_subscribe_asks_for_no_recovery_the_next_for_the_position(script):
    script.start("r")
    assert [m["room"] for m in script.sent("subscribe")] == ["r"]
    assert "recover" not in script.sent("subscribe")[0]
    script.subscribed(5)
    assert script.recover_asked() == {"offset": 5, "epoch": "e"}


def test_events_and_position_frames_of_its_epoch_move_a_position_and_nothing_else(script):
    script.start("r")
    script.subscribed(5)
    script.event(9)
    script.say(type="gap", room="r", **{"from": 9, "to": 12, "reason": "overflow"})
    script.say(type="position", epoch="other", offset=90)
    script.say(type="position", epoch="e", offset=7)  # behind: moves nothing back
    assert script.recover_asked() == {"offset": 9, "epoch": "e"}
    script.subscribed(9, recovered=True)
    script.say(type="position", epoch="e", offset=70)
    assert script.recover_asked() == {"offset": 70, "epoch": "e"}


def test_offsets_up_to_the_position_are_duplicates(script):
    script.start("r")
    script.subscribed(5)
    for offset in (4, 5, 6, 6, 5, 100, 7, 101):
        script.event(offset)
    assert script.seen() == [6, 100, 101]
    assert script.duplicates() == [4, 5, 6, 5, 7]


def test_across_epochs_an_id_is_shown_once(script):
    script.start("r")
    script.subscribed(0)
    script.event(1, id="a")
    script.event(2, id="b")
    script.subscribed(10, epoch="f", recovered=False)  # unasked
    script.event(11, id="b")
    script.event(12, id="c")
    assert script.seen() == [1, 2, 12]
    assert script.duplicates() == [11]
    assert script.recover_asked() == {"offset": 12, "epoch": "f"}


@pytest.mark.parametrize("between, shown", [(998, False), (999, False), (1000, True)])
def test_ids_of_the_last_thousand_events_are_known(script, between, shown):
    script.start("r")
    script.subscribed(0)
    script.event(1, id="first")
    script.run("""for (let n = 2; n < 2 + arguments[0]; n++) hear({type: "note", room: "r", id: `n${n}`,
        offset: n, time: "2026-01-01T00:00:00Z", data: 1});""", between)
    script.subscribed(0, epoch="f", recovered=False)
    script.event(1, id="first")
    assert (script.duplicates() == []) == shown


def test_events_without_offset_are_all_shown(script):
    script.start("r")
    script.say(type="subscribed", room="r")
    script.event(id="a")
    script.event(id="a")
    assert len(script.seen()) == 2
    assert script.recover_asked() is None


def test_recovered_is_what_happened_before_the_recovery(script):
    script.start("r")
    script.subscribed(0)
    assert script.recover_asked() == {"offset": 0, "epoch": "e"}
    script.subscribed(0, recovered=True)
    script.event(1)
    script.event(2, time="2999-01-01T00:00:00Z")
    script.event(3)  # an old time behind a live event is no missed one
    assert [how["recovered"] for _, _, how in script.told("event")] == [True, False, False]


def test_events_behind_an_unsubscribe_are_not_shown(script):
    script.start("r", "s")
    script.subscribed(0)
    script.subscribed(0, room="s")
    script.run("made.unsubscribe('r')")
    script.event(1)
    script.event(1, room="s")
    assert [event["room"] for _, event, _ in script.told("event")] == ["s"]
    assert script.sent("unsubscribe")[0]["room"] == "r"


@pytest.mark.parametrize("code, comes_back", [
    (1001, True), (1006, True), (1012, True), (4004, True), (4005, True),
    (1002, False), (1003, False), (1007, False), (1009, False),
    (4001, False), (4002, False), (4003, False)])
def test_the_close_code_decides_whether_it_comes_back(script, code, comes_back):
    script.start("r")
    script.lose(code)
    state, _ = script.told("state")[-1][1:]
    assert state == ("waiting" if comes_back else "stopped")


def test_it_comes_back_later_and_later_up_to_the_limit(script):
    script.run("window.delays = []; window.setTimeout = (_, ms) => { delays.push(ms); return 1; };")
    script.start("r")
    for _ in range(9):
        script.lose()
        script.run("made.start()")
    delays = script.run("return delays")
    for delay, most in zip(delays, [250, 500, 1000, 2000, 4000, 8000, 10000, 10000, 10000]):
        assert most / 2 <= delay <= most
    script.say(type="connected", session="s")
    script.subscribed(0)
    script.lose()
    assert script.run("return delays.at(-1)") <= 250


def test_a_busy_room_is_asked_for_again_on_the_same_connection(script):
    script.run("window.later = []; window.setTimeout = (then) => { later.push(then); return 1; };")
    script.start("r")
    (first,) = script.sent("subscribe")
    script.say(type="error", code="UNAVAILABLE", message="busy", id=first["id"])
    script.run("later.splice(0).forEach((then) => then())")
    assert len(script.sent("subscribe")) == 2
    second = script.sent("subscribe")[1]
    script.say(type="error", code="FORBIDDEN", message="no grant", id=second["id"])
    script.run("later.splice(0).forEach((then) => then())")
    assert len(script.sent("subscribe")) == 2
    assert [error["code"] for _, error in script.told("error")] == ["UNAVAILABLE", "FORBIDDEN"]


def test_answers_that_a_lost_connection_owes_are_errors(script):
    script.start("r")
    script.run("window.outcome = null; made.publish('r', 't', 1).catch((e) => { outcome = e.code; })")
    script.lose()
    script.page.wait(lambda: script.run("return outcome") == "UNAVAILABLE", "the error")
    script.run("outcome = null; made.publish('r', 't', 1).catch((e) => { outcome = e.code; })")
    script.page.wait(lambda: script.run("return outcome") == "UNAVAILABLE", "the error while lost")


def test_a_connection_without_a_pong_is_given_up(script):
    script.run("window.later = []; window.setTimeout = (then) => { later.push(then); return 1; };"
               "window.clearTimeout = () => {};")
    script.run("made.start(); hear({type: 'connected', session: 's', pingIntervalMs: 1000})")
    first = script.sent("ping")[0]
    script.say(type="pong", id=first["id"])
    script.run("later.shift()()")
    assert len(script.sent("ping")) == 2
    script.run("later.shift()()")
    assert script.run("return sockets[0].closed")
    assert script.told("state")[-1][1] == "waiting"


def test_what_a_cut_socket_still_says_is_not_read(script):
    script.start("r")
    script.subscribed(0)
    script.run("const old = sockets.at(-1); made.cut();"
               "old.onmessage({data: '{\"type\":\"note\",\"room\":\"r\",\"offset\":1,\"data\":1}'});"
               "old.onclose({code: 1006, reason: ''});")
    assert script.seen() == []
    assert script.told("state")[-1][1] == "cut"
