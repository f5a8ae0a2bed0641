"""Random programs for Django's dispatcher and for fanfare.

    programs.py generate FIRST COUNT   makes and runs COUNT programs, the first from the seed FIRST
    programs.py run                    runs the programs that it reads from its input

Both print each program with the trace that Django left:

    program 17 mixed              the seed and the kind
    on f0 disconnect f1 N0 -      an operation that the receiver `f0` runs when it is called
    do connect f0 - u1            an operation of the program
    see 0 connect new             a line of the trace, with the depth of the sends around it
    end

Receivers: `f0` is a function, `a0` an async function, `c0` a closure, `m0.1` method 1 of object 0,
which is connected weakly, and `n0.1` an async one. Senders: `-` is none, `T0` a type, `N0` a name,
`K0` a number, `I0` an object. Uids: `-` is none, `empty` is an empty one.

Operations: `connect RECEIVER SENDER UID`, `disconnect RECEIVER SENDER UID`, `drop OBJECT`,
`make OBJECT`, `fresh CLOSURE`, `renew OBJECT_AS_SENDER`, `VERB SENDER VALUE caught|travels` with
the verbs `send`, `robust`, `asend` and `arobust`, `listeners SENDER`, `look`, and in receivers
`raise FAULT`, `error FAULT` (returns an exception), `exit` (raises a `BaseException`) and `yield`.

Kinds: in `sync` and `async` programs all receivers are sync or all are async. `mixed` programs have
both. In `tasks` programs all receivers are async, suspend and await sends, so the lines inside one
send are in no order. Their receivers do not change the signal.
"""

import random
import sys

import dispatcher

SENDERS = ["-", "-", "T0", "T1", "N0", "N1", "K0", "K1", "I0", "I1"]
RAISES, ERRORS, EXITS = 0.15, 0.07, 0.03


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.kind = self.random.choices(["sync", "async", "mixed", "tasks"], [11, 3, 4, 2])[0]
        # A failure would cancel suspended receivers at a point that depends on the event loop.
        self.fails = self.kind != "tasks" or self.random.random() < 0.5
        self.senders = ["-", *self.random.sample(SENDERS, 4)]
        self.targets = self.random.choice([1, 2, 3])

    def program(self):
        scripts = {}
        for name in self.script_names():
            if self.random.random() < 0.6:
                scripts[name] = self.script(name)
        # Programs start with connects, so that their sends reach receivers.
        ops = [self.connect() for _ in range(self.random.randint(0, 5))]
        ops += [self.op() for _ in range(self.random.randint(4, 22))]
        return self.kind, scripts, ops

    def script_names(self):
        names = []
        if self.kind in ("sync", "mixed"):
            names += ["f0", "f1", "f2", "f3", "c0", "c1", "m0", "m1"]
        if self.kind != "sync":
            names += ["a0", "a1", "a2", "a3", "n0", "n1"]
        return names

    def script(self, name):
        is_async = name[0] in "an"
        ops = [self.script_op(is_async) for _ in range(self.random.randint(0, 2))]
        chance = self.random.random()
        fault = f"E{self.random.randint(0, 2)}"
        if not self.fails or chance > RAISES + ERRORS + EXITS:
            return ops
        if chance < RAISES:
            return [*ops, f"raise {fault}"]
        if chance < RAISES + ERRORS or is_async:
            return [*ops, f"error {fault}"]
        return [*ops, "exit"]

    def script_op(self, is_async):
        if self.kind == "tasks":
            makers = [self.listeners, lambda: "yield", lambda: self.send(self.awaited())]
            return self.pick(makers, [1, 2, 2])
        makers = [self.change, lambda: self.send(self.blocking()), self.listeners, lambda: "look"]
        # A blocking send in an async receiver is mostly refused, which ends the comparison.
        return self.pick(makers, [10, 1 if is_async else 4, 1, 1])

    def op(self):
        makers = [
            self.connect,
            self.change,
            lambda: self.send(self.blocking()),
            lambda: self.send(self.awaited()),
            self.listeners,
            lambda: "look",
        ]
        # In Django before 6.1 sync receivers of an `asend` run beside its async ones.
        awaits = self.kind != "mixed" or dispatcher.SYNC_COMES_FIRST
        return self.pick(makers, [6, 6, 6, 2 * awaits, 2, 1])

    def change(self):
        makers = [
            self.connect,
            self.disconnect,
            lambda: f"drop {self.target()}",
            lambda: f"make {self.target()}",
            lambda: f"fresh {self.random.randint(0, 1)}",
            lambda: f"renew {self.random.randint(0, 1)}",
        ]
        return self.pick(makers, [5, 5, 1, 1, 0.5, 0.5])

    def connect(self):
        return f"connect {self.receiver()} {self.sender()} {self.uid()}"

    def disconnect(self):
        uid = self.uid()
        receiver = "-" if uid.startswith("u") and self.random.random() < 0.4 else self.receiver()
        return f"disconnect {receiver} {self.sender()} {uid}"

    def send(self, verb):
        caught = "caught" if self.random.random() < 0.6 else "travels"
        return f"{verb} {self.sender()} {self.random.randint(0, 99)} {caught}"

    def listeners(self):
        return f"listeners {self.sender()}"

    def blocking(self):
        return "robust" if self.must_be_robust() or self.random.random() < 0.4 else "send"

    def awaited(self):
        return "arobust" if self.must_be_robust() or self.random.random() < 0.4 else "asend"

    def must_be_robust(self):
        return self.kind == "tasks" and self.fails

    def receiver(self):
        is_async = self.kind in ("async", "tasks")
        if self.kind == "mixed":
            is_async = self.random.random() < 0.5
        if self.random.random() < 0.35:
            method = self.random.randint(0, 1)
            return f"{'n' if is_async else 'm'}{self.target()}.{method}"
        if not is_async and self.random.random() < 0.2:
            return f"c{self.random.randint(0, 1)}"
        return f"{'a' if is_async else 'f'}{self.random.randint(0, 3)}"

    def target(self):
        return self.random.randrange(self.targets)

    def sender(self):
        return self.random.choice(self.senders)

    def uid(self):
        return self.random.choices(["-", "u0", "u1", "empty"], [14, 3, 3, 0.4])[0]

    def pick(self, makers, weights):
        return self.random.choices(makers, weights)[0]()


def read_programs(lines):
    """Yields the programs of a text in the format that this program prints."""
    for line in lines:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "program":
            seed, kind = rest.split(" ")
            scripts, ops = {}, []
        elif word == "on":
            name, _, op = rest.partition(" ")
            scripts.setdefault(name, []).append(op)
        elif word == "do":
            ops.append(rest)
        elif word == "end":
            yield seed, (kind, scripts, ops)


def print_run(seed, program):
    kind, scripts, ops = program
    print(f"program {seed} {kind}")
    for name, script in scripts.items():
        for op in script:
            print(f"on {name} {op}")
    for op in ops:
        print(f"do {op}")
    for line in dispatcher.trace(program):
        print(f"see {line}")
    print("end")


def main(arguments):
    print(f"django {dispatcher.VERSION}", flush=True)
    match arguments:
        case ["generate", first, count]:
            for seed in range(int(first), int(first) + int(count)):
                print_run(seed, Generator(seed).program())
        case ["run"]:
            for seed, program in read_programs(sys.stdin):
                print_run(seed, program)
                sys.stdout.flush()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
