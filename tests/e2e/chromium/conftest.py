"""One daemon in dev mode and one browser for all tests of the folder; each test has windows and
rooms of its own."""
import pytest

pytest.importorskip("selenium")

from chromium import browser as chromium  # noqa: E402
from chromium.demo_page import DemoPage  # noqa: E402
from support.daemon import Daemon  # noqa: E402

# Chromium notices the end of a connection that it keeps for later only when it wants to use it, so
# a daemon that stops waits for it as long as this says.
QUICK_END = ("--set", "limits.linger_s=1")


@pytest.fixture(scope="session")
def daemon(request, tmp_path_factory):
    one = Daemon(tmp_path_factory.mktemp("daemon"), mode="dev", arguments=QUICK_END,
                 engine=request.config.getoption("--engine"))
    one.start().wait_ready()
    yield one
    one.stop()


@pytest.fixture
def dev_daemon(make_daemon):
    """A daemon of the test's own, which may be killed."""
    return make_daemon(mode="dev", arguments=QUICK_END)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = chromium.start(tmp_path_factory.mktemp("profile"))
    driver.first_window = driver.current_window_handle
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser, daemon):
    """open_page(room=…, user=…) -> DemoPage in a window of its own, closed after the test."""
    chromium.console_errors(browser)
    chromium.requested_urls(browser)

    def make(daemon=daemon, **query):
        browser.switch_to.new_window("window")
        return DemoPage(browser, daemon, **query)

    yield make
    for handle in browser.window_handles:
        if handle != browser.first_window:
            browser.switch_to.window(handle)
            browser.close()
    browser.switch_to.window(browser.first_window)
