-- What people make of events: seen, kept for ever, with a note.

ALTER TABLE event ADD COLUMN reviewed INTEGER; -- when somebody marked it as seen; NULL = nobody has
ALTER TABLE event ADD COLUMN reviewer TEXT;    -- name of who did; NULL = nobody has
ALTER TABLE event ADD COLUMN keep INTEGER NOT NULL DEFAULT 0 CHECK (keep IN (0, 1)); -- 1 = retention leaves it, and the clips around it, alone
ALTER TABLE event ADD COLUMN note BLOB CHECK (length(note) BETWEEN 1 AND 8192); -- words of a person: an age file that the box cannot open; NULL = none
ALTER TABLE event ADD COLUMN note_vault_no INTEGER REFERENCES vault (no); -- whom the note is sealed to; NULL = no note
CREATE INDEX event_kept ON event (camera_no, start) WHERE keep = 1;

-- clip.keep follows: a clip is kept that lies within 30 s of a kept event of its camera, however it came into the index.
CREATE TRIGGER event_keep AFTER UPDATE OF keep, "end" ON event
WHEN NEW.camera_no IS NOT NULL AND (NEW.keep <> OLD.keep OR NEW.keep = 1 AND NEW."end" IS NOT OLD."end") BEGIN
  UPDATE clip SET keep = EXISTS (SELECT 1 FROM event WHERE camera_no = clip.camera_no AND keep = 1
      AND start <= clip."end" + 30000000 AND coalesce("end", 1 << 62) >= clip.start - 30000000)
   WHERE camera_no = NEW.camera_no AND "end" >= NEW.start - 30000000
     AND start >= coalesce((SELECT max(start) FROM clip WHERE camera_no = NEW.camera_no AND start <= NEW.start - 30000000), 0)
     AND start <= max(coalesce(NEW."end", 1 << 62), coalesce(OLD."end", 1 << 62)) + 30000000;
END;
CREATE TRIGGER clip_keep_insert AFTER INSERT ON clip
WHEN NEW.keep = 0 AND EXISTS (SELECT 1 FROM event WHERE camera_no = NEW.camera_no AND keep = 1
      AND start <= NEW."end" + 30000000 AND coalesce("end", 1 << 62) >= NEW.start - 30000000) BEGIN
  UPDATE clip SET keep = 1 WHERE camera_no = NEW.camera_no AND start = NEW.start;
END;
CREATE TRIGGER clip_keep_update AFTER UPDATE OF "end" ON clip
WHEN NEW.keep = 0 AND EXISTS (SELECT 1 FROM event WHERE camera_no = NEW.camera_no AND keep = 1
      AND start <= NEW."end" + 30000000 AND coalesce("end", 1 << 62) >= NEW.start - 30000000) BEGIN
  UPDATE clip SET keep = 1 WHERE camera_no = NEW.camera_no AND start = NEW.start;
END;
