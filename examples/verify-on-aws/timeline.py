"""What was seen, in the order in which it was seen; written down as it comes."""

import datetime
import json
import threading


def now():
    return datetime.datetime.now(datetime.UTC)


class Timeline:
    def __init__(self, path=None, observations=()):
        self._path = path
        self._lock = threading.Lock()
        self._all = list(observations)
        self._last = {}

    def add(self, kind, at=None, **facts):
        at = at or now()
        if isinstance(at, datetime.datetime):
            at = at.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        observation = {"at": at, "kind": kind, **facts}
        with self._lock:
            self._all.append(observation)
            if self._path:
                with open(self._path, "a") as file:
                    file.write(json.dumps(observation, default=str) + "\n")
        return observation

    def changed(self, kind, subject, value, **facts):
        """Adds it where it is not what was seen of this subject the last time."""
        if self._last.get((kind, subject)) != value:
            self._last[kind, subject] = value
            self.add(kind, subject=subject, value=value, **facts)

    def of(self, kind, **facts):
        with self._lock:
            found = [o for o in self._all if o["kind"] == kind and facts.items() <= o.items()]
        return sorted(found, key=lambda observation: observation["at"])

    def during(self, step, kind, **facts):
        """The same, between the beginning and the end of a step."""
        begin = self.of("step", name=step, what="begin")
        end = self.of("step", name=step, what="end")
        if not begin:
            return []
        last = end[-1]["at"] if end else "9"
        return [o for o in self.of(kind, **facts) if begin[0]["at"] <= o["at"] <= last]
