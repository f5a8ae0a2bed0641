"""Measures Django's signals and blinker as the program in Rust measures its own.

Prints a row of JSON for each result. On one thread only: another would wait for the
interpreter's lock.
"""

import gc
import json
import random
import sys
import threading
import time
import tracemalloc

import blinker
import django
from django.dispatch import Signal

MOST_OF_DJANGO = 1_000
FILLING = "each connect looks at all that are there: filling takes minutes"


def receiver(c):
    def receive(sender, x, **kwargs):
        c + x

    return receive


class Django:
    name = f"Django {django.__version__} `Signal.send`"
    about = "strong receivers (`weak=False`); a send returns a list of them with their responses"
    most = MOST_OF_DJANGO

    def __init__(self):
        self.signal = Signal()

    def connect(self, receive, sender=None):
        self.signal.connect(receive, sender=sender, weak=False)

    def disconnect(self, receive):
        self.signal.disconnect(receive)

    def send(self, sender, repeats):
        send = self.signal.send
        for _ in range(repeats):
            send(sender, x=1)

    def send_random(self, senders, repeats):
        send, choose = self.signal.send, random.Random(3).choice
        for _ in range(repeats):
            send(choose(senders), x=1)


class Blinker(Django):
    name = f"blinker {getattr(blinker, '__version__', '1.9.0')} `Signal.send`"
    about = "strong receivers (`weak=False`), found by their sender; runs them in no order"
    most = None

    def __init__(self):
        self.signal = blinker.Signal()

    def connect(self, receive, sender=blinker.ANY):
        self.signal.connect(receive, sender=sender, weak=False)


class Bare(Django):
    name = "Python bare loop"
    about = "a loop over a list of functions"
    most = None

    def __init__(self):
        self.receivers = []

    def connect(self, receive, sender=None):
        self.receivers.append(receive)

    def send(self, sender, repeats):
        receivers = self.receivers
        for _ in range(repeats):
            for receive in receivers:
                receive(sender, x=1)


class Sender:
    pass


def row(work, rival, at, **rest):
    print(json.dumps({"work": work, "rival": rival.name, "at": at, **rest}), flush=True)


def measure(work, effort, cases):
    """`cases` are triples of a rival, a number and what repeats itself so many times."""

    def took(run, repeats):
        started = time.perf_counter_ns()
        run(repeats)
        return time.perf_counter_ns() - started

    repeats = []
    for _, _, run in cases:
        n = 1
        while (time_of_n := took(run, n)) <= effort["round"] / 4:
            n *= 2
        repeats.append(max(1, n * effort["round"] // time_of_n))
    taken = [[] for _ in cases]
    order = list(range(len(cases)))
    shuffle = random.Random(7).shuffle
    for _ in range(effort["rounds"]):
        shuffle(order)
        for at in order:
            taken[at].append(took(cases[at][2], repeats[at]) / repeats[at])
    for (rival, at, _), times in zip(cases, taken):
        times.sort()
        row(work, rival, at, values={"least": times[0], "median": times[len(times) // 2]})


def filled(rival, receivers):
    made = rival()
    held = [receiver(c) for c in range(receivers)]
    for receive in held:
        made.connect(receive)
    return made, held


def sends(effort):
    for n in effort["receivers"]:
        cases = []
        for rival in (Bare, Django, Blinker):
            made, _held = filled(rival, n)
            sender = Sender()
            cases.append((rival, n, lambda repeats, made=made, sender=sender: made.send(sender, repeats)))
        measure("sends", effort, cases)


def senders(effort):
    for n in effort["senders"]:
        known = [Sender() for _ in range(n)]
        same, different = [], []
        for rival in (Django, Blinker):
            if rival.most and n > rival.most:
                for work in ("senders same", "senders random"):
                    row(work, rival, n, why=FILLING)
                continue
            made = rival()
            for c, sender in enumerate(known):
                made.connect(receiver(c), sender=sender)
            one = known[n // 2]
            same.append((rival, n, lambda repeats, made=made, one=one: made.send(one, repeats)))
            different.append((rival, n, lambda repeats, made=made: made.send_random(known, repeats)))
        measure("senders same", effort, same)
        measure("senders random", effort, different)


def changes(effort):
    for n in effort["held"]:
        newest, other = [], []
        for rival in (Django, Blinker):
            if rival.most and n > rival.most:
                for work in ("changes newest", "changes random"):
                    row(work, rival, n, why=FILLING)
                continue
            made, held = filled(rival, n)

            def newest_of(repeats, made=made):
                for c in range(repeats):
                    added = receiver(c)
                    made.connect(added)
                    made.disconnect(added)

            def random_of(repeats, made=made, held=held, below=random.Random(1).randrange):
                for c in range(repeats):
                    at = below(len(held))
                    old, held[at] = held[at], receiver(c)
                    made.connect(held[at])
                    made.disconnect(old)

            newest.append((rival, n, newest_of))
            other.append((rival, n, random_of))
        measure("changes newest", effort, newest)
        measure("changes random", effort, other)


def memory(effort):
    for rival in (Bare, Django, Blinker):
        n = min(effort["in_memory"], rival.most or effort["in_memory"])
        tracemalloc.start()
        _made, held = filled(rival, n)
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        row("memory", rival, n, values={"bytes": (used - sys.getsizeof(held)) / n})


def main():
    def numbers(text):
        return [int(number) for number in text.split(",")]

    if len(sys.argv) != 10:
        sys.exit("error: started by hand: the program in Rust starts this one")
    rounds, round_, receivers, held, senders_, _threads, _timed, _rounds, in_memory = sys.argv[1:]
    effort = {
        "rounds": int(rounds),
        "round": int(round_),
        "receivers": numbers(receivers),
        "held": numbers(held),
        "senders": numbers(senders_),
        "in_memory": int(in_memory),
    }
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    for rival in (Bare, Django, Blinker):
        row("about", rival, 0, why=rival.about)
    for rival in (Django, Blinker):
        for work in ("threads", "latency"):
            row(work, rival, 1, why="threads of Python wait for one another")
    # As timeit does: what it takes depends on all that is alive.
    gc.disable()
    sends(effort)
    senders(effort)
    changes(effort)
    memory(effort)


main()
