-- The events, each stored once by the transaction that sent it.
CREATE TABLE IF NOT EXISTS fanfare_outbox_event (
    -- AUTOINCREMENT, so that the id of a deleted event is not used again.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sender TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- The process and the receiver that sent the event, as JSON, if observers or a scope of a test followed
    -- the send.
    cause TEXT,
    -- Milliseconds since 1970, as all times here, and of the database's clock.
    stored_at BIGINT NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    -- 0: new. 1: handed out, with a delivery for each receiver that is owed it.
    state BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS fanfare_outbox_event_new ON fanfare_outbox_event (name, id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS fanfare_outbox_event_handed_out ON fanfare_outbox_event (id) WHERE state = 1;

-- The receivers that some process has connected, with their leases.
CREATE TABLE IF NOT EXISTS fanfare_outbox_receiver (
    name TEXT NOT NULL PRIMARY KEY,
    event TEXT NOT NULL,
    owner TEXT,
    token BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0
);

-- The deliveries that are owed: all of an event with several receivers, and those of an event with
-- one that have failed, wait or are parked. A delivery that is done is deleted.
CREATE TABLE IF NOT EXISTS fanfare_outbox_delivery (
    receiver TEXT NOT NULL,
    event_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    key TEXT NOT NULL,
    -- 0: ready. 1: failed, again at due_at. 2: dead. 3: parked, because of its version.
    -- 4: dead, and later events of the key go on. 5: waits behind an earlier one of the key.
    state BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    PRIMARY KEY (event_id, receiver)
);
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_ready ON fanfare_outbox_delivery (receiver, event_id)
    WHERE state = 0;
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_failed ON fanfare_outbox_delivery (receiver, due_at)
    WHERE state = 1;
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_parked ON fanfare_outbox_delivery (receiver, version)
    WHERE state = 3;
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_key ON fanfare_outbox_delivery (receiver, key, event_id)
    WHERE state <> 4;
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_blocking ON fanfare_outbox_delivery (receiver, key, event_id)
    WHERE state IN (1, 2, 3);
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_waiting ON fanfare_outbox_delivery (receiver, key, event_id)
    WHERE state = 5;
CREATE INDEX IF NOT EXISTS fanfare_outbox_delivery_dead ON fanfare_outbox_delivery (event_id) WHERE state IN (2, 4);
