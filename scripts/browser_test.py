"""Tries the web interface as a person would, in headless Chromium, against a running mesh.

Usage: browser_test.py BASE_URL USERNAME PASSWORD ARTIFACTS [--nodes N]

Signs in, waits for every node's card, chats until an answer names a node, ends another session, signs out. Fails on
anything that the browser's console calls an error, a violated content security policy included. Leaves screenshots in
the directory ARTIFACTS; exits with 1 and one readable line where something is not as it should be.

Needs the package selenium, and Chromium with its driver on the PATH.
"""
import argparse
import base64
import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 15
# A small model on a busy machine takes its time.
ANSWER_SECONDS = 90
OTHER_CLIENT = "browser-test-other/1"
DESKTOP = (1280, 900)
PHONE = (360, 740)


class Unexpected(Exception):
    """What was expected and what was found, in one line."""


class Page:
    """The browser with one page of the interface."""

    def __init__(self, base_url: str, artifacts: Path):
        self.base_url = base_url
        self.artifacts = artifacts
        options = webdriver.ChromeOptions()
        options.binary_location = installed("chromium", "chromium-browser", "google-chrome")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(installed("chromedriver")))
        self.resize(DESKTOP)
        self.prefer("light")

    def close(self) -> None:
        self.driver.quit()

    def open(self) -> None:
        self.driver.get(self.base_url)

    def view(self, name: str) -> None:
        self.find(f"nav a[data-view={name}]").click()

    def find(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what: str, condition, seconds: float = WAIT_SECONDS):
        """The first true value of `condition`; elements that the page replaces meanwhile are looked for again."""
        try:
            waiting = WebDriverWait(self.driver, seconds, 0.1, ignored_exceptions=[StaleElementReferenceException])
            return waiting.until(lambda _: condition())
        except TimeoutException:
            self.shoot("failure")
            raise Unexpected(f"waited {seconds:g} s in vain for {what}; the page says: {self.words()}") from None

    def words(self) -> str:
        return " ".join(self.find("body").text.split())[:600]

    def resize(self, size: tuple[int, int], is_mobile: bool = False) -> None:
        # A headless window is never narrower than 500 pixels; the emulated screen is.
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2 if is_mobile else 1, "mobile": is_mobile})

    def prefer(self, scheme: str) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shoot(self, name: str, is_whole: bool = False) -> None:
        time.sleep(0.4)  # bars and map follow a new size in a moment
        options: dict = {"captureBeyondViewport": is_whole}
        if is_whole:
            width, height = self.driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
            options["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        (self.artifacts / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def expect_quiet_console(self) -> None:
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        if errors:
            raise Unexpected(f"the console has {len(errors)} errors, the first: {errors[0]}")

    def expect_no_sideways_scrolling(self, width: int) -> None:
        # A phone's window grows with what it shows, so the page is compared with the screen.
        content = self.driver.execute_script("return document.documentElement.scrollWidth")
        if content > width:
            raise Unexpected(f"the page is {content} px wide on a screen of {width} px")


def installed(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise Unexpected(f"none of {', '.join(names)} is on the PATH")


def sign_in(page: Page, username: str, password: str) -> None:
    page.open()
    page.wait("the sign-in form", lambda: page.find("#username").is_displayed())
    page.shoot("sign-in")
    page.find("#username").send_keys(username)
    page.find("#password").send_keys(password + Keys.ENTER)
    page.wait("the mesh after signing in", lambda: page.find("#view-mesh").is_displayed())


def see_nodes(page: Page, count: int) -> list[str]:
    def reported() -> list:
        cards = page.find_all("#cards > .card")
        return [card for card in cards if "report" in card.find_element(By.CSS_SELECTOR, ".foot").text]

    page.wait(f"{count} nodes with a report each", lambda: len(reported()) == count)
    page.wait("a primary", lambda: len(page.find_all("#cards .badge.lead")) == 1)
    page.wait("the live stream", lambda: page.find("#live-text").text == "Live")
    drawn = len(page.find_all("#map .node"))
    if drawn != count:
        raise Unexpected(f"the map shows {drawn} nodes, the cards {count}")
    return [card.find_element(By.CSS_SELECTOR, "h3").text for card in reported()]


def chat(page: Page, nodes: list[str]) -> str:
    page.view("chat")
    page.wait("a model to choose", lambda: page.find("#send").is_enabled() and page.find_all("#model option"))
    page.find("#prompt").send_keys("Say hello to the mesh in one short sentence." + Keys.ENTER)
    # Only a finished answer unfolds into why.
    page.wait("a finished answer", lambda: page.find_all(".turn.mesh footer details"), ANSWER_SECONDS)
    answer = page.find(".turn.mesh")
    if page.find_all(".turn.failed"):
        raise Unexpected(f"the prompt failed: {answer.text}")
    if not answer.find_element(By.CSS_SELECTOR, ".words").text.strip():
        raise Unexpected("the answer is empty")
    node = answer.find_element(By.CSS_SELECTOR, ".by").text
    if node not in nodes:
        raise Unexpected(f"the answer names {node!r}, which is none of {nodes}")
    answer.find_element(By.CSS_SELECTOR, "summary").click()
    page.wait("the reasons", lambda: page.find(".turn.mesh .decision .won th").is_displayed())
    page.shoot("chat")
    return node


def end_other_session(page: Page, username: str, password: str) -> None:
    other = call(page, "/mesh/v1/auth/login", body={"username": username, "password": password})
    if call_status(page, other["access_token"]) != 200:
        raise Unexpected("a session made through the API is refused before it was ended")
    page.view("sessions")
    row = f'#session-rows tr[data-session="{other["session_id"]}"]'
    page.wait("the other session in the list", lambda: page.find_all(row))
    if len(page.find_all("#session-rows .badge.self")) != 1:
        raise Unexpected("the list must mark exactly one session as this browser's")
    page.shoot("sessions")
    page.find(f"{row} .action button").click()
    page.wait("the other session to leave the list", lambda: not page.find_all(row))
    deadline = time.monotonic() + WAIT_SECONDS
    while (status := call_status(page, other["access_token"])) != 401:
        if time.monotonic() > deadline:
            raise Unexpected(f"the ended session's token is answered with {status}, not 401")
        time.sleep(0.1)


def take_pictures(page: Page) -> None:
    page.view("mesh")
    page.shoot("desktop-light", is_whole=True)
    page.prefer("dark")
    page.shoot("desktop-dark", is_whole=True)
    page.resize(PHONE, is_mobile=True)
    for view in ("mesh", "chat", "sessions"):
        page.view(view)
        page.shoot("phone-dark" if view == "mesh" else f"phone-{view}", is_whole=view == "mesh")
        page.expect_no_sideways_scrolling(PHONE[0])
    page.prefer("light")
    page.view("mesh")
    page.shoot("phone")
    page.resize(DESKTOP)


def sign_out(page: Page) -> None:
    page.find("#sign-out").click()
    page.wait("the sign-in form after signing out", lambda: page.find("#sign-in-note").is_displayed())
    if page.find("#top").is_displayed():
        raise Unexpected("the page still shows what only signed-in people may see")


def request(page: Page, path: str, headers: dict, body: dict | None = None) -> urllib.request.Request:
    data = None if body is None else json.dumps(body).encode()
    fields = {"User-Agent": OTHER_CLIENT, "Content-Type": "application/json", **headers}
    return urllib.request.Request(page.base_url.rstrip("/") + path, data=data, headers=fields)


def call(page: Page, path: str, body: dict) -> dict:
    with urllib.request.urlopen(request(page, path, {}, body), timeout=WAIT_SECONDS) as reply:
        return json.load(reply)


def call_status(page: Page, token: str) -> int:
    question = request(page, "/mesh/v1/status", {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(question, timeout=WAIT_SECONDS) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def run(arguments: argparse.Namespace) -> None:
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    page = Page(arguments.base_url, arguments.artifacts)
    try:
        sign_in(page, arguments.username, arguments.password)
        nodes = see_nodes(page, arguments.nodes)
        print(f"signed in as {arguments.username}; nodes: {', '.join(nodes)}")
        print(f"{chat(page, nodes)} answered")
        end_other_session(page, arguments.username, arguments.password)
        print("ended another session")
        take_pictures(page)
        sign_out(page)
        page.expect_quiet_console()
    except Exception:
        page.shoot("failure")
        raise
    finally:
        page.close()
    print(f"passed; screenshots in {arguments.artifacts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("username")
    parser.add_argument("password")
    parser.add_argument("artifacts", type=Path)
    parser.add_argument("--nodes", type=int, default=5, help="how many nodes the mesh has (default 5)")
    try:
        run(parser.parse_args())
    except (Unexpected, OSError) as failure:
        sys.exit(f"browser test failed: {failure}")
    except WebDriverException as failure:
        sys.exit(f"browser test failed: {(failure.msg or str(failure)).splitlines()[0]}")


if __name__ == "__main__":
    main()
