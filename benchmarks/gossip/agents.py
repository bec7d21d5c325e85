"""What the scripts beside this one share: where the program is, and what agents' logs say of whom, as it is written."""
import re
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(ROOT / ".build/release/meshnode")


class Known:
    """Who held whom in which state, and since when."""

    def __init__(self):
        self.changed = threading.Condition()
        self.states = {}
        # (moment, observer, subject, state), as they came.
        self.events = []

    def note(self, observer, subject, state):
        with self.changed:
            if self.states.get((observer, subject), (None, 0))[0] != state:
                now = time.monotonic()
                self.states[observer, subject] = (state, now)
                self.events.append((now, observer, subject, state))
                self.changed.notify_all()

    def wait(self, observers, subject, state, timeout):
        """When each observer came to hold the subject in the state; those that did not are missing."""
        return self.wait_all([(one, subject) for one in observers if one != subject], state, timeout, by_observer=True)

    def wait_all(self, pairs, state, timeout, by_observer=False):
        """The same for pairs of observer and subject."""
        def held():
            return {pair: self.states[pair][1] for pair in pairs if self.states.get(pair, (None, 0))[0] == state}
        with self.changed:
            self.changed.wait_for(lambda: len(held()) == len(pairs), timeout)
            return {observer: at for (observer, _), at in held().items()} if by_observer else held()


class Log:
    """Follows an agent's log from its beginning, through restarts that append to it."""

    def __init__(self, path, name, known):
        self.path, self.name, self.known = path, name, known
        # Whom this agent held for primary last; itself if it is it.
        self.primary = None
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        with open(self.path, encoding="utf-8", errors="replace") as log:
            line = ""
            while True:
                line += log.readline()
                if not line.endswith("\n"):
                    time.sleep(0.001)
                    continue
                fields = dict(re.findall(r"(\w+)=(\S+)", line))
                if "member changed" in line:
                    self.known.note(self.name, fields["member"], fields["state"])
                if "role changed" in line:
                    self.primary = fields["leader"]
                line = ""


def percentile(values, percent):
    ordered = sorted(values)
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 3) if ordered else None
