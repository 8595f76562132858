"""What each example of python/examples says of itself, with real clients."""
import json

import pytest

from examples.conftest import EXAMPLES, LISTEN, Refused
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)
LINES_MAX = 200
SECRET = "kitchen-secret-of-more-than-thirty-two-octets"


def test_each_example_is_short_and_tested():
    lengths = {path.stem: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert set(lengths) == set(LISTEN)
    assert {name: length for name, length in lengths.items() if length > LINES_MAX} == {}


# ---- kitchen_outbox ----


@pytest.fixture
def kitchen(run):
    return run("kitchen_outbox", KITCHEN_SECRET=SECRET)


def test_a_claim_reaches_the_screens_of_its_tenant_alone(kitchen, screen):
    ann, eve = (kitchen.login(tenant=tenant, name=name) for tenant, name in (("42", "ann"), ("7", "eve")))
    whole, part, other = screen(ann), screen(ann), screen(eve)
    assert whole.subscribe("tenant:42")["type"] == "subscribed"
    assert part.subscribe("tenant:42:kitchen")["type"] == "subscribed"
    assert other.subscribe("tenant:7")["type"] == "subscribed"
    assert other.subscribe("tenant:42")["code"] == "FORBIDDEN"
    task = kitchen.ask("POST", "/tasks", {"title": "soup"}, ann["token"])
    kitchen.ask("POST", f"/tasks/{task['id']}/claim", token=ann["token"])
    for one in (whole, part):
        event = one.expect("kitchen.task.claimed")["data"]
        assert (event["tenantId"], event["aggregateId"]) == ("42", str(task["id"]))
        assert event["payload"]["employeeId"] == "ann"
    assert other.nothing_else() == []
    wait_until(lambda: kitchen.ask("GET", "/claims", token=ann["token"]) == {"ann": 1}, "the count")
    assert kitchen.ask("GET", "/claims", token=eve["token"]) == {}


def test_the_second_claim_is_refused_and_publishes_nothing(kitchen, screen):
    ann, bob = (kitchen.login(tenant="42", name=name) for name in ("ann", "bob"))
    one = screen(ann)
    one.subscribe("tenant:42")
    id = kitchen.ask("POST", "/tasks", {"title": "soup"}, ann["token"])["id"]
    kitchen.ask("POST", f"/tasks/{id}/claim", token=ann["token"])
    with pytest.raises(Refused) as refused:
        kitchen.ask("POST", f"/tasks/{id}/claim", token=bob["token"])
    assert refused.value.status == 409
    kitchen.ask("POST", f"/tasks/{id}/progress", {"progress": 40, "note": "hot"}, ann["token"])
    kitchen.ask("POST", f"/tasks/{id}/release", token=ann["token"])
    events = [one.expect(f"kitchen.task.{verb}")["offset"] for verb in ("claimed", "progress", "released")]
    assert events == sorted(events) and one.nothing_else() == []
    assert kitchen.ask("GET", "/tasks", token=bob["token"])[0]["employee"] is None


def test_a_screen_recovers_what_was_committed_while_it_was_away_also_over_a_crash(kitchen, screen):
    ann = kitchen.login(tenant="42", name="ann")
    one = screen(ann)
    epoch = one.subscribe("tenant:42")["epoch"]
    ids = [kitchen.ask("POST", "/tasks", {"title": f"dish {n}"}, ann["token"])["id"] for n in range(3)]
    kitchen.ask("POST", f"/tasks/{ids[0]}/claim", token=ann["token"])
    seen = one.expect("kitchen.task.claimed")
    one.close()
    kitchen.ask("POST", f"/tasks/{ids[1]}/claim", token=ann["token"])
    kitchen.realtime = ann["realtime"].split("/")[2]
    kitchen.kill()
    kitchen.start()
    kitchen.ask("POST", f"/tasks/{ids[2]}/claim", token=ann["token"])
    again = screen(ann)
    answer = again.subscribe("tenant:42", {"epoch": epoch, "offset": seen["offset"]})
    assert answer["recovered"] is True
    missed = [again.expect("kitchen.task.claimed")["data"]["aggregateId"] for _ in range(2)]
    assert missed == [str(id) for id in ids[1:]]


# ---- task_board ----


@pytest.fixture
def board(run):
    return run("task_board")


def test_changes_reach_all_members_but_not_who_made_them(board, screen):
    ann, bob = board.login(user="ann"), board.login(user="bob")
    board.ask("POST", "/projects", {"id": "7", "users": ["bob"]}, ann["token"])
    mine, phone, his = screen(ann), screen(ann), screen(bob)
    for one in (mine, phone, his):
        assert one.subscribe("project:7")["type"] == "subscribed"
    task = board.ask("POST", "/projects/7/tasks", {"title": "paint"}, ann["token"])
    id = task["id"]
    board.ask("PATCH", f"/tasks/{id}", {"assignee": "bob"}, ann["token"])
    board.ask("POST", f"/tasks/{id}/move", {"status": "doing", "order": 2}, ann["token"])
    board.ask("DELETE", f"/tasks/{id}", token=ann["token"])
    assert his.expect("task:created")["data"]["task"] == task
    assert his.expect("task:updated")["data"]["changes"] == {"assignee": "bob"}
    assert his.expect("task:moved")["data"] == {
        "taskId": id, "fromStatus": "todo", "toStatus": "doing", "order": 2}
    assert his.expect("task:deleted")["data"] == {"taskId": id}
    assert mine.nothing_else() == phone.nothing_else() == []
    assert board.ask("GET", "/projects/7/tasks", token=bob["token"]) == []


def test_who_is_no_member_sees_nothing_and_who_is_expelled_no_more(board, screen):
    ann, bob = board.login(user="ann"), board.login(user="bob")
    board.ask("POST", "/projects", {"id": "7"}, ann["token"])
    his = screen(bob)
    assert his.subscribe("project:7")["code"] == "FORBIDDEN"
    with pytest.raises(Refused, match="404"):
        board.ask("GET", "/projects/7/tasks", token=bob["token"])
    board.ask("POST", "/projects", {"id": "8", "users": ["bob"]}, ann["token"])
    assert his.subscribe("project:8")["type"] == "subscribed"
    assert board.ask("DELETE", "/projects/8/members/bob", token=ann["token"]) == {"closed": 1}
    assert his.expect("unsubscribed")["room"] == "project:8"


def test_who_views_a_project_is_shown(board, screen):
    ann, bob = board.login(user="ann"), board.login(user="bob")
    board.ask("POST", "/projects", {"id": "7", "users": ["bob"]}, ann["token"])
    mine, his = screen(ann), screen(bob)
    for one in (mine, his):
        one.subscribe("project:7")
        one.socket.send(json.dumps({"type": "presence", "action": "join", "room": "project:7"}))
    wait_until(lambda: board.ask("GET", "/projects/7/viewers", token=ann["token"])
               == {"users": ["ann", "bob"], "count": 2}, "both viewers")
    his.close()
    wait_until(lambda: board.ask("GET", "/projects/7/viewers", token=ann["token"])["users"] == ["ann"],
               "one viewer")


# ---- chat ----


@pytest.fixture
def chat(run):
    return run("chat")


@pytest.fixture
def members(chat, screen):
    """ann and bob, who have opened the chat 7."""
    logins = [chat.login(user=user) for user in ("ann", "bob")]
    chat.ask("POST", "/chats", {"id": "7", "users": ["ann", "bob"]})
    both = [screen(login) for login in logins]
    for one in both:
        assert one.subscribe("chat:7")["type"] == "subscribed"
    return both


def test_a_message_is_answered_and_arrives_once_although_it_is_repeated(members):
    ann, bob = members
    first = ann.call("message:send", chat="7", client_id="a1", body="hi")
    again = ann.call("message:send", chat="7", client_id="a1", body="hi")
    assert first["ok"] and first["data"] == again["data"]
    event = bob.expect("message:new")
    assert event["id"] == first["data"]["id"]
    assert event["data"] == {"from": "ann", "body": "hi", "clientId": "a1"}
    assert bob.nothing_else() == []
    other = ann.call("message:send", chat="7", client_id="a1", body="other words")
    assert (other["ok"], other["error"]) == (False, "CONFLICT")


def test_all_see_the_messages_of_two_senders_in_one_order(members):
    for n in range(8):
        for sender in members:
            sender.socket.send(json.dumps({"type": "call", "event": "message:send", "data": {
                "chat": "7", "client_id": f"c{n}", "body": str(n)}}))
    shown = [[one.expect("message:new")["id"] for _ in range(16)] for one in members]
    assert shown[0] == shown[1]


def test_wrong_calls_are_answered_with_what_is_wrong(chat, members, screen):
    ann, _ = members
    answer = ann.call("message:send", chat="7", client_id="a1")
    assert answer["error"] == "VALIDATION_ERROR" and list(answer["fields"]) == ["body"]
    eve = screen(chat.login(user="eve"))
    for event in ("chat:open", "message:send"):
        answer = eve.call(event, chat="7", client_id="e1", body="let me in")
        assert (answer["error"], answer["correlationId"] != "") == ("FORBIDDEN", True)
    assert eve.subscribe("chat:7")["code"] == "FORBIDDEN"
    assert ann.call("no:such")["error"] == "NOT_FOUND"


def test_who_comes_later_gets_the_newest_and_then_what_follows(members, chat, screen):
    ann, _ = members
    sent = 20
    # At once: within the time of the rate, however busy the machine is.
    *acks, refused = ann.calls("message:send", *({"chat": "7", "client_id": f"a{n}", "body": str(n)}
                                                 for n in range(sent + 1)))
    assert all(ack["ok"] for ack in acks) and refused["error"] == "RATE_LIMITED"
    late = screen(chat.login(user="bob"))
    page = late.call("chat:open", chat="7")["data"]
    assert [message["body"] for message in page["messages"]] == [str(n) for n in range(sent)]
    tenth = page["messages"][9]["offset"]
    after = late.call("chat:after", chat="7", epoch=page["recover"]["epoch"], after=tenth)["data"]
    assert [message["body"] for message in after["messages"]] == [str(n) for n in range(10, sent)]
    answer = late.subscribe("chat:7", page["recover"])
    assert answer["recovered"] is True and late.nothing_else() == []


def test_typing_is_shown_to_others_and_limited(members):
    ann, bob = members
    for one in members:
        assert one.subscribe("typing:7")["type"] == "subscribed"
    first, second = ann.calls("message:typing", {"chat": "7"}, {"chat": "7"})
    assert first["ok"] and second["error"] == "RATE_LIMITED"
    assert bob.expect("typing")["data"] == {"user": "ann"}
    assert ann.nothing_else() == bob.nothing_else() == []


# ---- token_stream ----


@pytest.fixture
def agent(run):
    return run("token_stream")


def test_a_stream_is_whole_over_a_reconnect(agent, screen):
    prompt = " ".join(f"word{n}" for n in range(400))
    run = agent.ask("POST", "/runs", {"prompt": prompt})
    one = screen(run)
    assert one.subscribe(f"run:{run['id']}", run["recover"])["recovered"] is True
    text, last = "", run["recover"]
    while len(text) < 200:
        event = one.expect("tokens")
        assert event["data"]["at"] == len(text)
        text += event["data"]["text"]
        last = {**last, "offset": event["offset"]}
    one.close()
    wait_until(lambda: agent.ask("GET", f"/runs/{run['id']}")["state"] == "done", "the end")
    again = screen(run)
    assert again.subscribe(f"run:{run['id']}", last)["recovered"] is True
    batches = 0
    while True:
        event = again.expect()
        if event["type"] == "done":
            break
        assert event["data"]["at"] == len(text)
        text += event["data"]["text"]
        batches += 1
    assert text == prompt + " " == agent.ask("GET", f"/runs/{run['id']}")["text"]
    assert event["data"] == {"characters": len(text)} and batches < 300, "words travel together"


def test_a_run_is_cancelled_and_an_unknown_one_is_refused(agent, screen):
    run = agent.ask("POST", "/runs", {"prompt": "x " * 9000})
    one = screen(run)
    one.subscribe(f"run:{run['id']}", run["recover"])
    one.expect("tokens")
    agent.ask("DELETE", f"/runs/{run['id']}")
    assert one.expect("cancelled")["data"]["characters"] == len(
        agent.ask("GET", f"/runs/{run['id']}")["text"])
    assert one.subscribe("run:unknown")["code"] == "FORBIDDEN"


def test_the_service_ends_while_it_streams(agent, screen):
    run = agent.ask("POST", "/runs", {"prompt": "x " * 9000})
    one = screen(run)
    one.subscribe(f"run:{run['id']}", run["recover"])
    one.expect("tokens")
    agent.stop()
    assert one.expect("cancelled")
