-- A pass that broke off stays open: how often in a row it did, when and why last, and how many rows it had seen at most. And whether every
-- row of the pass that is under way could be read, which a resumed pass cannot know by itself.
ALTER TABLE passes
    ADD COLUMN whole            boolean     NOT NULL DEFAULT true,
    ADD COLUMN broken_off_times integer     NOT NULL DEFAULT 0,
    ADD COLUMN broken_off_at    timestamptz,
    ADD COLUMN broken_off_why   text,
    ADD COLUMN broken_off_seen  bigint      NOT NULL DEFAULT 0;
