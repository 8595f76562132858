"""The README's subscriber, in the browser that it is written for."""
import pytest

from readme.snippets import snippet
from support.waiting import wait_until

pytestmark = pytest.mark.chromium


def test_the_subscriber_of_the_readme_logs_what_is_published(open_page, browser, daemon):
    page = open_page(room="chat:readme").wait_joined()
    page.run("window.logged = []; console.log = (value) => logged.push(value);")
    page.run(snippet("subscribe", daemon))
    wait_until(lambda: any(one["type"] == "subscribed" for one in page.run("return logged")),
               "the answer to subscribe")
    answer = daemon.post("/api/publish", {"room": "chat:1", "type": "message:new",
                                          "data": {"text": "hello"}}, key="dev")
    assert answer.status == 200
    wait_until(lambda: page.run("return logged")[-1].get("data") == {"text": "hello"}, "the event")
