-- For tables that were made before events had a cause. The events stay.
ALTER TABLE fanfare_outbox_event ADD COLUMN cause TEXT;
