"""Random worlds under the alarms of docs/capacity.md: how often does scale-in hurt, and does it repeat itself?

A day in the life of a group: tasks come and go, first fit places them, alarms read figures that lag and of which
some are lost. Beside the figures of the agent, the classic formula: a minimum of sums, under the same alarms.

    python3 tests/capacity/worlds.py [--worlds N] [--seed N] [--loss SHARE] [--reserve TASKS]
"""

import argparse
import itertools
import random
from dataclasses import dataclass, field

LARGEST = (512, 1024)
SMALLER = [(512, 1024), (256, 1024), (512, 256), (128, 256), (256, 128)]
HOSTS = [(2048, 4096), (1024, 4096), (4096, 4096)]
MINUTES = 24 * 60
BOOT = 3  # minutes from +1 to in service
WARM_UP = 5  # a step policy counts what it has added for so long
COOLDOWN = 10  # of the simple policy
MOST_HOSTS = 20


@dataclass
class Host:
    size: tuple
    ready: int
    tasks: list = field(default_factory=list)
    # As of the last look at Amazon ECS, which may be two minutes ago.
    seen: tuple = (0, 0)
    looked: int = -99
    known: set = field(default_factory=set)

    def left(self):
        return tuple(has - sum(task[r] for task in self.tasks) for r, has in enumerate(self.size))


def fits(host, task):
    return all(left >= need for left, need in zip(host.left(), task))


def place(hosts, task):
    for host in hosts:
        if fits(host, task):
            host.tasks.append(task)
            return True
    return False


def counts(amounts):
    return [max(0, amount) // need for amount, need in zip(amounts, LARGEST)]


def ours(hosts, lost):
    """The sums of what the hosts say, each a minimum of its own."""
    spoken = [host for host in hosts if not lost()]
    capacity = idle = most = 0
    for host in spoken:
        free, total = counts(host.seen), counts(host.size)
        free = [min(pair) for pair in zip(free, total)]
        capacity += min(free)
        idle += min(1000 * c // t if t else 0 for c, t in zip(free, total)) / 1000
        most = max(most, min(total))
    return capacity, idle, most, len(spoken)


def classic(hosts, _lost, dice):
    """A minimum of sums; idle by the size of the host that has sent the event."""
    sums = [sum(column) for column in zip(*(counts(host.seen) for host in hosts))]
    per_host = counts(dice.choice(hosts).size)
    idle = min(c / t if t else 0 for c, t in zip(sums, per_host))
    return min(sums), idle, min(per_host), len(hosts)


@dataclass
class Result:
    ins: int = 0
    unsafe: int = 0
    repeats: int = 0
    outs: int = 0
    waited: int = 0
    minutes: int = 0
    hosts: int = 0


def day(dice, formula, mixed, sizes, options, result):
    def new(at):
        return Host(dice.choice(HOSTS) if mixed else HOSTS[0], at)

    hosts = [new(0) for _ in range(dice.randint(3, 8))]
    waiting, history, leaving = [], [], []
    level = dice.uniform(0.3, 0.7)
    warm_until = cool_until = 0
    last_in = -99
    serial = itertools.count()
    for now in range(MINUTES):
        # The load wanders; tasks come one by one, and go one by one.
        level = min(0.95, max(0.1, level + dice.gauss(0, 0.01)))
        ready = [host for host in hosts if host.ready <= now]
        wanted = level * 8 * HOSTS[0][0]
        used = sum(task[0] for host in hosts for task in host.tasks) + sum(task[0] for task in waiting)
        if used < wanted and dice.random() < 0.5:
            waiting.append((*dice.choice(sizes), next(serial)))
        elif used > wanted and dice.random() < 0.5:
            full = [host for host in hosts if host.tasks]
            if full:
                host = dice.choice(full)
                host.tasks.remove(dice.choice(host.tasks))
        waiting = [task for task in waiting if not place(ready, task)]
        result.waited += len(waiting)
        result.minutes += 1
        result.hosts += len(hosts)
        for host in ready:
            here = {task[2] for task in host.tasks}
            if now - host.looked >= (2 if here != host.known else 10):
                host.seen, host.looked, host.known = host.left(), now, here
        figures = formula(ready, lambda: dice.random() < options.loss, dice)
        desired, pending = len(hosts), len(hosts) - len(ready)
        leaving = [end for end in leaving if end > now]
        history.append((*figures, len(ready), pending, len(leaving), desired))
        # What an alarm reads is a minute or two old.
        end = len(history) - dice.choice([1, 1, 2])
        window = history[max(0, end - 15) : max(0, end)]

        def out(entry):
            capacity, _, most, *_ = entry
            return most >= 1 and capacity < options.reserve

        def inwards(entry):
            capacity, idle, most, said, service, pending, terminating, desired = entry
            return (
                idle > 1.0005
                and capacity - most >= options.reserve
                and 0.95 * service <= said <= service
                and pending == terminating == 0
                and service == desired
            )

        rule = inwards if formula is not by_classic else lambda entry: entry[1] > 1
        if len(window) >= 2 and all(map(out, window[-2:])) and now >= warm_until and desired < MOST_HOSTS:
            hosts.append(new(now + BOOT))
            result.outs += 1
            warm_until = now + WARM_UP
        elif len(window) == 15 and sum(map(rule, window)) >= 14 and now >= cool_until and len(ready) > 1:
            victim = dice.choice(ready)
            hosts.remove(victim)
            rest = [host for host in ready if host is not victim]
            moved = [task for task in sorted(victim.tasks, reverse=True) if not place(rest, task)]
            waiting += moved
            result.ins += 1
            result.unsafe += bool(moved)
            # Some of what the alarm has read is of before the -1 that came before.
            result.repeats += now - last_in < 15
            leaving.append(now + dice.randint(2, 10))
            last_in, cool_until = now, now + COOLDOWN


def by_ours(hosts, lost, _dice):
    return ours(hosts, lost)


def by_classic(hosts, lost, dice):
    return classic(hosts, lost, dice)


def days(formula, mixed, sizes, options):
    result = Result()
    for world in range(options.worlds):
        day(random.Random(options.seed * 1_000_003 + world), formula, mixed, sizes, options, result)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loss", type=float, default=0.001, help="share of samples that are lost")
    parser.add_argument("--reserve", type=int, default=1, help="k")
    options = parser.parse_args()
    print(f"{options.worlds} worlds of a day each, one sample in {1 / options.loss:.0f} lost, reserve {options.reserve}\n")
    print(f"{'hosts':10}{'tasks':10}{'formula':9}{'-1':>6}{'unsafe':>9}{'repeats':>9}{'+1':>6}{'waiting':>9}{'hosts':>7}")
    for mixed in (False, True):
        for sizes in ([LARGEST], SMALLER):
            for name, formula in (("ours", by_ours), ("classic", by_classic)):
                result = days(formula, mixed, sizes, options)
                print(
                    f"{'mixed' if mixed else 'alike':10}{'largest' if len(sizes) == 1 else 'smaller':10}{name:9}"
                    f"{result.ins:6}{result.unsafe / max(1, result.ins):9.2%}{result.repeats:9}"
                    f"{result.outs:6}{result.waited / result.minutes:9.3f}{result.hosts / result.minutes:7.2f}"
                )


if __name__ == "__main__":
    main()
