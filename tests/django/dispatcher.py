"""Runs a program on Django's `Signal`, and returns the trace."""

import asyncio
import gc
import logging
import warnings
import weakref

import django
from asgiref.sync import sync_to_async
from django.dispatch import Signal

VERSION = django.get_version()
SYNC_COMES_FIRST = django.VERSION >= (6, 1)
MAX_CALLS, MAX_DEPTH, MAX_DEPTH_OF_TASKS = 150, 3, 2

# Robust sends log each failure, and refused sends leave coroutines that are never awaited.
logging.disable()
warnings.simplefilter("ignore")
LOOP = asyncio.new_event_loop()


class Fault(Exception):
    pass


class Exit(BaseException):
    pass


# Several `Exit`s together are a `BaseExceptionGroup`.
FAILURES = (Exception, Exit, BaseExceptionGroup)


class T0:
    pass


class T1:
    pass


class Named:
    """A sender that is an object. Each has a number that is never used again."""

    def __init__(self, name):
        self.name = name


FIXED = {"-": None, "T0": T0, "T1": T1, "N0": "order", "N1": "invoice", "K0": 1000, "K1": 2000}
NAMES = {id(sender): name for name, sender in FIXED.items()}


class Target:
    """An object whose methods are connected weakly."""

    def __init__(self, run, number):
        self.run, self.number = run, number

    def m0(self, **event):
        return self.run.call(f"m{self.number}.0", "m0", **event)

    def m1(self, **event):
        return self.run.call(f"m{self.number}.1", "m1", **event)

    async def n0(self, **event):
        return await self.run.acall(f"n{self.number}.0", "n0", **event)

    async def n1(self, **event):
        return await self.run.acall(f"n{self.number}.1", "n1", **event)


def sync_receiver(run, name):
    def receive(**event):
        return run.call(name, name, **event)

    receive.label = name
    return receive


def async_receiver(run, name):
    async def receive(**event):
        return await run.acall(name, name, **event)

    receive.label = name
    return receive


def label(receiver):
    if hasattr(receiver, "__func__"):
        name = receiver.__func__.__name__
        return f"{name[0]}{receiver.__self__.number}.{name[1]}"
    return receiver.label


def name_of(sender):
    return sender.name if isinstance(sender, Named) else NAMES[id(sender)]


def fault_of(error):
    if isinstance(error, BaseExceptionGroup):
        return "+".join(fault_of(inner) for inner in error.exceptions)
    if isinstance(error, Fault):
        return error.args[0]
    if isinstance(error, Exit):
        return "exit"
    if isinstance(error, RuntimeError) and "AsyncToSync" in str(error):
        return "refused"
    return f"unexpected:{error!r}".replace(" ", "_")


def forget_frames(error):
    """Drops the frames that an exception has left, which refer to the receivers of their sends.

    In Python a weak receiver lives as long as an exception that passed through its send.
    """
    error.__traceback__ = error.__context__ = None
    for inner in getattr(error, "exceptions", []):
        forget_frames(inner)


class Run:
    def __init__(self, kind, scripts):
        self.kind, self.scripts = kind, scripts
        self.signal = Signal()
        self.lines, self.calls, self.generations = [], 0, 0
        self.functions = {name: sync_receiver(self, name) for name in ["f0", "f1", "f2", "f3"]}
        for name in ["a0", "a1", "a2", "a3"]:
            self.functions[name] = async_receiver(self, name)
        for name in ["c0", "c1"]:
            self.functions[name] = sync_receiver(self, name)
        self.targets = [Target(self, number) for number in range(3)]
        self.objects, self.graveyard = [None, None], []
        for number in range(2):
            self.renew(number)

    def see(self, depth, line):
        self.lines.append(f"{depth} {line}")

    # ---- receivers

    def call(self, *names, **event):
        try:
            return self.run_script(*names, **event)
        except FAILURES as error:
            forget_frames(error)
            raise error.with_traceback(None)

    async def acall(self, *names, **event):
        try:
            return await self.run_async_script(*names, **event)
        except FAILURES as error:
            forget_frames(error)
            raise error.with_traceback(None)

    def run_script(self, label, script, sender, value, depth, **_):
        for op in self.begin(label, script, sender, value, depth):
            match op:
                case ["error", fault]:
                    return Fault(fault)
                case _:
                    self.step(op, depth)
        return value + 1

    async def run_async_script(self, label, script, sender, value, depth, **_):
        for op in self.begin(label, script, sender, value, depth):
            match op:
                case ["error", fault]:
                    return Fault(fault)
                case ["yield"]:
                    await asyncio.sleep(0)
                case ["asend" | "arobust" as verb, own_sender, own_value, caught]:
                    await self.asend(verb, own_sender, own_value, depth, caught == "caught")
                case _:
                    self.step(op, depth)
        return value + 1

    def begin(self, label, script, sender, value, depth):
        self.see(depth, f"call {label} {name_of(sender)} {value}")
        self.calls += 1
        if self.kind != "tasks" and self.calls > MAX_CALLS:
            return []
        return [op.split(" ") for op in self.scripts.get(script, [])]

    # ---- operations

    def step(self, op, depth):
        match op:
            case ["connect", receiver, sender, uid]:
                self.connect(receiver, sender, uid, depth)
            case ["disconnect", receiver, sender, uid]:
                self.disconnect(receiver, sender, uid, depth)
            case ["drop", number]:
                self.targets[int(number)] = None
            case ["make", number]:
                self.targets[int(number)] = Target(self, int(number))
            case ["fresh", number]:
                self.functions[f"c{number}"] = sync_receiver(self, f"c{number}")
            case ["renew", number]:
                self.renew(int(number))
            case ["send" | "robust" as verb, sender, value, caught]:
                self.send(verb, sender, value, depth, caught == "caught")
            case ["asend" | "arobust" as verb, sender, value, caught]:
                LOOP.run_until_complete(self.asend(verb, sender, value, depth, caught == "caught"))
                # The thread of the sync receivers releases them when it gets its next task.
                LOOP.run_until_complete(sync_to_async(int)())
                gc.collect()
            case ["listeners", sender]:
                has_listeners = self.signal.has_listeners(self.sender(sender))
                self.see(depth, f"listeners {has_listeners}".lower())
            case ["look"]:
                self.look(depth)
            case ["raise", fault]:
                raise Fault(fault)
            case ["exit"]:
                raise Exit
            case _:
                raise ValueError(op)

    def connect(self, receiver, sender, uid, depth):
        function = self.receiver(receiver)
        if function is None:
            return
        with self.signal.lock:
            self.signal._clear_dead_receivers()
        before = len(self.signal.receivers)
        self.signal.connect(
            function,
            sender=self.sender(sender),
            weak=receiver[0] in "mn",
            dispatch_uid=UIDS.get(uid, uid),
        )
        self.see(depth, f"connect {'new' if len(self.signal.receivers) > before else 'old'}")

    def disconnect(self, receiver, sender, uid, depth):
        function = None if receiver == "-" else self.receiver(receiver)
        if function is None and receiver != "-":
            return
        done = self.signal.disconnect(
            function, sender=self.sender(sender), dispatch_uid=UIDS.get(uid, uid)
        )
        self.see(depth, f"disconnect {done}".lower())

    def send(self, verb, sender, value, depth, caught):
        if depth >= self.max_depth():
            return
        send = self.signal.send if verb == "send" else self.signal.send_robust
        try:
            pairs = send(self.sender(sender), value=int(value), depth=depth + 1)
        except FAILURES as error:
            self.see_raised(verb, error, depth)
            if depth > 0 and not caught:
                raise
        else:
            self.see_responses(verb, pairs, depth)
            del pairs
        if self.kind != "sync":
            gc.collect()

    async def asend(self, verb, sender, value, depth, caught):
        if depth >= self.max_depth():
            return
        send = self.signal.asend if verb == "asend" else self.signal.asend_robust
        try:
            pairs = await send(self.sender(sender), value=int(value), depth=depth + 1)
        except FAILURES as error:
            self.see_raised(verb, error, depth)
            if depth > 0 and not caught:
                raise
        else:
            self.see_responses(verb, pairs, depth)
            del pairs
        gc.collect()

    def max_depth(self):
        return MAX_DEPTH_OF_TASKS if self.kind == "tasks" else MAX_DEPTH

    def see_raised(self, verb, error, depth):
        self.see(depth, f"{verb} raised {fault_of(error)}")

    def see_responses(self, verb, pairs, depth):
        words = [verb]
        failed = False
        for receiver, response in pairs:
            if isinstance(response, BaseException):
                # In a robust send this is a failure or a response. Django has one form for both.
                kind = "error" if "robust" in verb else "returned"
                words.append(f"{label(receiver)}:{kind}-{fault_of(response)}")
                # Its frames include the one that has these responses.
                forget_frames(response)
                failed = True
            else:
                words.append(f"{label(receiver)}:{response}")
        receiver = response = None
        pairs.clear()
        self.see(depth, " ".join(words))
        if failed:
            gc.collect()

    def look(self, depth):
        words = ["look"]
        for (key, sender_id), receiver, *rest in self.signal.receivers:
            if isinstance(receiver, weakref.ReferenceType):
                receiver = receiver()
            sender_is_dead = len(rest) == 2 and rest[0] is not None and rest[0]() is None
            if receiver is not None and not sender_is_dead:
                uid = key if isinstance(key, str) else "-"
                words.append(f"{label(receiver)}/{self.names[sender_id]}/{uid}")
        receiver = None
        self.see(depth, " ".join(words))

    def renew(self, number):
        self.generations += 1
        if not SYNC_COMES_FIRST:
            # Before 6.1 an object at the address of a dead sender would get its receivers.
            self.graveyard.append(self.objects[number])
        self.objects[number] = None
        self.objects[number] = Named(f"I{number}.{self.generations}")
        self.names[id(self.objects[number])] = self.objects[number].name

    # ---- names

    names = NAMES

    def receiver(self, name):
        if name[0] in "mn":
            number, method = name[1:].split(".")
            target = self.targets[int(number)]
            return None if target is None else getattr(target, f"{name[0]}{method}")
        return self.functions[name]

    def sender(self, name):
        return self.objects[int(name[1])] if name[0] == "I" else FIXED[name]


UIDS = {"-": None, "empty": ""}


def trace(program):
    kind, scripts, ops = program
    run = Run(kind, scripts)
    for op in ops:
        run.step(op.split(" "), 0)
    # Before 6.1 a list of Django's finalizers refers to the signal as long as its targets live.
    run.targets.clear()
    return run.lines


# Only the objects of a program are to be looked at by the collections.
gc.collect()
gc.freeze()
