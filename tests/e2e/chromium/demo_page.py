"""The demo page in one window, as a person uses it."""
import json
import urllib.parse

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from support.waiting import wait_until

EVENTS = """return [...document.querySelectorAll("#events > .event")].map((row) => ({
  id: row.dataset.id,
  type: row.querySelector(".type").textContent,
  offset: row.querySelector(".offset")?.textContent ?? null,
  latency: row.querySelector(".latency").textContent,
  recovered: row.querySelector(".recovered") !== null,
  sse: row.querySelector(".sse")?.textContent ?? null,
  data: JSON.parse(row.querySelector("pre").textContent),
}));"""


class DemoPage:
    def __init__(self, driver, daemon, **query):
        self.driver = driver
        self.handle = driver.current_window_handle
        self.daemon = daemon
        driver.get(f"{daemon.url}/?{urllib.parse.urlencode(query)}")

    def focus(self):
        """Makes this the window that is driven."""
        self.driver.switch_to.window(self.handle)
        return self

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def element(self, id):
        return self.driver.find_element(By.ID, id)

    def text(self, id):
        return self.run("return document.getElementById(arguments[0]).textContent", id).strip()

    def number(self, id):
        return int(self.text(id))

    def shown(self, id):
        return self.element(id).is_displayed()

    def click(self, id):
        self.element(id).click()

    def press(self, form):
        """The button that sends a form."""
        self.element(form).find_element(By.CSS_SELECTOR, "button:not([type=button])").click()

    def fill(self, id, value):
        field = self.element(id)
        field.clear()
        field.send_keys(value)

    # ---- waiting ----
    def wait(self, condition, what):
        def holds():
            try:
                return condition()
            except StaleElementReferenceException:
                return None

        try:
            return wait_until(holds, what)
        except AssertionError as error:
            seen = self.run("return document.body.innerText")
            raise AssertionError(f"{error}; the page says:\n{seen}") from None

    def wait_text(self, id, expected):
        return self.wait(lambda: self.text(id) == expected, f"{id} = {expected!r}")

    def wait_joined(self, user=None):
        """Connected, subscribed, and in the list of those who are here."""
        user = user or self.run("return user")
        self.wait_text("state", "connected")
        self.wait(lambda: f"{user} (you)" in self.users(), f"{user} among the users")
        return self

    # ---- what it shows ----
    def events(self, type=None):
        """Newest first."""
        return [event for event in self.run(EVENTS) if type in (None, event["type"])]

    def wait_events(self, count, type=None):
        self.wait(lambda: len(self.events(type)) >= count, f"{count} events of type {type}")
        events = self.events(type)
        assert len(events) == count, events
        return events

    def notes(self):
        return self.run('return [...document.querySelectorAll("#events > .note")]'
                        '.map((row) => row.textContent)')

    def users(self):
        return self.run('return [...document.querySelectorAll("#users li")]'
                        '.map((row) => row.textContent)')

    def insert_row(self, payload, tenant=None):
        """By the form."""
        if tenant is not None:
            self.fill("tenant", tenant)
        self.fill("payload", payload if isinstance(payload, str) else json.dumps(payload))
        self.press("outbox-form")
